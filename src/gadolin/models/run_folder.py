"""The folder of a training run: what is in it, and how far the run has come."""

from __future__ import annotations

import csv
import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from gadolin.errors import DataError, OutputError, suggestion
from gadolin.files.atomic import write_json

__all__ = ["RUN_FORMAT", "Provenance", "RunFolder"]

RUN_FORMAT = 2
"""Of ``run.json``; format 1 had no number, and other names of recipe keys."""
_FACTS = "run.json"


@dataclass(frozen=True, slots=True)
class Provenance:
    """How a run was made: what ``run.json`` records.

    ``recipe`` is the recipe with every key; ``counts`` are slices by part and class, ``errors`` and ``left_out`` files
    that were not used, by code.
    ``validation`` and ``test`` are the fractions that were held out of data without such a part. ``weights`` is the
    starting point as it was given, ``weights_digest`` the SHA-256 of its file; ``finetuned_from`` the digests of the
    weights that it continues, newest first. What is known only after training is None before.
    """

    recipe_name: str
    recipe: dict[str, Any]
    data: str
    manifest_digest: str
    counts: dict[str, dict[str, int]]
    patients: int
    seed: int
    precision: str
    device: str
    threads: int
    accumulate: int
    processes: int
    validation: float
    test: float
    python: str
    versions: dict[str, str]
    weights: str = "none"
    weights_path: str | None = None
    weights_source: str | None = None
    weights_digest: str | None = None
    weights_head: str | None = None
    finetuned_from: tuple[str, ...] = ()
    errors: dict[str, int] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)
    chosen_epoch: int | None = None
    epochs: int | None = None
    training_seconds: float | None = None
    chosen: dict[str, float] | None = None
    finished: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return the content of ``run.json``."""
        return {"format": RUN_FORMAT, **asdict(self), "finetuned_from": list(self.finetuned_from)}


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The folder of one training run, whether it exists yet or not."""

    path: Path

    @classmethod
    def containing(cls, path: Path) -> RunFolder | None:
        """Return the run that ``path`` is the folder of or a file or bundle in, or None."""
        places = (path, *list(path.parents)[:2])
        return next((run for place in places if (run := cls(place)).exists), None)

    @property
    def exists(self) -> bool:
        """Whether a run was begun in the folder."""
        return (self.path / _FACTS).is_file()

    @property
    def is_finished(self) -> bool:
        """Whether a run was begun here and has been evaluated on its test part."""
        return self.exists and self.read().finished

    @property
    def bundle(self) -> Path:
        """The folder of the model."""
        return self.path / "bundle"

    @property
    def manifest(self) -> Path:
        """The table of slices with their parts."""
        return self.path / "manifest.csv"

    @property
    def evaluation(self) -> Path:
        """The folder of the evaluation on the test part."""
        return self.path / "evaluation"

    @property
    def predictions(self) -> Path:
        """The table of predictions on the test part."""
        return self.evaluation / "predictions.csv"

    @property
    def report(self) -> Path:
        """The page of the evaluation on the test part."""
        return self.evaluation / "report.html"

    @property
    def checkpoint(self) -> Path:
        """The state between two epochs, there while the run is unfinished."""
        return self.path / "checkpoint.safetensors"

    @property
    def history_file(self) -> Path:
        """The table of losses and accuracies by epoch."""
        return self.path / "history.csv"

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folders that a run writes to."""
        return (self.path, self.bundle, self.evaluation, self.evaluation / "figures")

    def read(self) -> Provenance:
        """Return what the run records of itself.

        Raises DataError where there is no run, or its record is damaged or of another version of Gadolin.
        """
        try:
            content = dict(json.loads((self.path / _FACTS).read_text(encoding="utf-8")))
        except FileNotFoundError as error:
            raise DataError(
                code="run_not_found",
                rule="a run folder must contain a run",
                got=f"{self.path} contains none",
                remedy="give the folder that gadolin train wrote",
            ) from error
        except (OSError, ValueError, TypeError) as error:
            raise self._damaged(error) from error
        version = content.pop("format", 1)
        if version != RUN_FORMAT:
            raise DataError(
                code="run_format_unknown",
                rule=f"a run must be of format {RUN_FORMAT}",
                got=f"{self.path / _FACTS} is of format {version}",
                remedy="use the version of Gadolin that wrote it; its bundle can be used by this one",
            )
        known = [item.name for item in fields(Provenance)]
        for key in content:
            if key not in known:
                why = f"unknown key {key!r}{suggestion(key, known)}"
                raise self._damaged(why)
        try:
            return Provenance(**content | {"finetuned_from": tuple(content.get("finetuned_from", ()))})
        except TypeError as error:
            raise self._damaged(error) from error

    def write(self, provenance: Provenance) -> None:
        """Write down how the run is made, whole or not at all; raises OutputError."""
        write_json(self.path / _FACTS, provenance.as_json())

    def history(self) -> list[dict[str, float | None]]:
        """Return losses and accuracies, one dictionary an epoch; empty where none is recorded."""
        try:
            with self.history_file.open(newline="", encoding="utf-8") as file:
                return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
        except OSError:
            return []

    def record_reading(self, reading: dict[str, Any]) -> None:
        """Append to the list of evaluations of this run's model; raises OutputError."""
        path = self.path / "readings.jsonl"
        try:
            whole = not path.exists() or path.read_bytes()[-1:] in (b"", b"\n")
            with path.open("a", encoding="utf-8") as file:
                file.write(("" if whole else "\n") + json.dumps(reading) + "\n")
        except OSError as error:
            raise OutputError(
                code="unwritable",
                rule=f"cannot record this reading in {self.path}: {error.strerror or error}",
                remedy="make the run folder writable",
            ) from error

    def _damaged(self, error: object) -> DataError:
        return DataError(
            code="run_damaged",
            rule="the record of a run must be whole",
            got=f"{self.path / _FACTS} is not ({error})",
            remedy="restore it, or train again",
        )
