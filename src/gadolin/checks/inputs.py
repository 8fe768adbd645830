"""What an audit may be given beside the data: predictions of its slices, and the model it is to be used with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gadolin.errors import DataError
from gadolin.metrics.table import read_table
from gadolin.models.bundle import Bundle, read_bundle
from gadolin.records import Record

__all__ = ["AuditInputs"]


@dataclass(frozen=True, slots=True)
class AuditInputs:
    """What else is known: ``predictions``, a table made out of fold, and ``model``, a run folder or a bundle."""

    predictions: Path | None = None
    model: Path | None = None

    def bundle(self) -> Bundle | None:
        """Return the model, None where none was given; raises BundleError where it cannot be read."""
        return None if self.model is None else read_bundle(self.model)

    def probabilities(self, records: Sequence[Record]) -> NDArray[np.float64] | None:
        """Return the predictions of ``records`` as (N, K) float64, NaN where there is none; None where none were given.

        Columns are the classes of the records, sorted. Rows are matched by digest, not by name. Raises DataError where
        the classes differ or no row is of these slices.
        """
        if self.predictions is None:
            return None
        table = read_table(self.predictions)
        classes = sorted({record.label for record in records})
        if sorted(table.classes) != classes:
            got, wanted = ", ".join(sorted(table.classes)), ", ".join(classes)
            raise DataError(
                code="predictions_of_other_classes",
                rule=f"predictions must be of the classes of the data ({wanted})",
                got=f"{self.predictions} has {got}",
                remedy="choose others",
            )
        columns = [table.classes.index(name) for name in classes]
        rows = {digest: row for row, digest in enumerate(table.digests) if digest}
        found = [rows.get(record.key, -1) for record in records]
        if max(found) < 0:
            raise DataError(
                code="predictions_of_other_slices",
                rule="predictions must be of the slices of the data",
                got=f"{self.predictions} has none of them",
                remedy="choose others",
            )
        told = np.asarray(table.probabilities[found][:, columns], np.float64)
        told[np.asarray(found) < 0] = np.nan
        return told
