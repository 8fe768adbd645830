"""The Kaggle set audited against Figshare, whose patients are known: what its test part shares with its training part.

    python benchmarks/audit_against.py KAGGLE FIGSHARE [--write]

Prints the parts of ``gadolin audit KAGGLE --against FIGSHARE --json``, and the labels that Figshare contradicts.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from gadolin.splits import SUBSETS
from publish import markdown, publish

PARTS = ("slices", *SUBSETS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kaggle", type=Path)
    parser.add_argument("figshare", type=Path)
    parser.add_argument("--write", action="store_true", help="put the result into docs/results.md")
    arguments = parser.parse_args()
    kaggle, figshare = arguments.kaggle.resolve(), arguments.figshare.resolve()
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as cache:
        command = ["-m", "gadolin", "audit", str(kaggle), "--against", str(figshare), "--json", "--cache", cache]
        printed = subprocess.run([sys.executable, *command], stdout=subprocess.PIPE, text=True, check=False).stdout
    seconds = time.perf_counter() - start
    lines = told(json.loads(printed))
    publish(
        "audit-against",
        "The Kaggle set audited against Figshare",
        [*lines, "", f"`gadolin audit KAGGLE --against FIGSHARE --json`, cold cache: {seconds:.0f} s."],
        write=arguments.write,
    )


def told(audit: dict[str, Any]) -> list[str]:
    """Return the table of the test part, and what is said of patients and labels."""
    rows = [
        [part["class"] or "all", *(f"{part[name] or 0:,}" for name in PARTS)]
        for part in audit["parts"]
        if part["part"] == "test"
    ]
    said = [one for one in audit["findings"] if one["kind"] in ("shared_patients", "label_conflicts")]
    lines = [audit["verdict"], "", *markdown(["Testing", *(name.replace("_", " ") for name in PARTS)], rows), ""]
    for finding in said:
        lines.append(f"- {finding['message'].partition(':')[0].rstrip('.')}.")
        if finding["kind"] == "label_conflicts":
            lines += [f"  - {', '.join(group)}" for group in finding["members"]]
    return lines


if __name__ == "__main__":
    main()
