"""The media type that a client prefers, by its Accept header (RFC 9110)."""

from __future__ import annotations

from collections.abc import Iterator

from gadolin.dicom_results.multipart import RELATED
from gadolin.server.problems import ProblemError

__all__ = ["prefers_png", "prefers_related"]

"""Media type of several DICOM objects, as DICOMweb sends them (PS3.18)."""
_OBJECT = "application/dicom"


def prefers_png(accept: str) -> bool:
    """Return whether a client prefers image/png to application/json; not if it does not say."""
    return _quality(accept, "image", "png") > _quality(accept, "application", "json")


def prefers_related(accept: str) -> bool:
    """Return whether a client prefers ``RELATED`` to application/zip; not if it does not say.

    Raises ProblemError (406) if it accepts neither.
    """
    if not accept.strip():
        return False
    related, archive = _quality(accept, "multipart", "related", _OBJECT), _quality(accept, "application", "zip")
    if related <= 0 and archive <= 0:
        raise ProblemError(
            406,
            code="not_acceptable",
            rule=f"the response is application/zip or {RELATED}",
            got="the request accepts neither",
            remedy="change its Accept header, or omit it",
        )
    return related > archive


def _quality(accept: str, kind: str, subtype: str, parts: str = "") -> float:
    """Return the quality, 0 to 1, that the most specific range of the header gives a media type; 0 if none does.

    ``parts`` is the type of its parts: ranges for another one are ignored.
    """
    ranges = (f"{kind}/{subtype}", f"{kind}/*", "*/*")
    given = {media: quality for media, of, quality in _ranges(accept) if of in ("", parts)}
    return next((given[each] for each in ranges if each in given), 0.0)


def _ranges(accept: str) -> Iterator[tuple[str, str, float]]:
    """Yield each range of the header, the type of its parts (or empty), and its quality."""
    for one in accept.lower().split(","):
        media, *rest = (part.strip() for part in one.split(";"))
        values = dict(part.split("=", 1) for part in rest if "=" in part)
        try:
            quality = float(values.get("q", "1"))
        except ValueError:
            quality = 0.0
        yield media, values.get("type", "").strip('"'), quality
