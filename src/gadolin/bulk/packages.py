"""The packages of the extra ``bulk``."""

from __future__ import annotations

from importlib.util import find_spec

from gadolin.errors import MissingExtraError

__all__ = ["require"]


def require(package: str) -> None:
    """Raise MissingExtraError unless a package is installed."""
    if find_spec(package) is None:
        raise MissingExtraError(package, extra="bulk")
