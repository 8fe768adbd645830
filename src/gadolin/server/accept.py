"""The media type that a client prefers, by its Accept header (RFC 9110)."""

from __future__ import annotations

__all__ = ["prefers_png"]


def prefers_png(accept: str) -> bool:
    """Return whether a client prefers image/png to application/json; not if it does not say."""
    return _quality(accept, "image", "png") > _quality(accept, "application", "json")


def _quality(accept: str, kind: str, subtype: str) -> float:
    """Return the quality, 0 to 1, that the most specific range of the header gives a media type; 0 if none does."""
    ranges = (f"{kind}/{subtype}", f"{kind}/*", "*/*")
    given: dict[str, float] = {}
    for one in accept.lower().split(","):
        media, *parameters = (part.strip() for part in one.split(";"))
        quality = next((part.removeprefix("q=") for part in parameters if part.startswith("q=")), "1")
        try:
            given[media] = float(quality)
        except ValueError:
            given[media] = 0.0
    return next((given[each] for each in ranges if each in given), 0.0)
