"""``python -m gadolin``."""

from __future__ import annotations

from gadolin.cli import main

main()
