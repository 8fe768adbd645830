"""The code of the how-tos about plug-ins, which is that of examples/plugin."""

from __future__ import annotations

from pathlib import Path

from generators.marks import fill

__all__ = ["EXAMPLES", "write_plugin"]

EXAMPLES = {
    "audit-check": "dark_slices.py",
    "backbone": "tinynet.py",
    "data-source": "small_phantoms.py",
    "explanation-method": "bands.py",
    "reader": "gslice.py",
    "runtime": "one_by_one.py",
}
"""The file of the example plug-in by the name of its page."""


def write_plugin(path: Path, example: Path = Path("examples/plugin")) -> None:
    """Write the file of the example plug-in that belongs to a page between its marks."""
    name = EXAMPLES[path.stem]
    code = (example / "src" / "gadolin_example" / name).read_text(encoding="utf-8").strip()
    fill(path, name, f"```python\n{code}\n```")
