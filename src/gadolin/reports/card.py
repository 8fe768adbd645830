"""Model card of a trained model in Markdown (Mitchell et al. 2019), from the facts of its run."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from gadolin.checks.wording import counted
from gadolin.datasets.labels import class_name
from gadolin.metrics import Measurement, Table
from gadolin.metrics.bootstrap import Interval
from gadolin.models.bundle import SHIPPED, Bundle, read_bundle
from gadolin.models.provenance import TRAINING_DATA, weights_history
from gadolin.models.run_folder import Provenance
from gadolin.records import NOTICE, Record
from gadolin.reports import wording
from gadolin.reports.answers import answer_sentences, declined_reasons, shown_rows
from gadolin.reports.card_limits import limits
from gadolin.reports.data_sources import DataSource, data_name
from gadolin.reports.datasheet import composition_table, patients_sentence
from gadolin.reports.markdown import bullets, count_to_fill, document, plain, table, to_fill
from gadolin.splits import part_name

__all__ = ["CardFacts", "model_card"]

_FORM = (
    "This card follows Mitchell et al., Model Cards for Model Reporting, 2019 ([doi:10.1145/3287560.3287596]"
    "(https://doi.org/10.1145/3287560.3287596)). Gadolin wrote what it knows. Replace each line that begins with "
    "TO FILL."
)
_FILE_NAMES = re.compile(r"(: [\d,]+) \(.*\)\.$", re.DOTALL)  # at the end of a note, which a card leaves out
_SUBSET_FIGURES = {"accuracy": "accuracy", "balanced_accuracy": "balanced accuracy", "macro_f1": "macro F1"}
_CLASS_FIGURES = {"precision": "precision", "recall": "recall", "f1": "F1"}


@dataclass(frozen=True, slots=True)
class CardFacts:
    """What a model card is written from.

    ``records`` are all slices of the run with their parts, ``sources`` the same slices by source; ``table`` and
    ``measurement`` are of the test part, ``notes`` those of its evaluation (plain text). ``created`` is an ISO date.
    """

    provenance: Provenance
    bundle: Bundle
    records: Sequence[Record]
    sources: Sequence[DataSource]
    table: Table
    measurement: Measurement
    notes: Sequence[str]
    never_declines: bool
    created: str

    @property
    def data(self) -> str:
        """The name of the data set."""
        return data_name(self.provenance.data, self.records)


def model_card(facts: CardFacts) -> str:
    """Return the model card of a run."""
    lead = [
        f"**{NOTICE}**",
        f"**{plain(wording.verdict(facts.measurement.overall))}** {plain(wording.caution(facts.measurement))}",
        f"Written by Gadolin {plain(facts.provenance.versions.get('gadolin', ''))} on {facts.created}. {_FORM}",
    ]
    sections = [
        ("Known limits", _limits(facts)),
        ("Intended use", _use(facts)),
        ("Model", _model(facts)),
        ("Training data", _data(facts)),
        ("Evaluation", _evaluation(facts)),
        ("Abstention", _abstention(facts)),
        ("Calibration", _calibration(facts)),
        ("Ethical considerations", _ethics(facts)),
        ("Licence", _licence(facts)),
        ("Reproduction", _reproduction(facts)),
    ]
    title = f"Model card: recipe {plain(facts.provenance.recipe_name)}, trained on {plain(facts.data)}"
    count = count_to_fill(document(title, lead, sections))
    ending = [
        f"{counted(count, 'item')} to fill when this card was written. `gadolin card RUN` counts "
        "those that are left, and makes the HTML pages of this card and its datasheets from the text as it is then."
    ]
    return document(title, lead, [*sections, ("Items to fill", ending)])


def _limits(facts: CardFacts) -> list[str]:
    derived = limits(facts.records, facts.measurement, never_declines=facts.never_declines)
    notes = (_FILE_NAMES.sub(r"\1.", note) for note in facts.notes)
    measured = map(plain, (*wording.findings(facts.table, facts.measurement), *notes))
    return [bullets([*derived, *measured])]


def _use(facts: CardFacts) -> list[str]:
    sequences = facts.bundle.sequence or tuple(sorted({one.sequence for one in facts.records if one.sequence}))
    on = f" on {plain(', '.join(sequences))}" if sequences else ""
    classes = plain(", ".join(map(class_name, facts.bundle.classes)))
    return [
        f"For research only: to classify single MRI slices of the head{on} as one of {classes}. It must not be used "
        "for the care of patients, and it is not valid for other diseases, other body parts, other kinds of images or "
        "whole volumes.",
        to_fill("Which research question is the model for, and who may use it?"),
    ]


def _model(facts: CardFacts) -> list[str]:
    run, bundle = facts.provenance, facts.bundle
    rows = [
        ["network", plain(run.recipe.get("network", {}).get("backbone", ""))],
        ["classes", plain(", ".join(map(class_name, bundle.classes)))],
        *([["MRI sequences that it recognises", plain(", ".join(bundle.sequence))]] if bundle.sequence else []),
        ["recipe", plain(run.recipe_name)],
        ["training started from", plain(_weights(run))],
        ["epochs", f"{run.epochs}; epoch {run.chosen_epoch} was chosen on the validation part"],
        *([["training time", _duration(run.training_seconds)]] if run.training_seconds is not None else []),
        ["device and precision", plain(f"{run.device}, {run.precision}")],
    ]
    return [table(["what", "value"], rows, left=2), to_fill("Who trained the model, and who answers questions on it?")]


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _data(facts: CardFacts) -> list[str]:
    rows = [
        [
            plain(one.name),
            f"{len(one.records):,}",
            plain(", ".join(sorted({class_name(record.label) for record in one.records}))),
            plain(", ".join(sorted({record.sequence for record in one.records if record.sequence}))) or "not recorded",
            plain(one.licence) or "see the datasheet",
            f"[datasheet]({one.file_name})",
        ]
        for one in facts.sources
    ]
    run = facts.provenance
    unused = {**run.errors, **run.left_out}
    left = ", ".join(f"{plain(code)} {count:,}" for code, count in unused.items())
    return [
        f"{counted(len(facts.records), 'slice')}. {patients_sentence(facts.records)} The training part fits the "
        "weights, the validation part selects the epoch and fits the calibration, the test part is evaluated once, at "
        "the end.",
        composition_table(facts.records),
        table(["source", "slices", "classes", "MRI sequences", "licence", "details"], rows, left=6),
        f"Files that were left out, by reason: {left}." if left else "",
        to_fill("Which groups of patients (age, sex, origin, hospital, scanner) are rare or missing in these data?"),
    ]


def _evaluation(facts: CardFacts) -> list[str]:
    measurement = facts.measurement
    scored = wording.scored(measurement)
    subsets = [
        [part_name(name), f"{part.n:,}", f"{part.groups:,}", *_cells(part.figures, _SUBSET_FIGURES)]
        for name, part in scored.items()
    ]
    meanings = [
        f"{part_name(name)}: {wording.PART_WORDS[name]}."
        for name in scored
        if name in wording.PART_WORDS and name != "all"
    ]
    by_class = [
        [plain(class_name(name)), f"{one.n:,}", *_cells(one.figures, _CLASS_FIGURES)]
        for name, one in measurement.overall.per_class.items()
        if one.n
    ]
    names = [plain(class_name(name)) for name in measurement.classes]
    rows = zip(names, measurement.overall.confusion, strict=True)
    confusion = [[name, *(f"{count:,}" for count in counts)] for name, counts in rows]
    return [
        f"On the test part of {plain(facts.data)}, by the most probable class of every slice. "
        f"{plain(wording.resampling(measurement))}",
        table(["subset", "slices", "groups", *_SUBSET_FIGURES.values()], subsets),
        bullets([*meanings, *map(plain, wording.unscored(measurement))]),
        table(["class", "slices", *_CLASS_FIGURES.values()], by_class),
        table(["true / predicted", *names], confusion),
        "The report in the folder `evaluation` has all figures; `readings.jsonl` lists every evaluation of this model, "
        "also later ones.",
    ]


def _cells(figures: Mapping[str, Interval], names: Iterable[str]) -> list[str]:
    return [wording.joined(name, figures[name]) for name in names]


def _abstention(facts: CardFacts) -> list[str]:
    overall = facts.measurement.overall
    sentences = answer_sentences(overall, never_declines=facts.never_declines)
    if overall.abstention is not None and overall.abstention.declined:
        sentences.append(f"Declined: {declined_reasons(overall.abstention)}.")
    rows = [
        [
            row.group,
            plain(row.name),
            *(f"{count:,}" for count in (row.answers.n, row.answers.answered, row.answers.correct)),
            wording.joined("selective_accuracy", row.answers.selective_accuracy),
            wording.joined("coverage", row.answers.coverage),
        ]
        for row in shown_rows(facts.measurement)
    ]
    head = ["question", "of", "slices", "answered", "of them right", "selective accuracy", "coverage"]
    declines = overall.abstention is not None and overall.abstention.declined > 0
    return [
        bullets(map(plain, sentences)),
        table(head, rows, left=2) if declines else "",
        table(["threshold", "value"], _thresholds(facts.bundle)) if not facts.never_declines else "",
    ]


def _thresholds(bundle: Bundle) -> list[list[str]]:
    rows = []
    if bundle.confidence_threshold:
        rows.append(["lowest probability of an answer", f"{bundle.confidence_threshold:.3f}"])
    for one in bundle.p_tumour or ():
        where = f" on {plain(one.sequence)}" if one.sequence else ""
        rows.append([f"lowest probability of tumour or no tumour{where}", f"{one.threshold:.3f}"])
    if bundle.ood_threshold:
        rows.append(["highest out-of-distribution score", f"{bundle.ood_threshold:.3f}"])
    return rows


def _calibration(facts: CardFacts) -> list[str]:
    figures = facts.measurement.overall.figures
    rows = [
        [label, wording.joined(name, figures[name]), meaning]
        for name in ("ece", "brier", "nll")
        for label, meaning in [wording.FIGURE_WORDS[name]]
    ]
    validated = [
        [plain(class_name(one.label)), plain(one.sequence), f"{one.patients:,}", f"{one.slices:,}", f"{one.right:,}"]
        for one in facts.bundle.validated or ()
    ]
    return [
        f"The temperature {facts.bundle.temperature:.3f} was fitted on the validation part.",
        table(["measure on the test part", "value", "meaning"], rows, left=3),
        "Classes and sequences that the model was validated on, by the validation part:" if validated else "",
        table(["class", "MRI sequence", "patients", "slices", "right"], validated, left=2) if validated else "",
    ]


def _ethics(facts: CardFacts) -> list[str]:
    persons = (
        "The model was trained on synthetic slices, which show no person."
        if all(one.synthetic for one in facts.sources)
        else "The model was trained on slices of patients. The datasheets have what is known about their consent."
    )
    return [
        f"{persons} It is a research model: no answer of it may influence the care of a patient.",
        to_fill("Which harm could a wrong answer do in the intended use, and what prevents it?"),
    ]


def _weights(run: Provenance) -> str:
    return "random weights" if run.weights == "none" else run.weights


def _licence(facts: CardFacts) -> list[str]:
    if facts.bundle.licence:
        return [plain(facts.bundle.licence)]
    known = [f"{plain(one.name)}: {plain(one.licence) or 'see its datasheet'}" for one in facts.sources]
    packaged = any(digest in TRAINING_DATA for digest in weights_history(facts.bundle))
    start = (
        f"Training started from the packaged weights, whose licence is {plain(read_bundle(SHIPPED).licence)}."
        if packaged
        else f"Training started from {plain(_weights(facts.provenance))}."
    )
    return [
        f"Licences of the data: {'; '.join(known)}. {start}",
        to_fill("Under which licence may the model be used and passed on? It depends on those of data and weights."),
    ]


def _reproduction(facts: CardFacts) -> list[str]:
    run, bundle = facts.provenance, facts.bundle
    digests = [
        ["model", bundle.digest],
        ["network (`bundle/model.onnx`)", bundle.graph_digest],
        ["weights (`bundle/weights.safetensors`)", bundle.weights_digest],
        ["manifest (`manifest.csv`)", run.manifest_digest],
        *([["weights that training started from", run.weights_digest]] if run.weights_digest else []),
    ]
    packages = ", ".join(f"{plain(name)} {plain(version)}" for name, version in run.versions.items())
    how = (
        "`gadolin train --repeat RUN --out again`, with this folder as RUN, trains the same model from the same slices,"
        " parts, recipe and seed. On the same machine and with the same versions the weights are the same."
        if run.processes == 1
        else f"The model was trained by {run.processes} processes (torchrun), so its weights cannot be repeated."
    )
    return [
        how,
        bullets(
            [
                f"Seed {run.seed}; {plain(run.device)}, {plain(run.precision)}, {counted(run.threads, 'thread')}.",
                f"Python {plain(run.python)}; {packages}.",
                "`run.json` has every setting of the recipe, `history.csv` the losses of each epoch.",
            ]
        ),
        table(["what", "digest"], [[name, f"`{digest}`"] for name, digest in digests], left=2),
    ]
