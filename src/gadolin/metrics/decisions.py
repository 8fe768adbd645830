"""The decisions of a model on the rows of a table: the class that it gives, or the reason to abstain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from gadolin.errors import DataError
from gadolin.records import Prediction

__all__ = ["Decisions", "joined_decisions", "read_decisions"]

_COLUMNS = ("answer", "abstained", "reason_code")
_TUMOUR_COLUMNS = ("p_tumour", "sequence")


@dataclass(frozen=True, slots=True)
class Decisions:
    """What ``gadolin predict`` says of N rows.

    ``labels`` holds the predicted class, "" where the model abstains, and ``reason_codes`` the reason, "" where it
    answers. ``p_tumour`` holds probabilities in [0, 1] and ``sequences`` the recognised MRI sequences, "" for none;
    both are None unless the model predicts tumour and kind of tumour separately.

    Raises DataError where lengths differ, or a row has both a label and a reason, or neither.
    """

    labels: tuple[str, ...]
    reason_codes: tuple[str, ...]
    p_tumour: tuple[float, ...] | None = None
    sequences: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        """Check the fields."""
        rows = len(self.labels)
        if any(one is not None and len(one) != rows for one in (self.reason_codes, self.p_tumour, self.sequences)):
            raise DataError(
                code="shape_mismatch",
                rule="decisions must have one entry per row in each field",
                got=f"got {rows} labels and {len(self.reason_codes)} reasons",
                remedy="give '' where there is none",
            )
        for row, (label, reason) in enumerate(zip(self.labels, self.reason_codes, strict=True)):
            if bool(label) == bool(reason):
                got = f"row {row} has {label!r} and {reason!r}"
                raise _inconsistent(got)
        if (self.p_tumour is None) != (self.sequences is None) or not all(0 <= p <= 1 for p in self.p_tumour or ()):
            raise DataError(
                code="not_probabilities",
                rule="p_tumour must lie in 0 to 1, and be given with the sequences",
                got="these are not",
                remedy="write it again",
            )

    @classmethod
    def of(cls, predictions: Sequence[Prediction]) -> Decisions:
        """Return the decisions of predictions, one or more of the same model."""
        tumour = tuple(one.p_tumour for one in predictions if one.p_tumour is not None)
        apart = len(tumour) == len(predictions)
        return cls(
            labels=tuple(one.label or "" for one in predictions),
            reason_codes=tuple(one.reason_code or "" for one in predictions),
            p_tumour=tumour if apart else None,
            sequences=tuple(one.sequence or "" for one in predictions) if apart else None,
        )

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the CSV columns of ``cells``."""
        return _COLUMNS if self.p_tumour is None else _COLUMNS + _TUMOUR_COLUMNS

    def cells(self, row: int) -> list[str]:
        """Return the CSV fields of one row."""
        label, reason = self.labels[row], self.reason_codes[row]
        fields = [label, "false" if label else "true", reason]
        if self.p_tumour is not None and self.sequences is not None:
            fields += [repr(self.p_tumour[row]), self.sequences[row]]
        return fields

    def only(self, rows: NDArray[np.int64]) -> Decisions:
        """Return the decisions on the rows (M,)."""
        tumour, sequences = self.p_tumour, self.sequences
        return Decisions(
            labels=tuple(self.labels[row] for row in rows),
            reason_codes=tuple(self.reason_codes[row] for row in rows),
            p_tumour=tumour and tuple(tumour[row] for row in rows),
            sequences=sequences and tuple(sequences[row] for row in rows),
        )


def joined_decisions(parts: Sequence[Decisions | None]) -> Decisions | None:
    """Return the decisions of several tables one after another; None if a table has none.

    The tumour probabilities are kept if every table has them.
    """
    given = [one for one in parts if one is not None]
    if len(given) < len(parts):
        return None
    tumour = [one.p_tumour for one in given if one.p_tumour is not None]
    sequences = [one.sequences for one in given if one.sequences is not None]
    apart = len(tumour) == len(given)
    return Decisions(
        labels=tuple(chain.from_iterable(one.labels for one in given)),
        reason_codes=tuple(chain.from_iterable(one.reason_codes for one in given)),
        p_tumour=tuple(chain.from_iterable(tumour)) if apart else None,
        sequences=tuple(chain.from_iterable(sequences)) if apart else None,
    )


def read_decisions(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> tuple[Decisions | None, int]:
    """Return the decisions at the start of CSV ``rows`` with these ``columns``, and how many columns they take.

    Tables of earlier versions have none: the result is None and 0. Raises DataError for invalid fields.
    """
    if tuple(columns[: len(_COLUMNS)]) != _COLUMNS:
        return None, 0
    width = len(_COLUMNS + _TUMOUR_COLUMNS)
    apart = tuple(columns[len(_COLUMNS) : width]) == _TUMOUR_COLUMNS
    for line, (label, abstained, _, *_) in enumerate(rows, start=2):
        if abstained != ("false" if label else "true"):
            got = f"row {line} has the answer {label!r} and abstained {abstained!r}"
            raise _inconsistent(got)
    try:
        tumour = tuple(float(row[len(_COLUMNS)]) for row in rows) if apart else None
    except ValueError as error:
        raise DataError(
            code="not_probabilities", rule="p_tumour must be a number", got=str(error), remedy="write it again"
        ) from error
    found = Decisions(
        labels=tuple(row[0] for row in rows),
        reason_codes=tuple(row[2] for row in rows),
        p_tumour=tumour,
        sequences=tuple(row[width - 1] for row in rows) if apart else None,
    )
    return found, len(found.columns)


def _inconsistent(got: str) -> DataError:
    return DataError(
        code="predictions_inconsistent",
        rule="a row must have either an answer or a reason to abstain",
        got=got,
        remedy="write it again",
    )
