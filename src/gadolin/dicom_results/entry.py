"""The objects of results as they are listed in JSON; imports neither pydicom nor highdicom."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["ResultEntry"]


@dataclass(frozen=True, slots=True)
class ResultEntry:
    """An object of results: its kind and UIDs, whether it is new where it was sent or written, and its path, if any."""

    kind: str
    instance: str
    series: str
    is_new: bool
    path: Path | None = None

    def as_json(self) -> dict[str, object]:
        """Return the entry as in the list ``objects`` of every JSON document about results."""
        place = {} if self.path is None else {"path": str(self.path)}
        uids = {"sop_instance_uid": self.instance, "series_instance_uid": self.series}
        return {"kind": self.kind, **place, **uids, "new": self.is_new}
