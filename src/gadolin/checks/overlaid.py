"""How one picture lies over another, in words that are counted and shown alike."""

from __future__ import annotations

from typing import Final

from gadolin.duplicates.registration import Overlay

__all__ = ["WAYS", "ways"]

WAYS: Final = ("mirrored", "upside down", "turned", "rescaled")
"""Left for right; top for bottom, which is mirrored and turned by 180 degrees; by more than 5 degrees; by over 5 %."""

_TURNED = 5.0  # degrees
_SCALED = 0.05


def ways(overlay: Overlay) -> tuple[str, ...]:
    """Return those of ``WAYS`` in which one picture differs from the other; none where it lies as it is."""
    upside_down = overlay.mirrored and abs(abs(overlay.degrees) - 180) < _TURNED
    differs = (
        overlay.mirrored and not upside_down,
        upside_down,
        abs(overlay.degrees) > _TURNED and not upside_down,
        abs(overlay.scale - 1) > _SCALED,
    )
    return tuple(way for way, so in zip(WAYS, differs, strict=True) if so)
