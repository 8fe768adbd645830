"""``crossval``: train one model per fold and evaluate all slices pooled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gadolin.models.starting_point import StartingPoint
from gadolin.progress import Progress
from gadolin.reports.evaluation import Evaluation
from gadolin.training.machine import Machine
from gadolin.training.plan import Plan
from gadolin.workflows.split import as_data

if TYPE_CHECKING:
    from gadolin.datasets import Scan
    from gadolin.recipe import Recipe
    from gadolin.workflows.split import Split

__all__ = ["CrossValidation", "crossval"]


@dataclass(frozen=True, eq=False, repr=False)
class CrossValidation:
    """One run per fold, and the evaluation of all slices pooled: the run that held out a slice predicts it.

    ``folder`` has the runs ``fold-0``, ``fold-1`` and so on; ``metrics`` is None while folds are unfinished.
    """

    folder: Path
    metrics: Evaluation | None

    def __repr__(self) -> str:
        """Return the folder and the evaluation."""
        return f"CrossValidation({str(self.folder)!r}, {self.metrics or 'unfinished'!r})"

    def _repr_html_(self) -> str:
        """Return the evaluation as a table, for notebooks."""
        return self.metrics._repr_html_() if self.metrics else repr(self)


def crossval(
    data: Split | Scan | Path | str,
    *,
    recipe: Recipe | Path | str = "default",
    out: Path | str = "crossval",
    weights: StartingPoint | str = "none",
    seed: int = 0,
    only: Sequence[int] = (),
    resume: bool = False,
    progress: Progress | None = None,
) -> CrossValidation:
    """Train one model per fold of the data and evaluate all slices pooled.

    Args:
        data: The result of ``split(..., folds=5)``, or a manifest with folds.
        recipe: A Recipe, the name of one, or a recipe file.
        out: The folder for the runs; new or empty.
        weights: Starting point; the folder of another cross-validation starts each fold from its run of the same fold.
        seed: The same seed and machine give the same networks.
        only: The folds to train now; there is no evaluation until all folds are trained.
        resume: Continue with the folds in ``out``.
        progress: Called with (done, total, what).

    Raises:
        DataError: A slice has no fold, a fold lacks a class, or a patient or group of copies is in two folds.
        GadolinError: Recipe, weights or folder cannot be used.
    """
    from gadolin.recipe import load_recipe
    from gadolin.training.crossval import cross_validate

    plan = Plan(
        data=as_data(data),
        out=Path(out),
        recipe=load_recipe(recipe),
        weights=StartingPoint.resolve(weights),
        machine=Machine(seed=seed),
        resume=resume,
    )
    return CrossValidation(plan.out, cross_validate(plan, only=only, progress=progress))
