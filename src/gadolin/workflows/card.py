"""``card``: the model card of a run and the datasheets of its data, as Markdown to complete and as HTML pages."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from gadolin.datasets.manifest import read_manifest
from gadolin.errors import DataError
from gadolin.files.atomic import write_bytes
from gadolin.metrics import measure, read_table
from gadolin.models.bundle import read_bundle
from gadolin.models.run_folder import Provenance, RunFolder
from gadolin.records import Record
from gadolin.reports.assessment import never_declines
from gadolin.reports.card import CardFacts, model_card
from gadolin.reports.card_page import document_page
from gadolin.reports.data_sources import DataSource, data_name, data_sources
from gadolin.reports.datasheet import datasheet
from gadolin.reports.evaluation import Evaluation
from gadolin.reports.markdown import count_to_fill

__all__ = ["Cards", "write_cards"]


@dataclass(frozen=True, slots=True)
class Cards:
    """The Markdown files of a run, the model card first, each with the number of items that are left to fill in."""

    to_fill: dict[Path, int]

    @property
    def card(self) -> Path:
        """The model card."""
        return next(iter(self.to_fill))

    @property
    def total(self) -> int:
        """The number of items to fill in all files."""
        return sum(self.to_fill.values())


def write_cards(run: RunFolder, evaluation: Evaluation | None = None) -> Cards:
    """Write the model card and the datasheets of a finished run that are missing, and the HTML page of each.

    A Markdown file that exists is never changed, so that text of a person is kept; its page is made again from it.
    ``evaluation`` is that of the test part; without it, the predictions in the run folder are measured again. Raises
    DataError where the run is missing, damaged or unfinished, or where a text has no title or sections, OutputError
    where a file cannot be written.
    """
    known = run.read()
    if not known.finished:
        raise DataError(
            code="run_unfinished",
            rule="a model card needs a finished run",
            got=f"the one in {run.path} is not",
            remedy="finish it with gadolin train --resume",
        )
    records = read_manifest(run.manifest, verify=False)
    sources = data_sources(records, data_name(known.data, records))
    left_out = {**known.errors, **known.left_out} if len(sources) == 1 else None
    if not run.card.exists():
        write_bytes(run.card, _encoded(model_card(_facts(run, known, records, sources, evaluation))))
    for source in sources:
        path = run.path / source.file_name
        if not path.exists():
            write_bytes(path, _encoded(datasheet(source, left_out=left_out)))
    texts = {path: _read(path) for path in (run.card, *(run.path / source.file_name for source in sources))}
    names = [path.name for path in texts]
    for path, page in {path: _page(path, text, names) for path, text in texts.items()}.items():
        write_bytes(path.with_suffix(".html"), _encoded(page))
    return Cards({path: count_to_fill(text) for path, text in texts.items()})


def _facts(
    run: RunFolder,
    known: Provenance,
    records: Sequence[Record],
    sources: Sequence[DataSource],
    evaluation: Evaluation | None,
) -> CardFacts:
    """Return the facts of the card; without an evaluation, from the files in the run folder."""
    bundle = read_bundle(run.path)
    if evaluation is None:
        if not run.predictions.is_file():
            raise _no_evaluation(run.predictions, "it is missing")
        table, notes = read_table(run.predictions), _notes(run)
        measurement = measure(table)
    else:
        table, measurement, notes = evaluation.table, evaluation.measurement, evaluation.notes
    return CardFacts(
        provenance=known,
        bundle=bundle,
        records=records,
        sources=sources,
        table=table,
        measurement=measurement,
        notes=notes,
        never_declines=never_declines(bundle),
        created=date.today().isoformat(),
    )


def _notes(run: RunFolder) -> tuple[str, ...]:
    """Return the notes of the evaluation in the run folder; raises DataError where they cannot be read."""
    path = run.evaluation / "metrics.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _no_evaluation(path, "it is missing or damaged") from error
    notes = content.get("notes") if isinstance(content, dict) else None
    if not isinstance(notes, list) or not all(isinstance(note, str) for note in notes):
        raise _no_evaluation(path, "its notes are not a list of strings")
    return tuple(notes)


def _no_evaluation(path: Path, got: str) -> DataError:
    return DataError(
        code="card_without_evaluation",
        rule="a model card needs the evaluation of the run on its test part",
        got=got,
        remedy="restore the folder evaluation of the run, or train again with gadolin train --repeat",
        path=path,
    )


def _read(path: Path) -> str:
    """Return the text of a card; raises DataError where a person saved it in another encoding."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            code="card_unreadable",
            rule="a model card or datasheet must be a text file in UTF-8",
            got=f"this one is not readable ({error})",
            remedy="save it as UTF-8, or delete it to get a new one",
            path=path,
        ) from error


def _page(path: Path, text: str, names: list[str]) -> str:
    try:
        return document_page(text, pages=names)
    except DataError as error:
        raise error.at(path) from error


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")
