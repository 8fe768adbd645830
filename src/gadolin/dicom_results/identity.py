"""What an image belongs to; results are for the images of one series."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from gadolin.errors import RequestError

__all__ = ["Identity", "require_one"]


class Identity(NamedTuple):
    """The study, series and patient of an image, by UID or id, and its own SOP Instance UID."""

    study: str
    series: str
    patient: str
    instance: str


def require_one(identities: Iterable[Identity]) -> None:
    """Raise RequestError unless all images are of one study, one series and one patient."""
    images = list(identities)
    for noun in ("study", "series", "patient"):
        found = {getattr(one, noun) for one in images}
        if len(found) > 1:
            raise RequestError(
                code="results_of_several",
                rule="results are for the slices of one series",
                got=f"these are of {len(found)} different values of {noun}",
                remedy="give one series at a time",
            )
