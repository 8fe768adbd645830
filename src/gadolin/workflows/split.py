"""``split``: divide a data set at patient level, with duplicates kept together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from gadolin.datasets import Scan, scan
from gadolin.datasets.manifest import write_manifest
from gadolin.progress import Progress
from gadolin.splits.partition import Partition, SplitConfig, partition

__all__ = ["Split", "as_data", "split"]


@dataclass(frozen=True, eq=False, repr=False)
class Split:
    """A divided data set.

    ``data`` has the kept slices with their part or fold; ``partition`` has the dropped slices with reasons, and the
    groups of duplicates.
    """

    data: Scan
    partition: Partition

    @property
    def train(self) -> Scan:
        """The slices to train on."""
        return self.data.part("train")

    @property
    def validation(self) -> Scan:
        """The slices for model selection and calibration, if the data has a validation part."""
        return self.data.part("validation")

    @property
    def test(self) -> Scan:
        """The held-out slices."""
        return self.data.part("test")

    def save(self, path: Path | str) -> None:
        """Write the manifest, a CSV with one row per slice; raises OutputError if it cannot be written."""
        write_manifest(Path(path), self.data.records)

    def as_json(self) -> dict[str, object]:
        """Return counts by part and class, and the dropped and merged slices."""
        return self.partition.as_json()

    def __repr__(self) -> str:
        """Return the data and the number of dropped slices."""
        return f"Split({self.data!r}, {len(self.partition.dropped)} slices dropped)"

    def _repr_html_(self) -> str:
        """Return the numbers of slices by part and class as a table, for notebooks."""
        return self.data._repr_html_()


def split(
    data: Scan | Path | str,
    *,
    test: float | None = None,
    folds: int | None = None,
    group_by: str = "patient",
    against: Scan | Path | str | None = None,
    one_each: bool = False,
    seed: int = 0,
    progress: Progress | None = None,
) -> Split:
    """Divide a data set by patients and groups of duplicates; earlier splits and folds are replaced.

    Unreadable slices and duplicates with different labels are dropped.

    Args:
        data: The result of ``scan``, a folder or a manifest.
        test: Fraction of each class for the test part; 0.2 without ``folds``.
        folds: Number of folds for cross-validation, instead of a test part.
        group_by: "patient", which needs the patient of every slice, or "copies", which keeps duplicates together.
        against: Another data set: its patients are transferred to duplicates of its slices, its labels compared.
        one_each: Keep one file of each slice.
        seed: The same seed gives the same splits.
        progress: Called with (done, total, what).

    Raises:
        RequestError: An option is out of range.
        DataError: Patients are required but unknown, or a class cannot be divided.
    """
    config = SplitConfig(
        folds, 0.2 if folds is None and test is None else test, by=group_by, one_each=one_each, seed=seed
    )
    found = scan(data)
    divided = partition(found, config, against=None if against is None else scan(against), progress=progress)
    return Split(replace(found, records=divided.records, errors=(), left_out=()), divided)


def as_data(data: Split | Scan | Path | str) -> Scan | Path:
    """Return the data of a training: the slices of a Split, a Scan unchanged, or a path."""
    if isinstance(data, Split):
        return data.data
    return Path(data) if isinstance(data, str) else data
