"""Optional inputs of an audit: predictions of its slices, and the model to use with them."""

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
    """Optional inputs: ``predictions``, a table of out-of-fold predictions; ``model``, a run folder or a bundle."""

    predictions: Path | None = None
    model: Path | None = None

    def bundle(self) -> Bundle | None:
        """Return the model, None where none was given; raises BundleError where it cannot be read."""
        return None if self.model is None else read_bundle(self.model)

    def probabilities(self, records: Sequence[Record]) -> NDArray[np.float64] | None:
        """Return the predictions of ``records`` as (N, K) float64, NaN where a slice has none; None without a table.

        Columns are the classes of the records, sorted. Rows are matched by digest, not by name. Raises DataError where
        the classes differ or no row belongs to these slices.
        """
        if self.predictions is None:
            return None
        table = read_table(self.predictions)
        classes = sorted({record.label for record in records})
        if sorted(table.classes) != classes:
            got, expected = ", ".join(sorted(table.classes)), ", ".join(classes)
            raise DataError(
                code="predictions_of_other_classes",
                rule=f"predictions must have the classes of the data ({expected})",
                got=f"{self.predictions} has {got}",
                remedy="give predictions with these classes",
            )
        columns = [table.classes.index(name) for name in classes]
        rows = {digest: row for row, digest in enumerate(table.digests) if digest}
        found = [rows.get(record.key, -1) for record in records]
        if max(found) < 0:
            raise DataError(
                code="predictions_of_other_slices",
                rule="predictions must include slices of the data",
                got=f"{self.predictions} has none of them",
                remedy="give predictions of this data set",
            )
        aligned = np.asarray(table.probabilities[found][:, columns], np.float64)
        aligned[np.asarray(found) < 0] = np.nan
        return aligned
