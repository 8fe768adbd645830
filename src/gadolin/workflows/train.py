"""``train``: train a classifier on labelled slices and evaluate it on the test part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from gadolin.errors import RequestError
from gadolin.models.predictor import Predictor
from gadolin.models.run_folder import Provenance, RunFolder
from gadolin.models.starting_point import StartingPoint
from gadolin.progress import Progress
from gadolin.records import NOTICE
from gadolin.reports.evaluation import Evaluation
from gadolin.training.machine import Machine
from gadolin.training.plan import Plan
from gadolin.workflows.split import as_data

if TYPE_CHECKING:
    from gadolin.datasets import Scan
    from gadolin.recipe import Recipe
    from gadolin.workflows.split import Split

__all__ = ["ConfusionMatrix", "Epoch", "Run", "train"]


@dataclass(frozen=True, slots=True)
class Epoch:
    """One epoch of a training run: a row of ``history.csv``.

    ``epoch`` counts from 1; ``size`` is the input side in pixels, ``lr`` the learning rate of the last step. Losses are
    negative log likelihoods, those of training with the terms of the recipe, on augmented slices. Accuracies lie in
    [0, 1].
    """

    epoch: int
    size: int
    lr: float
    train_loss: float
    train_accuracy: float
    validation_loss: float
    validation_accuracy: float
    validation_balanced_accuracy: float
    seconds: float


@dataclass(frozen=True, slots=True, repr=False)
class ConfusionMatrix:
    """Numbers of slices by true class (rows) and most probable class (columns), in the order of ``classes``."""

    classes: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]

    def __getitem__(self, labels: tuple[str, str]) -> int:
        """Return the number of slices of a true class that were classified as another: ``matrix[true, predicted]``."""
        truth, predicted = (self.classes.index(label) for label in labels)
        return self.counts[truth][predicted]

    def __repr__(self) -> str:
        """Return the table as text."""
        cells = [["true / predicted", *self.classes]]
        cells += [[name, *map(str, row)] for name, row in zip(self.classes, self.counts, strict=True)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        return "\n".join("  ".join(map(str.rjust, row, widths)) for row in cells)

    def _repr_html_(self) -> str:
        """Return the table, for notebooks."""
        head = "".join(f"<th>{escape(name)}</th>" for name in ("true / predicted", *self.classes))
        rows = "".join(
            f"<tr><th>{escape(name)}</th>{''.join(f'<td>{count}</td>' for count in row)}</tr>"
            for name, row in zip(self.classes, self.counts, strict=True)
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table><p>{NOTICE}</p>"


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

    @cached_property
    def history(self) -> tuple[Epoch, ...]:
        """Losses and accuracies of each epoch, the first one first."""
        return tuple(map(_epoch, self.folder.history()))

    @property
    def confusion(self) -> ConfusionMatrix:
        """The confusion matrix of the test part, in which no slice is declined."""
        return ConfusionMatrix(self.metrics.measurement.classes, self.metrics.measurement.overall.confusion)

    @property
    def report(self) -> Path:
        """The HTML page of the evaluation, in the run folder."""
        return self.folder.report

    @property
    def card(self) -> Path:
        """The model card in the run folder, in Markdown: complete it, then make its HTML page with ``gadolin card``."""
        return self.folder.card

    def __repr__(self) -> str:
        """Return the folder and the evaluation."""
        return f"Run({str(self.folder.path)!r}, {self.metrics!r})"

    def _repr_html_(self) -> str:
        """Return the evaluation as a table, for notebooks."""
        return f"<p>Run in <code>{escape(str(self.folder.path))}</code></p>{self.metrics._repr_html_()}"


def _epoch(row: Mapping[str, float | None]) -> Epoch:
    """Return a row of the history; every value of an epoch is a number."""
    values = [value for one in fields(Epoch) if (value := row[one.name]) is not None]
    return Epoch(int(values[0]), int(values[1]), *values[2:])


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

    The run folder gets a model card and a datasheet of each data source, as Markdown to complete and as HTML.

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
    from gadolin.workflows.card import write_cards

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
    write_cards(RunFolder(plan.out), trained.evaluation)
    return Run(RunFolder(plan.out), trained.evaluation, trained.provenance)
