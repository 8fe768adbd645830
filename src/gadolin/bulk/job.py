"""The folder of a job: what its answers are of, and which partitions are finished."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from gadolin.bulk.parquet import read_facts
from gadolin.errors import DataError
from gadolin.files.atomic import require_fresh, write_json

__all__ = ["Job", "JobFolder", "Outcomes"]

_FACTS = "_job.json"  # readers of Parquet folders skip names that begin so


@dataclass(frozen=True, slots=True)
class Job:
    """What decides the answers and their partition: a job can be resumed only with the same values.

    ``model`` is the digest of the bundle, ``version`` that of Gadolin, ``partition`` the files of a partition;
    ``sources`` are the paths, patterns, addresses and the manifest as given.
    """

    model: str
    version: str
    sources: tuple[str, ...]
    partition: int
    plane: str


@dataclass(frozen=True, slots=True)
class Outcomes:
    """How many files and slices a partition, or several, have."""

    files: int = 0
    predicted: int = 0
    abstained: int = 0
    failed: int = 0
    left_out: int = 0

    def __add__(self, other: Outcomes) -> Outcomes:
        """Return the sums."""
        mine, others = asdict(self), asdict(other)
        return Outcomes(**{name: mine[name] + others[name] for name in mine})


@dataclass(frozen=True, slots=True)
class JobFolder:
    """The folder that a job writes: ``_job.json`` and a Parquet file for each partition."""

    path: Path

    def open(self, job: Job, *, resume: bool) -> None:
        """Start a job in a new or empty folder; with ``resume``, continue the one that is there, if any.

        Raises DataError if the folder holds something else, or the answers of another job.
        """
        if not resume or not (self.path / _FACTS).is_file():
            remedy = "choose another folder" if resume else "choose another folder, or continue its job with --resume"
            require_fresh(self.path, remedy)
            write_json(self.path / _FACTS, asdict(job))
            return
        before = self._facts()
        now = json.loads(json.dumps(asdict(job)))
        different = [name for name in now if before.get(name) != now[name]]
        if different:
            shown = "; ".join(f"{name} was {before.get(name)}, now {now[name]}" for name in different)
            raise self._of_another_job(shown)

    def file(self, number: int) -> Path:
        """Return the file of a partition; it exists once the partition is finished."""
        return self.path / f"part-{number:06}.parquet"

    def finished(self, number: int, digest: str) -> Outcomes | None:
        """Return the outcomes of a finished partition, None of another.

        ``digest`` is that of its files. Raises DataError if its file is of others, because the listing has changed.
        """
        path = self.file(number)
        if not path.exists():
            return None
        facts = read_facts(path)
        if facts.get("files") != digest:
            got = f"{path.name} holds other files, so the listing has changed"
            raise self._of_another_job(got)
        return Outcomes(**facts["outcomes"])

    def _facts(self) -> dict[str, object]:
        try:
            found = json.loads((self.path / _FACTS).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            got = f"{_FACTS} cannot be read ({error})"
            raise self._of_another_job(got) from error
        return found if isinstance(found, dict) else {}

    def _of_another_job(self, got: str) -> DataError:
        return DataError(
            code="answers_of_another_job",
            rule="a job can only be resumed with the same files, model and version",
            got=got,
            remedy="choose another folder",
            path=self.path,
        )
