"""Leakage between Kaggle's Training and Testing, with the patients of Figshare.

    python -m benchmarks run audit_against KAGGLE FIGSHARE [--write]

Runs ``gadolin audit KAGGLE --against FIGSHARE --json``; the result lists the subsets of Testing and label conflicts.
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

from benchmarks.publish import markdown, publish
from gadolin.splits import SUBSETS

PARTS = ("slices", *SUBSETS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kaggle", type=Path)
    parser.add_argument("figshare", type=Path)
    parser.add_argument("--write", action="store_true", help="store the result and render docs/")
    arguments = parser.parse_args()
    kaggle, figshare = arguments.kaggle.resolve(), arguments.figshare.resolve()
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as cache:
        command = ["-m", "gadolin", "audit", str(kaggle), "--against", str(figshare), "--json", "--cache", cache]
        printed = subprocess.run([sys.executable, *command], stdout=subprocess.PIPE, text=True, check=False).stdout
    seconds = time.perf_counter() - start
    lines = report(json.loads(printed))
    publish(
        "audit-against",
        "The Kaggle collection compared with Figshare",
        [*lines, "", f"`gadolin audit KAGGLE --against FIGSHARE --json`, cold cache: {seconds:.0f} s."],
        write=arguments.write,
    )


def report(audit: dict[str, Any]) -> list[str]:
    """Return the table of the test part, and the findings on patients and labels."""
    rows = [
        [part["class"] or "all", *(f"{part[name] or 0:,}" for name in PARTS)]
        for part in audit["parts"]
        if part["part"] == "test"
    ]
    findings = [one for one in audit["findings"] if one["kind"] in ("shared_patients", "label_conflicts")]
    lines = [audit["verdict"], "", *markdown(["Testing", *(name.replace("_", " ") for name in PARTS)], rows), ""]
    for finding in findings:
        lines.append(f"- {finding['message'].partition(':')[0].rstrip('.')}.")
        if finding["kind"] == "label_conflicts":
            lines += [f"  - {', '.join(group)}" for group in finding["members"]]
    return lines
