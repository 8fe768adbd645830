"""The evaluation of a model: predictions on labelled slices, their figures, and the report of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path

from gadolin.metrics import Measurement, Scores, Table, Unscored
from gadolin.metrics.bootstrap import Interval
from gadolin.records import NOTICE
from gadolin.reports.context import ReportContext
from gadolin.reports.page import write_page, write_report
from gadolin.reports.wording import joined

__all__ = ["Evaluation"]

_SHOWN = ("accuracy", "balanced_accuracy", "macro_f1")


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation:
    """How good a model is on labelled slices.

    ``table`` holds a row of probabilities for each slice beside its true class; ``measurement`` the figures computed
    from it; ``context`` what the report says beside them.
    """

    table: Table
    measurement: Measurement
    context: ReportContext

    @property
    def accuracy(self) -> Interval:
        """Accuracy on all slices."""
        return self.measurement.overall.figures["accuracy"]

    @property
    def balanced_accuracy(self) -> Interval:
        """Mean recall of the classes on all slices."""
        return self.measurement.overall.figures["balanced_accuracy"]

    @property
    def macro_f1(self) -> Interval:
        """Mean F1 score of the classes on all slices."""
        return self.measurement.overall.figures["macro_f1"]

    @property
    def by_subset(self) -> Mapping[str, Scores | Unscored]:
        """The figures of "all" slices, and of each subset: duplicates of training slices, known patients, and so on."""
        return self.measurement.parts

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences about the data and the model that a reader of the figures should know."""
        return tuple(self.context.notes)

    def as_json(self) -> dict[str, object]:
        """Return the content of ``metrics.json``."""
        return self.measurement.as_json() | {"notes": list(self.notes)}

    def write_html(self, path: Path | str) -> None:
        """Write the report as one HTML page that loads nothing.

        Raises MissingExtraError where the extra ``report`` is not installed, OutputError where it cannot be written.
        """
        write_page(Path(path), self.table, self.measurement, context=self.context)

    def save(self, folder: Path | str) -> None:
        """Write metrics.json, predictions.csv, figures/*.png and report.html to ``folder``; raises as write_html."""
        write_report(Path(folder), self.table, self.measurement, context=self.context)

    def __repr__(self) -> str:
        """Return title, accuracy with its interval, and the numbers of slices and groups."""
        overall = self.measurement.overall
        return (
            f"Evaluation({self.context.title!r}: accuracy {joined('accuracy', self.accuracy)}, {overall.n} slices of "
            f"{overall.groups} patients or groups)"
        )

    def _repr_html_(self) -> str:
        """Return a table of subsets and figures for notebooks."""
        head = "".join(f"<th>{name.replace('_', ' ')}</th>" for name in ("subset", "slices", *_SHOWN))
        rows = "".join(
            f"<tr><td>{escape(name)}</td><td>{part.n}</td>{_cells(part)}</tr>" for name, part in self.by_subset.items()
        )
        return (
            f"<p><b>{escape(self.context.title)}</b></p><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody>"
            f"</table><p>{NOTICE}</p>"
        )


def _cells(part: Scores | Unscored) -> str:
    if isinstance(part, Unscored):
        return f'<td colspan="{len(_SHOWN)}">{escape(part.reason)}</td>'
    return "".join(f"<td>{escape(joined(name, part.figures[name]))}</td>" for name in _SHOWN)
