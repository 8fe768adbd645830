"""Watch an archive with DICOMweb: answer each MR series once no more instances come.

All state that must outlive the process is in the archive: results that it has are not made again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from gadolin.dicom_network.dicomweb import FoundSeries
from gadolin.dicom_network.dicomweb_study import OF_THE_ARCHIVE, AnsweredSeries, SeriesAnswerer, name_of
from gadolin.dicom_results.series_answers import MOST_SLICES
from gadolin.errors import ArchiveError, GadolinError, OutputError
from gadolin.records import Failure

__all__ = ["SeriesWatch", "Watched", "watch"]

_TRIES: Final = 3  # of a series in which the archive fails although it lists it
_LONGEST_PAUSE: Final = 600.0  # seconds between two polls of an archive that fails
_TEMPORARY: Final = ("archive_failed", "archive_too_slow", "archive_unreachable")

Outcome = AnsweredSeries | Failure


@dataclass(frozen=True, slots=True)
class Watched:
    """The series that are watched: of one study, or of the studies of the last ``days``; ``series`` keeps one only.

    With 0 days they are those of all studies, also of studies without a date.
    """

    study: str | None = None
    series: str | None = None
    days: int = 7


@dataclass(slots=True)
class _Seen:
    """A series at the last poll: its number of instances, how often it failed, and whether it is finished with."""

    instances: int
    tries: int = 0
    is_done: bool = False


class SeriesWatch:
    """Polls an archive; a series with the same number of instances at two polls is answered, once for each number."""

    def __init__(self, answerer: SeriesAnswerer, watched: Watched) -> None:
        self._answerer, self._watched = answerer, watched
        self._seen: dict[tuple[str, str], _Seen] = {}

    def poll(self) -> Iterator[Outcome]:
        """Search the archive once; yield what is answered, and a failure for each series that cannot be.

        A series that fails is left alone until it changes; if the archive or the disk failed, after three polls. Raises
        ArchiveError if the archive cannot be searched, or fails so that the next series would fail too.
        """
        watched = self._watched
        since = date.today() - timedelta(days=watched.days) if watched.days and not watched.study else None
        found = self._answerer.archive.series(watched.study, modality="MR", since=since)
        found = [one for one in found if watched.series in (None, one.series)]
        listed = {(one.study, one.series) for one in found}
        self._seen = {key: one for key, one in self._seen.items() if key in listed}
        for one in found:
            if self._is_due(one) and (outcome := self._outcome(one)) is not None:
                yield outcome

    def _is_due(self, found: FoundSeries) -> bool:
        """Return whether a series has the number of instances that it had at the last poll, and is not done."""
        count = self._count(found)
        last = self._seen.get((found.study, found.series))
        if last is None or last.instances != count:
            self._seen[found.study, found.series] = _Seen(count)
            return False
        return not last.is_done and count != 0

    def _count(self, found: FoundSeries) -> int:
        """Return the number of instances of a series, at most one more than are answered; -1 if it is not known."""
        if found.instances is not None:
            return found.instances
        try:
            return len(self._answerer.archive.instances(found.study, found.series, most=MOST_SLICES + 1))
        except ArchiveError as error:
            if error.code in OF_THE_ARCHIVE:
                raise
            return -1  # answering will report the error

    def _outcome(self, found: FoundSeries) -> Outcome | None:
        """Answer a series; return None if it was answered before, or is tried again at the next poll."""
        seen = self._seen[found.study, found.series]
        seen.tries += 1
        try:
            kept = self._answerer.kept(found.study)
            done = None if self._answerer.is_answered(found, kept) else self._answerer.answer(found, kept)
        except GadolinError as error:
            seen.is_done = seen.tries >= _TRIES or not isinstance(error, ArchiveError | OutputError)
            if not seen.is_done and error.code in OF_THE_ARCHIVE:
                raise
            return Failure(name_of(found), error) if seen.is_done else None
        seen.is_done = True
        return done


def watch(
    polled: SeriesWatch,
    every: float,
    *,
    show: Callable[[Outcome], None],
    notify: Callable[[str], None],
    wait: Callable[[float], None],
) -> None:
    """Poll for ever, each ``every`` seconds; ``show`` gets each outcome, ``notify`` one message when the archive fails.

    An archive that fails is polled ever more rarely, but at least each ten minutes. Raises ArchiveError if the first
    search fails for another reason: the address or the access is wrong.
    """
    is_away, has_answered, pause = False, False, every
    while True:
        try:
            for outcome in polled.poll():
                show(outcome)
        except ArchiveError as error:
            if error.code not in _TEMPORARY and not has_answered:
                raise
            if not is_away:
                notify(f"the archive fails, trying again later: {error}")
            is_away, pause = True, min(2 * pause, max(every, _LONGEST_PAUSE))
        else:
            if is_away:
                notify("the archive answers again")
            is_away, has_answered, pause = False, True, every
        wait(pause)
