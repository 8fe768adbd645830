"""The known limits of a trained model, as they follow from its data, its evaluation and its thresholds."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Literal

from gadolin.datasets.labels import class_name
from gadolin.metrics import Measurement
from gadolin.metrics.bootstrap import MINIMUM_GROUPS
from gadolin.metrics.measure import MINIMUM_ROWS
from gadolin.records import Record
from gadolin.reports.markdown import plain

__all__ = ["limits", "recognisable"]

Field = Literal["source", "sequence", "institution"]
_WORDS: Mapping[Field, str] = {"source": "data source", "sequence": "MRI sequence", "institution": "hospital"}


def limits(records: Sequence[Record], measurement: Measurement, *, never_declines: bool) -> list[str]:
    """Return a Markdown sentence for each limit that follows from the facts.

    ``records`` are all slices of the run with their parts, ``measurement`` is that of the test part.
    """
    found = [
        _patients(records),
        *(_shortcut(records, field) for field in _WORDS),
        _unknown_source(records),
        _one_origin(records),
        _thresholds(never_declines=never_declines),
        *_few(measurement),
    ]
    return [sentence for sentence in found if sentence]


def recognisable(records: Sequence[Record], field: Field) -> dict[str, tuple[str, ...]]:
    """Return the classes that can be recognised by a field alone, with the values that only they have.

    These are the classes all of whose slices have a value, none of which a slice of another class has.
    """
    values: dict[str, set[str]] = defaultdict(set)
    for one in records:
        values[one.label].add(getattr(one, field))
    found = {}
    for label, own in values.items():
        others = set().union(*(other for name, other in values.items() if name != label))
        if others and "" not in own and not own & others:
            found[label] = tuple(sorted(own))
    return found


def _patients(records: Sequence[Record]) -> str:
    unknown = sum(not one.patient for one in records)
    if unknown == len(records):
        return (
            "No patient is known. Slices of one patient may be in the training and in the test part, so the figures "
            "are valid for new slices only, not for new patients."
        )
    if unknown:
        return (
            f"The patient of {unknown:,} of {len(records):,} slices is unknown. Their patients may be in the training "
            "and in the test part."
        )
    return ""


def _shortcut(records: Sequence[Record], field: Field) -> str:
    """Return a sentence on the classes of the training part that a field alone reveals."""
    revealed = recognisable([one for one in records if one.split == "train"], field)
    if not revealed:
        return ""
    word = _WORDS[field]
    listed = "; ".join(f"{plain(class_name(label))}: {plain(', '.join(own))}" for label, own in revealed.items())
    return (
        f"The {word} reveals the class ({listed}, and no other class has slices of it). The network may recognise the "
        f"{word} instead of the tumour, and the figures here would not show it."
    )


def _unknown_source(records: Sequence[Record]) -> str:
    if any(one.source or one.institution for one in records):
        return ""
    return (
        "The source of the slices is not recorded. If the classes come from different sources, the network may "
        "recognise the source instead of the tumour. `gadolin audit` searches for such shortcuts."
    )


def _one_origin(records: Sequence[Record]) -> str:
    """Return a sentence if the test part has no source or hospital that the training part lacks."""
    origins = {
        part: {(one.source, one.institution) for one in records if (one.split == "test") == (part == "test")}
        for part in ("test", "others")
    }
    if origins["test"] <= origins["others"]:
        return (
            "No other source or hospital was held out: the figures are not valid for other hospitals, scanners or "
            "protocols."
        )
    return ""


def _thresholds(*, never_declines: bool) -> str:
    if not never_declines:
        return ""
    return (
        "The model has no thresholds, because the validation part was too small to fit them. It gives a class for "
        "every greyscale picture, also for one that is no brain."
    )


def _few(measurement: Measurement) -> list[str]:
    """Return sentences on a small test part and on classes with few test slices."""
    overall = measurement.overall
    found = []
    if overall.groups < MINIMUM_GROUPS:
        found.append(
            f"The test part has {overall.groups:,} patients or groups of copies; intervals need at least "
            f"{MINIMUM_GROUPS}, so there are none."
        )
    few = Counter({name: one.n for name, one in overall.per_class.items() if one.n < MINIMUM_ROWS})
    if few:
        listed = ", ".join(f"{plain(class_name(name))} {count:,}" for name, count in few.items())
        found.append(f"Some classes have fewer than {MINIMUM_ROWS} test slices: {listed}. Their figures are uncertain.")
    return found
