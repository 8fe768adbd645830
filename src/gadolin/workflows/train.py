"""``train``: train a classifier on labelled slices and evaluate it on the test part."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from gadolin.errors import RequestError
from gadolin.models.predictor import Predictor
from gadolin.models.run_folder import Provenance, RunFolder
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

__all__ = ["Run", "train"]


@dataclass(frozen=True, eq=False, repr=False)
class Run:
    """A finished training run.

    ``folder`` is the run folder, ``metrics`` the evaluation on the test part, ``provenance`` the origin of the model.
    """

    folder: RunFolder
    metrics: Evaluation
    provenance: Provenance

    @cached_property
    def model(self) -> Predictor:
        """The trained model."""
        return Predictor.load(self.folder.bundle)

    @property
    def report(self) -> Path:
        """The HTML page of the evaluation, in the run folder."""
        return self.folder.report

    def __repr__(self) -> str:
        """Return the folder and the evaluation."""
        return f"Run({str(self.folder.path)!r}, {self.metrics!r})"

    def _repr_html_(self) -> str:
        """Return the evaluation as a table, for notebooks."""
        return f"<p>Run in <code>{escape(str(self.folder.path))}</code></p>{self.metrics._repr_html_()}"


def train(
    data: Split | Scan | Path | str,
    *,
    recipe: Recipe | Path | str = "default",
    out: Path | str = "run",
    weights: StartingPoint | str = "none",
    seed: int = 0,
    validation: float = 0.1,
    resume: bool = False,
    progress: Progress | None = None,
) -> Run:
    """Train a classifier and evaluate it on the test part, which is read once, after training.

    Args:
        data: The result of ``split`` or ``scan``, a folder or a manifest. A missing test or validation part is held
            out, by patients and groups of duplicates.
        recipe: A Recipe, the name of a built-in one, or a recipe file.
        out: The run folder; new or empty.
        weights: Starting point: none, imagenet, shipped, or the path of a file, bundle or run.
        seed: The same seed and machine give the same network.
        validation: Fraction of the training part that is held out for model selection and calibration, if the data has
            no validation part.
        resume: Continue with the unfinished run in ``out``.
        progress: Called with (done, total, what).

    Raises:
        GadolinError: Data, recipe, weights or folder cannot be used; nothing is written.
    """
    from gadolin.recipe import load_recipe
    from gadolin.training.processes import process_counts
    from gadolin.training.train import train_model

    if process_counts()[0] > 1:
        raise RequestError(
            code="several_processes",
            rule="training from Python runs in one process",
            got="torchrun started several processes",
            remedy="use torchrun -m gadolin train",
        )
    plan = Plan(
        data=as_data(data),
        out=Path(out),
        recipe=load_recipe(recipe),
        weights=StartingPoint.resolve(weights),
        machine=Machine(seed=seed),
        validation=validation,
        resume=resume,
    )
    trained = train_model(plan, progress=progress)
    assert trained is not None, "a single process returns its result"
    return Run(RunFolder(plan.out), trained.evaluation, trained.provenance)
