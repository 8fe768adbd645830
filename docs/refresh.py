"""Put what the package says into the documents: run it from the repository root after a change to either.

``python docs/refresh.py recipes`` writes the values into the table of docs/recipes.md; without an argument it then runs
the demo and fills the session of README.md, the example of docs/prediction.md and, where Chromium is installed,
docs/images/report.png.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from functools import reduce
from pathlib import Path

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SHOWN = ("phantom", "train", "evaluate", "predict")
ROWS = 6  # of the predictions


def main() -> None:
    """Refresh everything; the demo's folder is ``demo``."""
    tell_recipes(Path("docs/recipes.md"))
    if sys.argv[1:] == ["recipes"]:
        return
    os.environ["PYTHONUNBUFFERED"] = "1"  # so that messages stand where they were printed
    printed = output(sys.executable, "demo.py")
    blocks = re.findall(r"^\$ gadolin .*?(?=^\$ gadolin |\nDone in |\Z)", printed, re.MULTILINE | re.DOTALL)
    shown = [shortened(block.strip()) for block in blocks if block.split()[2] in SHOWN]
    fill(Path("README.md"), "session", "```\n" + "\n\n".join(shown) + "\n```")
    command = [sys.executable, "-m", "gadolin", "predict", "--model", "demo/run", "--json"]
    slices = sorted(Path("demo/fresh/Testing/meningioma").glob("*.png"))[:1]
    example = output(*command, *(path.as_posix() for path in slices), "missing.png", messages=False)
    fill(Path("docs/prediction.md"), "example", f"```json\n{example.strip()}\n```")
    photograph(Path("demo/run/evaluation-fresh/report.html"), Path("docs/images/report.png"))


def tell_recipes(path: Path) -> None:
    """Write the recipes' values into the rows of their keys; the test of the documents tells of missing rows."""
    from gadolin.train.recipes import RECIPES

    lines = path.read_text(encoding="utf-8").splitlines()
    names: list[str] = []
    for place, line in enumerate(lines):
        key, *cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not cells:
            names = []
        elif key == "key":
            names = cells[:-1]
        elif names and re.fullmatch(r"`[a-z_.]+`", key):
            found = [reduce(getattr, key.strip("`").split("."), RECIPES[name]) for name in names]
            values = [str(one).lower() if isinstance(one, bool) else str(one) for one in found]
            lines[place] = f"| {' | '.join([key, *values, cells[-1]])} |"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def output(*command: str, messages: bool = True) -> str:
    """Return what a command printed; it may have failed with 1, for a file that is missing on purpose."""
    errors = subprocess.STDOUT if messages else subprocess.DEVNULL
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=errors, text=True, check=False)
    if done.returncode > 1:
        raise SystemExit(done.stdout)
    return done.stdout


def shortened(block: str) -> str:
    """Return a command's output with a few of its predictions."""
    lines = [line.rstrip() for line in block.splitlines()]
    if lines[0].split()[2] == "predict":
        head = lines[: 3 + ROWS]
        return "\n".join([*head, "...", lines[-1]])
    return "\n".join(lines)


def fill(path: Path, name: str, content: str) -> None:
    """Replace what stands between the marks of ``name`` in a document."""
    text = path.read_text(encoding="utf-8")
    pattern = re.compile(rf"(<!-- {name} -->\n).*?(\n<!-- /{name} -->)", re.DOTALL)
    path.write_text(pattern.sub(lambda found: found[1] + content + found[2], text), encoding="utf-8")


def photograph(page: Path, picture: Path) -> None:
    """Take a picture of the top of a report, in few enough colours for a repository."""
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        sys.stderr.write(f"no Chromium found: {picture} stays as it is\n")
        return
    quiet = ["--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
    with tempfile.TemporaryDirectory() as profile:
        shot = Path(profile) / "report.png"
        flags = ["--headless", "--no-sandbox", "--disable-gpu", *quiet, f"--user-data-dir={profile}/user"]
        subprocess.run(
            [browser, *flags, "--window-size=1100,1600", f"--screenshot={shot}", page.resolve().as_uri()],
            check=True,
            stderr=subprocess.DEVNULL,
        )
        from PIL import Image

        Image.open(shot).convert("RGB").quantize(64).save(picture, optimize=True)


if __name__ == "__main__":
    main()
