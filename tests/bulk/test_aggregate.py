"""Tests of answers evaluated by sums of patients: equal to the metrics of the whole table."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gadolin.bulk import aggregate
from gadolin.bulk.aggregate import sums_by_patient
from gadolin.errors import DataError
from gadolin.metrics import Decisions, Table, measure
from gadolin.metrics.group_sums import ANSWER_FIGURES, CLASS_FIGURES, FIGURES, GroupSums, measure_groups

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
pytest.importorskip("duckdb")
CLASSES = ("glioma", "no 'tumour", "a")
PATIENTS, ROWS = 40, 600


@pytest.fixture(scope="module")
def table():
    random = np.random.default_rng(0)
    probabilities = random.dirichlet([0.5] * len(CLASSES), ROWS)
    truth = random.integers(0, len(CLASSES), ROWS)
    likely = probabilities.argmax(axis=1)
    sure = probabilities.max(axis=1) > 0.6
    return Table(
        classes=CLASSES,
        probabilities=probabilities,
        truth=truth,
        paths=tuple(f"{row}.png" for row in range(ROWS)),
        groups=tuple(f"patient {number}" for number in random.integers(0, PATIENTS, ROWS)),
        parts=("",) * ROWS,
        digests=tuple(f"{row:064x}" for row in range(ROWS)),
        decisions=Decisions(
            tuple(CLASSES[one] if known else "" for one, known in zip(likely, sure, strict=True)),
            tuple("" if known else "low_confidence" for known in sure),
        ),
    )


def write_answers(folder, table, *, frames=None):
    folder.mkdir(exist_ok=True)
    columns = {
        "path": table.paths,
        "frame": pa.array(frames or [None] * len(table), pa.int32()),
        "digest": table.digests,
        "outcome": ["predicted"] * len(table),
        "label": [one or None for one in table.decisions.labels],
        "p_tumour": [0.5] * len(table),
        **{f"p_{name}": table.probabilities[:, place] for place, name in enumerate(table.classes)},
    }
    whole = pa.table(columns)
    failed = pa.table({**{name: [None] for name in columns}, "path": ["bad.png"], "outcome": ["failed"]})
    pq.write_table(whole.slice(0, 100), folder / "part-000000.parquet")
    pq.write_table(whole.slice(100), folder / "part-000001.parquet")
    pq.write_table(failed.cast(whole.schema), folder / "part-000002.parquet")


def label_table(table, **columns):
    names = [table.classes[one] for one in table.truth]
    return pa.table({"digest": table.digests, "label": names, "patient": table.groups, **columns})


@pytest.fixture(scope="module")
def answers(table, tmp_path_factory):
    folder = tmp_path_factory.mktemp("answers") / "it's here"
    write_answers(folder, table)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("rows", [100, 4_000_000])
def test_metrics_and_intervals_are_those_of_the_whole_table(table, answers, tmp_path, monkeypatch, rows):
    monkeypatch.setattr(aggregate, "_ROWS", rows)
    pq.write_table(label_table(table), tmp_path / "labels.parquet")
    found = sums_by_patient(answers, tmp_path / "labels.parquet")
    ours, whole = measure_groups(found.sums, resamples=200), measure(table, resamples=200).overall
    assert (ours.n, ours.groups, ours.confusion) == (whole.n, whole.groups, whole.confusion)
    assert (found.without_label, found.without_answer, found.failed) == (0, 0, 1)
    pairs = [(ours.figures[name], whole.figures[name]) for name in FIGURES]
    pairs += [(ours.answers[name], getattr(whole.abstention, name)) for name in ANSWER_FIGURES]
    pairs += [
        (ours.per_class[name][figure], whole.per_class[name].figures[figure])
        for name in CLASSES
        for figure in CLASS_FIGURES
    ]
    assert (ours.answered, ours.correct) == (whole.abstention.answered, whole.abstention.correct)
    for one, other in pairs:
        assert one.resamples == other.resamples
        assert (one.value, one.low, one.high) == pytest.approx((other.value, other.low, other.high), abs=1e-9)


def test_slices_without_label_labels_without_slice_and_slices_without_patient_are_counted(table, answers, tmp_path):
    labels = label_table(table).to_pydict()
    labels["digest"] = [*labels["digest"][10:], "f" * 64]
    labels["label"] = [*labels["label"][10:], "glioma"]
    labels["patient"] = [*labels["patient"][10:-5], *[""] * 3, *[None] * 3]
    rows = zip(*labels.values(), strict=True)
    lines = ["digest,label,patient", *(",".join(cell or "" for cell in row) for row in rows)]
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    found = sums_by_patient(answers, tmp_path / "labels.csv")
    assert (found.without_label, found.without_answer) == (10, 1)
    assert found.sums.confusion.sum() == ROWS - 10
    assert len(found.sums.groups) == len(set(labels["patient"][:-6])) + 5


def test_slices_of_one_file_are_joined_by_frame(table, tmp_path):
    few = table.only(np.arange(4))
    few = Table(
        few.classes, few.probabilities, few.truth, ("a.nii",) * 4, few.groups, few.parts, ("b" * 64,) * 4, few.decisions
    )
    write_answers(tmp_path / "answers", few, frames=[0, 1, 2, 3])
    labels = label_table(few, frame=[0, 1, 2, 3])
    pq.write_table(labels, tmp_path / "labels.parquet")
    assert sums_by_patient(tmp_path / "answers", tmp_path / "labels.parquet").sums.confusion.sum() == 4
    pq.write_table(labels.drop_columns("frame"), tmp_path / "labels.parquet")  # four rows that differ
    with pytest.raises(DataError) as caught:
        sums_by_patient(tmp_path / "answers", tmp_path / "labels.parquet")
    assert caught.value.code == "labels_twice"


def test_byte_identical_files_have_one_label_and_are_all_scored(table, tmp_path):
    few = table.only(np.arange(6))
    same = replace(
        few,
        digests=("a" * 64,) * 2 + few.digests[2:],
        truth=np.array([0, 0, *few.truth[2:]]),
        groups=("p", "p", *few.groups[2:]),
    )
    write_answers(tmp_path / "answers", same)
    pq.write_table(label_table(same), tmp_path / "labels.parquet")
    found = sums_by_patient(tmp_path / "answers", tmp_path / "labels.parquet")
    assert (found.sums.confusion.sum(), found.without_label, found.without_answer) == (6, 0, 0)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ("column", "table_columns"),
        ("class", "label_not_a_class"),
        ("none", "no_label_fits"),
        ("missing", "table_unreadable"),
        ("damaged", "table_unreadable"),
        ("frame", "table_unreadable"),
    ],
)
def test_unusable_labels_are_one_error(table, answers, tmp_path, change, code):
    path = tmp_path / "labels.parquet"
    labels = label_table(table)
    if change == "column":
        labels = labels.drop_columns("digest")
    elif change == "class":
        labels = labels.set_column(1, "label", pa.array(["stroke"] * ROWS))
    elif change == "none":
        labels = labels.set_column(0, "digest", pa.array([f"{row}" for row in range(ROWS)]))
    elif change == "frame":
        labels = labels.append_column("frame", pa.array(["first"] * ROWS))
    if change == "damaged":
        path.write_bytes(b"PAR1 no")
    elif change != "missing":
        pq.write_table(labels, path)
    with pytest.raises(DataError) as caught:
        sums_by_patient(answers, path)
    assert caught.value.code == code


def test_a_folder_without_answers_is_refused_with_its_path(table, tmp_path):
    pq.write_table(label_table(table), tmp_path / "labels.parquet")
    with pytest.raises(DataError) as caught:
        sums_by_patient(tmp_path / "nothing", tmp_path / "labels.parquet")
    assert (caught.value.code, caught.value.path) == ("table_unreadable", str(tmp_path / "nothing"))


def test_a_folder_of_other_tables_is_refused(table, tmp_path):
    (tmp_path / "answers").mkdir()
    pq.write_table(label_table(table), tmp_path / "answers" / "part.parquet")
    pq.write_table(label_table(table), tmp_path / "labels.parquet")
    with pytest.raises(DataError) as caught:
        sums_by_patient(tmp_path / "answers", tmp_path / "labels.parquet")
    assert caught.value.code == "table_columns"


def test_sums_of_other_shapes_are_refused():
    one = np.ones(1)
    with pytest.raises(DataError) as caught:
        GroupSums(("a", "b"), ["x"], np.ones((1, 3, 3)), one, one, one, one)
    assert caught.value.code == "shape_mismatch"


def test_an_accuracy_of_one_has_the_exact_interval():
    groups = [f"{number:02}" for number in range(20)]
    confusion = np.zeros((20, 2, 2))
    confusion[:10, 0, 0] = confusion[10:, 1, 1] = 3
    zero = np.zeros(20)
    found = measure_groups(GroupSums(("a", "b"), groups, confusion, zero, zero, zero, zero), resamples=50)
    assert found.figures["accuracy"].interval == pytest.approx((0.025 ** (1 / 20), 1.0))
    assert found.per_class["a"]["recall"].interval == pytest.approx((0.025 ** (1 / 10), 1.0))
    assert found.answers["selective_accuracy"].value is None
    assert found.as_json()["confusion_matrix"] == [[30, 0], [0, 30]]
