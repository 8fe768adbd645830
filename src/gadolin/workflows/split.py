"""``split``: divide a data set so that no patient and no copy of a slice is on both sides."""

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

    ``data`` has the slices that are kept, with their part or fold; ``partition`` says what was dropped and why, and
    which slices are copies of each other.
    """

    data: Scan
    partition: Partition

    @property
    def train(self) -> Scan:
        """The slices to train on."""
        return self.data.part("train")

    @property
    def validation(self) -> Scan:
        """The slices for model selection and calibration, where the data has a part for it."""
        return self.data.part("validation")

    @property
    def test(self) -> Scan:
        """The held-out slices."""
        return self.data.part("test")

    def save(self, path: Path | str) -> None:
        """Write the manifest, a CSV with one row a slice; raises OutputError where it cannot be written."""
        write_manifest(Path(path), self.data.records)

    def as_json(self) -> dict[str, object]:
        """Return counts by part and class, and everything dropped and merged."""
        return self.partition.as_json()

    def __repr__(self) -> str:
        """Return the data, and how many slices were dropped."""
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
    """Divide a data set by patient and by copies of slices; earlier parts and folds are not kept.

    Slices that cannot be read, and copies of one slice under two labels, are dropped.

    Args:
        data: What ``scan`` returned, or a folder or manifest.
        test: Fraction of each class for the test part; 0.2 without ``folds``.
        folds: Number of folds for cross-validation, in place of a test part.
        group_by: "patient", which needs the patient of every slice, or "copies".
        against: Another data set: its patients are transferred to copies of its slices, its labels compared.
        one_each: Keep one file of each slice.
        seed: The same seed divides alike.
        progress: Called with (done, total, what).

    Raises:
        RequestError: An option is out of range.
        DataError: Patients are needed and unknown, or a class cannot be divided.
    """
    wish = SplitConfig(
        folds, 0.2 if folds is None and test is None else test, by=group_by, one_each=one_each, seed=seed
    )
    found = scan(data)
    divided = partition(found, wish, against=None if against is None else scan(against), progress=progress)
    return Split(replace(found, records=divided.records, errors=(), left_out=()), divided)


def as_data(data: Split | Scan | Path | str) -> Scan | Path:
    """Return data as a training takes it: the slices of a split, a scan as it is, or a path."""
    if isinstance(data, Split):
        return data.data
    return Path(data) if isinstance(data, str) else data
