"""``gadolin evaluate ANSWERS --labels``: measure the answers of ``gadolin predict --out``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gadolin.cli.output import class_name, print_json, print_message, table

if TYPE_CHECKING:
    from gadolin.metrics.bootstrap import Interval
    from gadolin.metrics.group_sums import GroupMeasurement

__all__ = ["Labels", "ModelOrAnswers", "Out", "evaluate_answers"]

ModelOrAnswers = Annotated[
    Path,
    typer.Argument(
        metavar="MODEL",
        help="A run folder, a bundle, or shipped for the packaged model; with --labels, a folder of answers.",
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(help="Folder to write; by default evaluation-<data> beside the model. With --labels, a JSON file."),
]
Labels = Annotated[
    Path | None,
    typer.Option(help="Parquet file or folder, or CSV, with the labels of answers that gadolin predict --out wrote."),
]


def evaluate_answers(answers: Path, labels: Path, out: Path | None, *, as_json: bool) -> None:
    """Print the metrics of the answers in a folder, and write them to ``out`` as JSON if it is given."""
    from gadolin.bulk.aggregate import sums_by_patient
    from gadolin.files.atomic import require_new_file, write_json
    from gadolin.metrics.group_sums import measure_groups
    from gadolin.records import NOTICE

    if out is not None:
        require_new_file(out)
    found = sums_by_patient(answers, labels)
    measured = measure_groups(found.sums)
    not_scored = {name: getattr(found, name) for name in ("without_label", "without_answer", "failed")}
    content = {"notice": NOTICE, **measured.as_json(), "not_scored": not_scored}
    if out is not None:
        write_json(out, content)
    if as_json:
        print_json(content)
        return
    print(_text(measured))
    print(
        f"Not scored: {found.without_label:,} predictions without a label, {found.without_answer:,} labels without a "
        f"prediction, {found.failed:,} files that failed."
    )
    print_message(f"95 % intervals, resampled by patient. {NOTICE}")


def _text(measured: GroupMeasurement) -> str:
    from gadolin.reports.wording import FIGURE_WORDS, figure_name

    rows = [[FIGURE_WORDS[name][0], _shown(name, one)] for name, one in measured.figures.items()]
    rows += [[figure_name(name).capitalize(), _shown(name, one)] for name, one in measured.answers.items()]
    by_class = [
        [class_name(name), *(_shown(key, one) for key, one in figures.items())]
        for name, figures in measured.per_class.items()
    ]
    confusion = [
        [class_name(name), *(f"{count:,}" for count in row)]
        for name, row in zip(measured.classes, measured.confusion, strict=True)
    ]
    predicted = [f"predicted {class_name(name)}" for name in measured.classes]
    return "\n".join(
        [
            f"{measured.n:,} slices of {measured.groups:,} patients.",
            "",
            table(["metric", "value"], rows),
            "",
            table(["class", "precision", "recall", "F1"], by_class),
            "",
            table(["true class", *predicted], confusion),
            "",
        ]
    )


def _shown(name: str, figure: Interval) -> str:
    from gadolin.reports.wording import joined

    return joined(name, figure).replace("\u00a0", " ")
