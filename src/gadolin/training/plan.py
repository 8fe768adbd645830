"""The plan of a training run: data, recipe, starting point, machine."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from gadolin.datasets import Scan
from gadolin.errors import DataError, RequestError, WeightsError
from gadolin.models.run_folder import RunFolder
from gadolin.models.starting_point import StartingPoint
from gadolin.recipe import Recipe
from gadolin.training.machine import Machine, is_available

__all__ = ["Plan"]


@dataclass(frozen=True, slots=True)
class Plan:
    """The data, settings and output folder of a training run.

    ``validation`` and ``test`` are the fractions of the training slices and of all slices that are held out by group if
    the data has no such part. ``resume`` continues the unfinished run in ``out``.
    """

    data: Scan | Path
    out: Path
    recipe: Recipe
    weights: StartingPoint = field(default_factory=lambda: StartingPoint("none", "none"))
    machine: Machine = field(default_factory=Machine)
    patient_from: str | None = None
    skip_unreadable: bool = False
    validation: float = 0.1
    test: float = 0.2
    cache: Path | None = None
    resume: bool = False

    def __post_init__(self) -> None:
        """Refuse fractions outside (0, 1)."""
        for name in ("validation", "test"):
            share = getattr(self, name)
            if not 0 < share < 1:
                raise RequestError(
                    code="share_out_of_range",
                    rule=f"the {name} fraction must lie between 0 and 1",
                    got=f"got {share}",
                    remedy="0.2 is usual",
                )

    @classmethod
    def of_run(cls, run: RunFolder, out: Path, *, cache: Path | None = None, resume: bool = False) -> Plan:
        """Return the plan that repeats a run with its slices, parts, recipe, weights, seed and precision.

        On the same machine this gives the same weights. Where its device is missing, another one is used. Raises
        DataError if the run cannot be read or had several processes, WeightsError if its starting point is missing or
        has changed.
        """
        known = run.read()
        if known.processes > 1:
            raise DataError(
                code="run_not_repeatable",
                rule="only a run of one process can be repeated",
                got=f"{run.path} was trained by {known.processes}, each with different random numbers",
                remedy="train again with torchrun and the same options",
            )
        start = StartingPoint.resolve(known.weights if known.weights_path is None else known.weights_path)
        if start.digest != known.weights_digest:
            raise WeightsError(
                code="weights_changed",
                rule="a run must be repeated from the weights that it started from",
                got=f"{start.text} has changed since",
                remedy="restore the file",
            )
        return cls(
            data=run.manifest,
            out=out,
            recipe=Recipe.from_run(run.path),
            weights=start,
            machine=Machine(
                device=known.device if is_available(known.device) else "auto",
                precision=known.precision,
                seed=known.seed,
                accumulate=known.accumulate,
            ),
            validation=known.validation,
            test=known.test,
            cache=cache,
            resume=resume,
        )

    @property
    def data_path(self) -> Path:
        """The folder or manifest of the data."""
        return self.data.root if isinstance(self.data, Scan) else self.data
