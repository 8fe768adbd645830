"""Commands of README.md and of docs/prediction.md with their output, run on phantoms in an empty folder."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from generators.marks import fill

__all__ = ["SESSION", "document", "printed", "shortened", "write_document", "write_session"]

SESSION = (
    "phantom demo/faulty --patients 12 --fault=copies --fault=mirrors",
    "predict demo/faulty/Testing/meningioma/s0p0045-01.png demo/faulty/Testing/meningioma/s0p0037-00.png "
    "demo/faulty/Testing/notumor/s0p0046-00.png",
    "audit demo/faulty",
    "phantom demo/phantoms --patients 40",
    "train demo/phantoms --out demo/run --set epochs=30 --set network.input_size=96 --set optimizer.warmup_epochs=1",
)
DOCUMENT = "predict demo/faulty/Testing/notumor/s0p0046-00.png missing.png --json"
LEFT_OUT = "..."
_CUTS = (
    ("test part ", "Leakage: slices"),
    ("Leakage: patients", "to mend this: "),
    ("epoch  2/", "epoch 30/"),
    ("With abstention", "report: "),
    ("confusion matrix: ", "next: "),
)
"""Lines of the output from the first that begins so to the one before the first that begins so are left out."""


def write_session(path: Path) -> None:
    """Fill the session of a page with commands and their output, shortened."""
    with tempfile.TemporaryDirectory() as folder:
        blocks = [shortened(printed(command, Path(folder))) for command in SESSION]
    fill(path, "session", "```console\n" + "\n\n".join(blocks) + "\n```")


def write_document(path: Path) -> None:
    """Fill the example of a page with the document of a prediction and of a file that is missing."""
    with tempfile.TemporaryDirectory() as folder:
        fill(path, "example", f"```json\n{document(Path(folder))}\n```")


def document(folder: Path) -> str:
    """Return the JSON document of a slice of the session and of a file that is missing."""
    printed(SESSION[0], folder)
    command = [sys.executable, "-m", "gadolin", *DOCUMENT.split()]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
    assert done.returncode == 1, done.stderr  # for the file that is missing
    return done.stdout.strip()


def printed(command: str, folder: Path) -> str:
    """Return a command of gadolin and what it prints in ``folder``, messages in the order in which they appear."""
    done = subprocess.run(
        [sys.executable, "-m", "gadolin", *command.split()],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
        cwd=folder,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    return f"$ gadolin {command}\n{done.stdout.strip()}"


def shortened(block: str) -> str:
    """Return a command with its output, without some lines: marked by LEFT_OUT."""
    lines = [line.rstrip() for line in block.splitlines()]
    for first, last in _CUTS:
        start, end = (next((n for n, one in enumerate(lines) if one.startswith(part)), None) for part in (first, last))
        if start is not None and end is not None:
            lines[start:end] = [LEFT_OUT]
    return "\n".join(lines)
