from __future__ import annotations

import gzip
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gadolin.errors import DataError
from gadolin.metrics import Decisions, Table, read_table, write_table
from gadolin.metrics.decisions import joined_decisions
from gadolin.splits import SUBSETS

WORDS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1, max_size=8)


def same(first, second):
    arrays = all(
        (getattr(first, name) == getattr(second, name)).all() for name in ("probabilities", "truth", "predicted")
    )
    names = ("classes", "paths", "groups", "parts", "digests", "decisions")
    return arrays and all(getattr(first, name) == getattr(second, name) for name in names)


@pytest.mark.parametrize("name", ["table.csv", "table.csv.gz"])
def test_reading_gives_what_was_written(make_table, tmp_path, name):
    table = make_table(parts=("duplicate", "") * 100)
    write_table(tmp_path / name, table)
    assert same(read_table(tmp_path / name), table)


def test_same_table_gives_the_same_bytes(make_table, tmp_path):
    for name in ("a.csv.gz", "b.csv.gz"):
        write_table(tmp_path / name, make_table())
    assert (tmp_path / "a.csv.gz").read_bytes() == (tmp_path / "b.csv.gz").read_bytes()
    assert gzip.decompress((tmp_path / "a.csv.gz").read_bytes()).startswith(
        b"path,digest,group,part,label,predicted,p_glioma"
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(WORDS, WORDS, st.floats(0, 1))
def test_any_text_and_any_probability_survive(tmp_path, path, group, share):
    table = Table(("x", "y, z"), np.asarray([[share, 1 - share]]), np.asarray([1]), (path,), (group,), ("",), ("",))
    write_table(tmp_path / "t.csv", table)
    assert same(read_table(tmp_path / "t.csv"), table)


def test_file_names_that_are_not_unicode_survive(make_table, tmp_path):
    table = make_table(rows=1, paths=("caf\udce9.png",))
    write_table(tmp_path / "t.csv", table)
    assert read_table(tmp_path / "t.csv").paths == table.paths


def test_predicted_is_the_most_probable_class(make_table):
    table = make_table(rows=2, probabilities=np.asarray([[0.1, 0.2, 0.6, 0.1], [0.7, 0.1, 0.1, 0.1]]), truth=[2, 1])
    assert table.predicted.tolist() == [2, 0]
    assert table.confidence.tolist() == [0.6, 0.7]
    assert table.correct.tolist() == [True, False]


def test_parts_and_masks_choose_rows(make_table):
    table = make_table(rows=4, parts=("duplicate", "", "duplicate", "new_slice"))
    assert table.part("duplicate").paths == ("slice-0000.png", "slice-0002.png")
    assert table.only(np.asarray([3, 0])).parts == ("new_slice", "duplicate")
    assert len(table.only(table.truth >= 0)) == 4
    with pytest.raises(DataError) as caught:
        table.part("duplicat")
    assert caught.value.code == "part_empty"


def test_table_cannot_be_changed_and_keeps_its_own_copy(make_table):
    probabilities = np.full((3, 4), 0.25)
    table = make_table(rows=3, probabilities=probabilities)
    probabilities[0, 0] = 9
    assert table.probabilities[0, 0] == 0.25
    with pytest.raises(ValueError, match="read-only"):
        table.truth[0] = 1


@pytest.mark.parametrize(
    ("fields", "code", "got"),
    [
        ({"classes": ("a",)}, "classes_not_distinct", ""),
        ({"classes": ("a", "a", "b", "c")}, "classes_not_distinct", ""),
        ({"paths": ()}, "predictions_empty", ""),
        ({"probabilities": np.full((2, 4), 0.25)}, "shape_mismatch", "(2, 4)"),
        ({"truth": [0, 1]}, "shape_mismatch", "(2,)"),
        ({"truth": [0.0, 1.0, 2.0]}, "truth_out_of_range", "float"),
        ({"truth": [0, 1, 4]}, "truth_out_of_range", "row 2 has 4"),
        ({"truth": [0, -1, 2]}, "truth_out_of_range", "row 1 has -1"),
        ({"probabilities": np.asarray([[0.25] * 4, [0.5] * 4, [0.25] * 4])}, "not_probabilities", "row 1"),
        ({"probabilities": np.asarray([[-0.5, 0.5, 0.5, 0.5]] * 3)}, "not_probabilities", "row 0"),
        ({"probabilities": np.asarray([[np.nan, 0, 0, 1]] * 3)}, "not_probabilities", "row 0"),
        ({"probabilities": np.asarray([[np.inf, -np.inf, 0, 1]] * 3)}, "not_probabilities", "row 0"),
        ({"parts": ("",)}, "shape_mismatch", "1"),
        ({"groups": ("a", "", "b")}, "predictions_group_missing", "row 1"),
    ],
)
def test_wrong_tables_are_refused(make_table, fields, code, got):
    with pytest.raises(DataError) as caught:
        make_table(rows=3, **fields)
    assert caught.value.code == code
    assert got in caught.value.got


HEAD = "path,digest,group,part,label,predicted,p_a,p_b\n"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("", "predictions_column_missing"),
        ("path,label\nx,a\n", "predictions_column_missing"),
        (HEAD, "predictions_empty"),
        (HEAD + "x,,x,,a,a,1\n", "predictions_row_incomplete"),
        (HEAD + "x,,x,,c,a,1,0\n", "class_unknown"),
        (HEAD + "x,,x,,a,c,1,0\n", "class_unknown"),
        (HEAD + "x,,x,,a,a,one,0\n", "not_probabilities"),
        (HEAD + "x,,x,,a,b,1,0\n", "predictions_inconsistent"),
        (HEAD + "x,,x,,a,a,nan,0\n", "not_probabilities"),
        (HEAD + 'x,,x,,a,a,"1,0\n', "predictions_unreadable"),
    ],
)
def test_files_that_are_no_such_table_are_refused(tmp_path, content, code):
    path = tmp_path / "t.csv"
    path.write_text(content)
    with pytest.raises(DataError) as caught:
        read_table(path)
    assert caught.value.code == code


def test_missing_and_damaged_files_are_refused(tmp_path):
    with pytest.raises(DataError) as caught:
        read_table(tmp_path / "none.csv")
    assert caught.value.code == "predictions_unreadable"
    (tmp_path / "t.csv.gz").write_bytes(b"no gzip")
    with pytest.raises(DataError) as caught:
        read_table(tmp_path / "t.csv.gz")
    assert caught.value.code == "predictions_unreadable"


def test_a_table_written_with_the_older_names_of_parts_is_read_with_those_of_today(make_table, tmp_path):
    older = ("copied", "patient-shared", "slice-new", "patient-new", "", "mine")
    write_table(tmp_path / "predictions.csv", make_table(rows=6, parts=older))
    assert read_table(tmp_path / "predictions.csv").parts == (*SUBSETS, "", "mine")


PLAIN = Decisions(("glioma", "", "pituitary"), ("", "low_confidence", ""))
SEPARATE = replace(PLAIN, p_tumour=(0.1, 1 / 3, 1.0), sequences=("T1c", "", "FLAIR"))


@pytest.mark.parametrize("decisions", [PLAIN, SEPARATE])
def test_decisions_survive_and_stay_with_their_rows(make_table, tmp_path, decisions):
    table = make_table(rows=3, decisions=decisions)
    write_table(tmp_path / "t.csv", table)
    assert same(read_table(tmp_path / "t.csv"), table)
    assert table.only(np.asarray([2, 0])).decisions.labels == ("pituitary", "glioma")
    head = (tmp_path / "t.csv").read_text().splitlines()[0]
    assert head.startswith("path,digest,group,part,label,predicted,answer,abstained,reason_code,p_")


def test_a_table_is_read_from_a_path_as_text(make_table, tmp_path):
    write_table(tmp_path / "table.csv.gz", make_table())
    assert len(read_table(str(tmp_path / "table.csv.gz"))) == len(make_table())


def test_classes_called_like_a_column_are_classes(make_table, tmp_path):
    classes = ("tumour", "sequence", "answer", "abstained")
    for decisions in (None, replace(SEPARATE, labels=("tumour", "", "answer"))):
        table = make_table(rows=3, classes=classes, decisions=decisions)
        write_table(tmp_path / "t.csv", table)
        assert same(read_table(tmp_path / "t.csv"), table)


def test_tables_are_joined_with_what_all_of_them_have():
    assert joined_decisions([SEPARATE, SEPARATE]).p_tumour == SEPARATE.p_tumour * 2
    assert joined_decisions([SEPARATE, PLAIN]).p_tumour is None
    assert joined_decisions([PLAIN, PLAIN]).labels == PLAIN.labels * 2
    assert joined_decisions([PLAIN, None]) is None


DECIDED = "path,digest,group,part,label,predicted,answer,abstained,reason_code,p_a,p_b\n"


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ("x,,x,,a,a,a,true,,1,0", "predictions_inconsistent"),
        ("x,,x,,a,a,,true,,1,0", "predictions_inconsistent"),
        ("x,,x,,a,a,a,false,low_confidence,1,0", "predictions_inconsistent"),
        ("x,,x,,a,a,c,false,,1,0", "class_unknown"),
        ("x,,x,,a,a,a,false,,1", "predictions_row_incomplete"),
    ],
)
def test_decisions_that_contradict_themselves_are_refused(tmp_path, row, code):
    path = tmp_path / "t.csv"
    path.write_text(f"{DECIDED}{row}\n")
    with pytest.raises(DataError) as caught:
        read_table(path)
    assert caught.value.code == code
    assert str(path) in str(caught.value)
