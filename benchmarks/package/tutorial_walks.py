"""Follow three tutorials by their own commands, from a fresh clone and an empty environment, and time them.

    python -m benchmarks run tutorial_walks [--write]

The commands are those of each page: the lines of its installation, and those of its section for the command line. The
recipe that a cell of the page writes is written first. What the commands print is not read, but each must succeed; the
audit of a download may end with 1, which its page explains.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.publish import markdown, publish
from benchmarks.results import ROOT

WALKS = {
    "first-prediction": "a prediction and its explanation",
    "train-on-your-folder": "a model trained on a folder, and a prediction by it",
    "audit-a-download": "the audit of a download, a split without leakage, and a model trained on it",
}
SHELL = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"^%%writefile (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMANDS = "## The same on the command line\n"
OPENS_A_BROWSER = "jupyter notebook"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="store the result and render docs/")
    arguments = parser.parse_args()
    rows = []
    for name, result in WALKS.items():
        with tempfile.TemporaryDirectory() as folder:
            installation, rest, count = walk(name, Path(folder) / "gadolin")
        rows.append([name, result, f"{installation / 60:.1f}", f"{rest / 60:.1f}", str(count)])
    head = ["tutorial", "result", "minutes of installation", "minutes of the rest", "commands"]
    lines = [
        *markdown(head, rows),
        "",
        "From a fresh clone and an empty virtual environment, without a GPU. The minutes of installation depend on the "
        "network and on the cache of pip. Reading is not included.",
    ]
    publish("tutorial-walks", "The tutorials, from nothing to a result", lines, write=arguments.write)


def walk(name: str, clone: Path) -> tuple[float, float, int]:
    """Follow a tutorial in a clone; return the seconds of the installation and of the rest, and the commands of it."""
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    page = (clone / "docs" / "tutorials" / f"{name}.md").read_text(encoding="utf-8")
    found = SHELL.search(page)
    assert found, "a tutorial begins with its installation"
    install = [line for line in found.group(1).splitlines() if line != OPENS_A_BROWSER]
    installation = timed(install, clone)
    for file, content in FILE.findall(page):
        (clone / file).write_text(content, encoding="utf-8")
    section = SHELL.search(page.partition(COMMANDS)[2])
    assert section, "a tutorial has a section for the command line"
    commands = section.group(1).splitlines()
    rest = sum(timed(["source .venv/bin/activate", line], clone) for line in commands)
    return installation, rest, len(commands)


def timed(lines: list[str], folder: Path) -> float:
    """Run lines in one shell and return the seconds; exit if one fails."""
    print("\n".join(f"$ {line}" for line in lines if not line.startswith("source ")), flush=True)
    started = time.perf_counter()
    done = subprocess.run(["bash", "-c", "\n".join(["set -e", *lines])], cwd=folder, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - started
    if done.returncode > lines[-1].startswith("gadolin audit"):
        sys.exit(f"{lines[-1]} ended with {done.returncode}")
    print(f"  {seconds:.0f} s", flush=True)
    return seconds


if __name__ == "__main__":
    main()
