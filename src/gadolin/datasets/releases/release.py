"""A public release of a data set: name, licence, citation and class counts."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from gadolin.records import Record

__all__ = ["SEE_THE_PAGE", "Release"]

SEE_THE_PAGE = "see the page; it could not be confirmed here"


@dataclass(frozen=True, slots=True)
class Release:
    """One release of a public data set.

    ``name`` is short and used in the ``source`` column of manifests; ``counts`` maps (split, label) to the number of
    slices; ``pinned`` is the address of exactly this version at its source.
    """

    name: str
    title: str
    licence: str
    citation: str
    url: str
    pinned: str
    counts: Mapping[tuple[str, str], int] = field(repr=False)

    @property
    def slices(self) -> int:
        """The number of slices."""
        return sum(self.counts.values())

    def holds(self, records: Iterable[Record]) -> bool:
        """Return whether the counts by split and class equal those of this release."""
        return Counter((record.split, record.label) for record in records) == Counter(self.counts)

    def is_part(self, records: Iterable[Record]) -> bool:
        """Return whether the counts by class, in any split, equal those of this release or of one split of it."""
        of_splits: dict[str, Counter[str]] = defaultdict(Counter)
        for (split, label), count in self.counts.items():
            of_splits[split][label] = count
        here = Counter(record.label for record in records)
        return here in (*of_splits.values(), sum(of_splits.values(), Counter()))

    def difference(self, records: Iterable[Record]) -> str:
        """Return the differing counts, such as "train glioma 3 (not 4)"; empty if there are none."""
        got = Counter((record.split, record.label) for record in records)
        wrong = [key for key in sorted({*got, *self.counts}) if got[key] != self.counts.get(key, 0)]
        return ", ".join(f"{' '.join(key).strip()} {got[key]} (not {self.counts.get(key, 0)})" for key in wrong)

    def as_json(self) -> dict[str, str]:
        """Return name, title, licence, citation and address."""
        return {
            "name": self.name,
            "title": self.title,
            "licence": self.licence,
            "citation": self.citation,
            "url": self.url,
        }
