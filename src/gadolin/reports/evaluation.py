"""The evaluation of a model: predictions on labelled slices, their metrics and the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path

from gadolin.metrics import Abstention, Measurement, Scores, Table, Unscored
from gadolin.metrics.bootstrap import Interval
from gadolin.records import NOTICE
from gadolin.reports.answers import answer_sentences
from gadolin.reports.context import ReportContext
from gadolin.reports.page import write_page, write_report
from gadolin.reports.wording import joined
from gadolin.splits import part_name

__all__ = ["Evaluation"]

_SHOWN = ("accuracy", "balanced_accuracy", "macro_f1")


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation:
    """Results of a model on labelled slices.

    ``table`` holds the class probabilities and the true class of each slice; ``measurement`` the metrics computed from
    it; ``context`` the other content of the report.
    """

    table: Table
    measurement: Measurement
    context: ReportContext

    @property
    def accuracy(self) -> Interval:
        """Accuracy on all slices, in [0, 1]."""
        return self.measurement.overall.figures["accuracy"]

    @property
    def balanced_accuracy(self) -> Interval:
        """Mean recall of the classes on all slices, in [0, 1]."""
        return self.measurement.overall.figures["balanced_accuracy"]

    @property
    def macro_f1(self) -> Interval:
        """Mean F1 score of the classes on all slices, in [0, 1]."""
        return self.measurement.overall.figures["macro_f1"]

    @property
    def abstention(self) -> Abstention | None:
        """The answers and abstentions on all slices, with the model's thresholds; None in tables without decisions."""
        return self.measurement.overall.abstention

    @property
    def selective_accuracy(self) -> Interval:
        """Accuracy on the answered slices, in [0, 1]."""
        return Interval(None) if self.abstention is None else self.abstention.selective_accuracy

    @property
    def coverage(self) -> Interval:
        """Fraction of slices that the model answers, in [0, 1]."""
        return Interval(None) if self.abstention is None else self.abstention.coverage

    @property
    def never_declines(self) -> bool:
        """Whether the model has no thresholds: it declines at most colour images and images of several slices."""
        return self.context.never_declines

    @property
    def by_subset(self) -> Mapping[str, Scores | Unscored]:
        """The metrics of "all" slices and of each subset, such as duplicates of training slices and known patients."""
        return self.measurement.parts

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes on the data and the model that matter for the metrics."""
        return tuple(self.context.notes)

    def as_json(self) -> dict[str, object]:
        """Return the content of ``metrics.json``."""
        return self.measurement.as_json() | self.context.as_json()

    def write_html(self, path: Path | str) -> None:
        """Write the report as one self-contained HTML page.

        Raises MissingExtraError where the extra ``report`` is not installed, OutputError where it cannot be written.
        """
        write_page(Path(path), self.table, self.measurement, context=self.context)

    def save(self, folder: Path | str) -> None:
        """Write metrics.json, predictions.csv, report.html and its figures to ``folder``; raises as write_html."""
        write_report(Path(folder), self.table, self.measurement, context=self.context)

    def __repr__(self) -> str:
        """Return title, accuracy with interval, and the number of slices and groups."""
        overall = self.measurement.overall
        return (
            f"Evaluation({self.context.title!r}: accuracy {joined('accuracy', self.accuracy)}, {overall.n} slices of "
            f"{overall.groups} patients or groups{_declined(self.abstention)})"
        )

    def _repr_html_(self) -> str:
        """Return a table of metrics by subset, for notebooks."""
        head = "".join(f"<th>{name.replace('_', ' ')}</th>" for name in ("subset", "slices", *_SHOWN))
        rows = "".join(
            f"<tr><td>{escape(part_name(name))}</td><td>{part.n}</td>{_cells(part)}</tr>"
            for name, part in self.by_subset.items()
        )
        answers = answer_sentences(self.measurement.overall, never_declines=self.never_declines)
        return (
            f"<p><b>{escape(self.context.title)}</b></p><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody>"
            f"</table>{''.join(f'<p>{escape(sentence)}</p>' for sentence in answers)}<p>{NOTICE}</p>"
        )


def _declined(abstention: Abstention | None) -> str:
    if abstention is None:
        return ""
    return f"; {abstention.answered} answered, {abstention.correct} of them right, {abstention.declined} declined"


def _cells(part: Scores | Unscored) -> str:
    if isinstance(part, Unscored):
        return f'<td colspan="{len(_SHOWN)}">{escape(part.reason)}</td>'
    return "".join(f"<td>{escape(joined(name, part.figures[name]))}</td>" for name in _SHOWN)
