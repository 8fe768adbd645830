"""Datasheet of one data source in Markdown (Gebru et al. 2021): what can be counted, and what a person has to fill."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from gadolin.checks.wording import counted
from gadolin.datasets.labels import class_name
from gadolin.datasets.releases.release import SEE_THE_PAGE
from gadolin.records import NO_LESION, NOTICE, SEQUENCES, Record
from gadolin.reports.data_sources import DataSource
from gadolin.reports.file_counts import FileCounts, count_files
from gadolin.reports.markdown import bullets, count_to_fill, document, plain, table, to_fill

__all__ = ["composition_table", "datasheet", "patients_sentence"]

_FORM = (
    "This datasheet follows Gebru et al., Datasheets for Datasets, 2021 ([doi:10.1145/3458723]"
    "(https://doi.org/10.1145/3458723)). Gadolin counted what can be counted. Replace each line that begins with "
    "TO FILL."
)
_SIZES = 8  # listed
_PARTS = ("train", "validation", "test")


def datasheet(source: DataSource, *, left_out: Mapping[str, int] | None = None, files: FileCounts | None = None) -> str:
    """Return the datasheet of a source.

    ``left_out`` are the numbers of unused files by code, None if they are not known for this source alone; ``files``
    are the formats and sizes, by default counted from the files.
    """
    records = source.records
    there = files or count_files(records)
    classes = sorted({class_name(one.label) for one in records})
    n_classes = counted(len(classes), "class", "classes")
    lead = [
        f"**{NOTICE}**",
        f"{counted(len(records), 'slice')} of {n_classes} ({plain(', '.join(classes))}). "
        f"{patients_sentence(records)}{_synthetic(source)}",
        _FORM,
    ]
    sections = [
        ("Motivation", _motivation(source)),
        ("Composition", _composition(records, there, left_out)),
        ("Collection and consent", _collection(source)),
        ("Preparation and labels", _preparation(source)),
        ("Uses", _uses(source)),
        ("Distribution and licence", _distribution(source)),
        ("Maintenance", _maintenance(source)),
    ]
    title = f"Datasheet of {plain(source.name)}"
    count = count_to_fill(document(title, lead, sections))
    ending = [f"{counted(count, 'item')} to fill when this datasheet was written."] if count else []
    return document(title, lead, [*sections, ("Items to fill", ending)])


def _synthetic(source: DataSource) -> str:
    return " The slices are synthetic: no person is shown." if source.synthetic else ""


def patients_sentence(records: Sequence[Record]) -> str:
    """Return how many patients are known, and for how many slices the patient is unknown."""
    patients = len({one.patient for one in records if one.patient})
    unknown = sum(not one.patient for one in records)
    if not patients:
        return "No patient is known."
    rest = f"; the patient of {counted(unknown, 'slice')} is unknown" if unknown else ""
    return f"{counted(patients, 'known patient')}{rest}."


def composition_table(records: Sequence[Record]) -> str:
    """Return the numbers of slices by class and part, with the known patients of each class."""
    parts = [part for part in (*_PARTS, "") if any(one.split == part for one in records)]
    counts = Counter((one.label, one.split) for one in records)
    patients: dict[str, set[str]] = defaultdict(set)
    for one in records:
        patients[one.label] |= {one.patient} - {""}
    rows = [
        [
            plain(class_name(label)),
            *(f"{counts[label, part]:,}" for part in parts),
            f"{sum(counts[label, part] for part in parts):,}",
            f"{len(patients[label]):,}" if patients[label] else "unknown",
        ]
        for label in sorted(patients)
    ]
    totals = (f"{sum(one.split == part for one in records):,}" for part in parts)
    everyone = len(set().union(*patients.values()))
    rows.append(["all classes", *totals, f"{len(records):,}", f"{everyone:,}" if everyone else "unknown"])
    return table(["class", *(part or "no part" for part in parts), "all slices", "patients"], rows)


def _motivation(source: DataSource) -> list[str]:
    if source.synthetic:
        return ["Drawn by `gadolin phantom` to try and to test Gadolin without data of patients."]
    if source.release is not None:
        return [f"Published as “{plain(source.release.title)}”. {_cited(source)}"]
    return [to_fill("Why was this data set created, by whom, and who paid for it?")]


def _cited(source: DataSource) -> str:
    release = source.release
    assert release is not None, "only a release is cited"
    how = "" if any(one.source for one in source.records) else " It was recognised by its number of slices per class."
    return f"Citation: {plain(release.citation)}. <{release.url}>{how}"


def _composition(records: Sequence[Record], files: FileCounts, left_out: Mapping[str, int] | None) -> list[str]:
    facts = [
        *_sequences(records),
        *_institutions(records),
        _copies(records),
        _outlines(records),
        *_file_lines(records, files),
    ]
    return [composition_table(records), bullets(facts), *_left_out(left_out)]


def _sequences(records: Sequence[Record]) -> list[str]:
    counts = Counter(one.sequence for one in records)
    if not counts.keys() - {""}:
        return ["MRI sequence: not recorded."]
    names = [*(name for name in SEQUENCES if counts[name]), *([""] if counts[""] else [])]
    return [f"MRI sequence: {_listed((name or 'not recorded', counts[name]) for name in names)}."]


def _institutions(records: Sequence[Record]) -> list[str]:
    counts = Counter(one.institution for one in records)
    if not counts.keys() - {""}:
        return ["Hospital: not recorded."]
    return [f"Hospital: {_listed((name or 'not recorded', count) for name, count in counts.most_common())}."]


def _copies(records: Sequence[Record]) -> str:
    groups: dict[str, list[Record]] = defaultdict(list)
    for one in records:
        if one.group:
            groups[one.group].append(one)
    if not groups:
        return "Copies (the same slice several times, also mirrored or re-saved): not searched for."
    several = [members for members in groups.values() if len(members) > 1]
    if not several:
        return "Copies (the same slice several times, also mirrored or re-saved): none."
    slices = sum(map(len, several))
    apart = sum(len({one.split for one in members}) > 1 for members in several)
    return (
        f"Copies (the same slice several times, also mirrored or re-saved): {slices:,} slices in "
        f"{counted(len(several), 'group')}; groups in several parts: {apart or 'none'}."
    )


def _outlines(records: Sequence[Record]) -> str:
    outlined = sum(one.outlined for one in records)
    without = sum(one.outline == NO_LESION for one in records)
    if not outlined and not without:
        return "Slices with an outline of the lesion: none."
    return f"Slices with an outline of the lesion: {outlined:,}; known to have no lesion: {without:,}."


def _file_lines(records: Sequence[Record], files: FileCounts) -> list[str]:
    if not files.formats:
        return []
    formats = f"Files: {_listed(files.formats.items())}; {files.megabytes:,.1f} MB."
    if not files.sizes:
        return [formats]
    sizes = [f"{width} x {height} ({count:,})" for (width, height), count in files.sizes.items()]
    more = f", and {len(sizes) - _SIZES:,} other sizes" if len(sizes) > _SIZES else ""
    of = "" if files.measured == len(records) else f" of {files.measured:,} slices that were measured"
    return [formats, f"Width x height in pixels{of}: {', '.join(sizes[:_SIZES])}{more}."]


def _listed(counts: Iterable[tuple[str, int]]) -> str:
    return ", ".join(f"{plain(name)} {count:,}" for name, count in counts)


def _left_out(left_out: Mapping[str, int] | None) -> list[str]:
    if not left_out:
        return []
    rows = [[plain(code), f"{count:,}"] for code, count in left_out.items()]
    return ["Files that were left out, by reason:", table(["reason", "files"], rows)]


def _collection(source: DataSource) -> list[str]:
    if source.synthetic:
        return ["Nothing was collected, and no consent is needed: no person is shown."]
    questions = [to_fill("Was an ethics committee asked, and did the patients consent or was consent waived?")]
    if source.release is None:
        questions.insert(0, to_fill("Where, when and with which scanners and protocols were the slices acquired?"))
        questions.append(to_fill("How were the data made anonymous, and how were patients and slices chosen?"))
    return [bullets(questions)]


def _preparation(source: DataSource) -> list[str]:
    done = (
        "Gadolin crops each slice to the head and scales it to 256 x 256 pixels of 8 bits. The files are not changed."
    )
    if source.synthetic:
        return [f"{done} The labels and outlines are those of the drawn lesions."]
    if source.release is not None:
        return [done]
    return [done, to_fill("Who gave the labels and outlines, by which evidence (such as histology), and who checked?")]


def _uses(source: DataSource) -> list[str]:
    if source.synthetic:
        return ["To try and to test software. A model that is trained on phantoms is not valid for patients."]
    return [to_fill("For what else were these data used, and for what should they not be used?")]


def _distribution(source: DataSource) -> list[str]:
    if source.synthetic:
        return ["The program that drew the slices is under Apache-2.0. `gadolin phantom` draws the same slices again."]
    release = source.release
    if release is None:
        return [to_fill("Under which licence or agreement may the data be used and passed on, and how are they cited?")]
    if release.licence == SEE_THE_PAGE:
        return [_cited(source), to_fill(f"Which licence does the page state? <{release.url}>")]
    return [f"Licence: {plain(release.licence)}. {_cited(source)}"]


def _maintenance(source: DataSource) -> list[str]:
    if source.synthetic:
        return []
    if source.release is not None:
        return [f"By the publisher: <{source.release.url}>"]
    return [to_fill("Who keeps the data, until when, and whom do patients ask to remove theirs?")]
