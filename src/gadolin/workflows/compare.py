"""``compare``: test whether one model is better than another on the same slices."""

from __future__ import annotations

from pathlib import Path

from gadolin.errors import RequestError
from gadolin.metrics.assess import predictions_of
from gadolin.metrics.comparison import Comparison
from gadolin.metrics.comparison import compare as compare_tables
from gadolin.metrics.table import Table, read_table
from gadolin.reports.evaluation import Evaluation
from gadolin.workflows.train import Run

__all__ = ["compare"]

Compared = Table | Evaluation | Run | Path | str


def compare(a: Compared, b: Compared) -> Comparison:
    """Return the difference ``b`` minus ``a`` on the slices that both predicted, with a paired interval.

    Each is an evaluation, a run, a table of predictions, or the path of a run folder, an evaluation folder or a
    predictions.csv. Raises DataError where there are no predictions or no common slices.
    """
    return compare_tables(_table(a), _table(b))


def _table(given: Compared) -> Table:
    if isinstance(given, Run):
        return given.metrics.table
    if isinstance(given, Evaluation):
        return given.table
    if isinstance(given, Table):
        return given
    if not isinstance(given, str | Path):
        raise RequestError(
            code="input_unfit",
            rule="a comparison needs runs, evaluations, tables of predictions or their paths",
            got=f"got a {type(given).__name__}",
            remedy="give one of them",
        )
    return read_table(predictions_of(Path(given)))
