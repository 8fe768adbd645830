"""The folder of a training run: its files and its state."""

from __future__ import annotations

import csv
import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from gadolin.errors import DataError, OutputError, suggestion
from gadolin.files.atomic import write_json

__all__ = ["RUN_FORMAT", "Provenance", "RunFolder"]

RUN_FORMAT = 2
"""Format of ``run.json``; format 1 had no number and other recipe keys."""
_FACTS = "run.json"


@dataclass(frozen=True, slots=True)
class Provenance:
    """The provenance of a run, as recorded in ``run.json``.

    ``recipe`` is the recipe with every key; ``counts`` are slices by split and class, ``errors`` and ``left_out`` are
    unused files by code. ``validation`` and ``test`` are the fractions held out if the data had no such split.
    ``weights`` is the starting point as given, ``weights_digest`` the SHA-256 of its file, ``finetuned_from`` the
    digests of the weights that the run was fine-tuned from, newest first. Results of training are None before it ends.
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
    """The folder of one training run; it need not exist yet."""

    path: Path

    @classmethod
    def containing(cls, path: Path) -> RunFolder | None:
        """Return the run whose folder is or contains ``path``, or None."""
        places = (path, *list(path.parents)[:2])
        return next((run for place in places if (run := cls(place)).exists), None)

    @property
    def exists(self) -> bool:
        """Whether a run was started in the folder."""
        return (self.path / _FACTS).is_file()

    @property
    def is_finished(self) -> bool:
        """Whether the run was evaluated on its test split, its last step."""
        return self.exists and self.read().finished

    @property
    def bundle(self) -> Path:
        """The folder of the model."""
        return self.path / "bundle"

    @property
    def manifest(self) -> Path:
        """The manifest of the slices with their splits."""
        return self.path / "manifest.csv"

    @property
    def evaluation(self) -> Path:
        """The folder of the evaluation on the test split."""
        return self.path / "evaluation"

    @property
    def predictions(self) -> Path:
        """The table of predictions on the test split."""
        return self.evaluation / "predictions.csv"

    @property
    def report(self) -> Path:
        """The HTML report of the evaluation on the test split."""
        return self.evaluation / "report.html"

    @property
    def card(self) -> Path:
        """The model card, in Markdown; its HTML page is beside it."""
        return self.path / "model-card.md"

    @property
    def checkpoint(self) -> Path:
        """The training state after the last epoch; deleted when the run finishes."""
        return self.path / "checkpoint.safetensors"

    @property
    def history_file(self) -> Path:
        """The table of losses and accuracies per epoch."""
        return self.path / "history.csv"

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folders that a run writes to."""
        return (self.path, self.bundle, self.evaluation, self.evaluation / "figures")

    def read(self) -> Provenance:
        """Return the content of ``run.json``.

        Raises DataError if it is missing, damaged or of another format.
        """
        try:
            content = dict(json.loads((self.path / _FACTS).read_text(encoding="utf-8")))
        except (FileNotFoundError, NotADirectoryError) as error:
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
        for key, hint in get_type_hints(Provenance).items():
            if key in content and not _fits(content[key], hint):
                why = f"{key} is of the wrong type"
                raise self._damaged(why)
        if not isinstance(content.get("recipe", {}).get("network", {}), dict):
            why = "network of the recipe is of the wrong type"
            raise self._damaged(why)
        try:
            return Provenance(**content | {"finetuned_from": tuple(content.get("finetuned_from", ()))})
        except TypeError as error:
            raise self._damaged(error) from error

    def write(self, provenance: Provenance) -> None:
        """Write ``run.json`` atomically; raises OutputError."""
        write_json(self.path / _FACTS, provenance.as_json())

    def history(self) -> list[dict[str, float | None]]:
        """Return losses and accuracies, one dictionary per epoch; empty if none are recorded."""
        try:
            with self.history_file.open(newline="", encoding="utf-8") as file:
                return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
        except OSError:
            return []

    def record_reading(self, reading: dict[str, Any]) -> None:
        """Append an evaluation of this run's model to ``readings.jsonl``; raises OutputError."""
        path = self.path / "readings.jsonl"
        try:
            whole = not path.exists() or path.read_bytes()[-1:] in (b"", b"\n")
            with path.open("a", encoding="utf-8") as file:
                file.write(("" if whole else "\n") + json.dumps(reading) + "\n")
        except OSError as error:
            raise OutputError(
                code="unwritable",
                rule=f"cannot record this evaluation in {self.path}: {error.strerror or error}",
                remedy="make the run folder writable",
            ) from error

    def _damaged(self, error: object) -> DataError:
        return DataError(
            code="run_damaged",
            rule="the record of a run must be valid",
            got=f"{self.path / _FACTS} is damaged ({error})",
            remedy="restore it, or train again",
        )


def _fits(value: object, hint: Any) -> bool:
    """Return whether a value of JSON is of the type of a field of Provenance; lists count as tuples, int as float."""
    parts = get_args(hint)
    kind = get_origin(hint) or hint
    if kind is UnionType:
        return any(_fits(value, part) for part in parts)
    if kind is dict:
        return isinstance(value, dict) and all(_fits(each, parts[1]) for each in value.values())
    if kind is tuple:
        return isinstance(value, list) and all(_fits(each, parts[0]) for each in value)
    if hint is Any:
        return True
    if isinstance(value, bool):
        return hint is bool
    return isinstance(value, (int, float) if hint is float else hint)
