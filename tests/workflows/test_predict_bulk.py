"""Tests of predictions into Parquet: every file once, the same answers as predict_files, interrupted and resumed."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from gadolin.engines.local import LocalEngine
from gadolin.errors import DataError, GadolinError, RequestError
from gadolin.models.predictor import Predictor
from gadolin.phantoms import PhantomPlan, write_phantoms
from gadolin.workflows import predict_bulk as module
from gadolin.workflows.predict_bulk import BulkPlan, predict_bulk
from gadolin.workflows.predict_files import expand, predict_files

pa = pytest.importorskip("pyarrow")
ds = pytest.importorskip("pyarrow.dataset")
fsspec = pytest.importorskip("fsspec")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Eight phantoms, a damaged file and a housekeeping file."""
    path = tmp_path_factory.mktemp("bulk") / "phantoms"
    write_phantoms(path, PhantomPlan(patients=2, slices=2, size=96))
    kept = path / "Training"
    (kept / "glioma" / "bad.png").write_bytes(b"no image")
    (kept / "glioma" / ".DS_Store").write_bytes(b"x")
    return kept


@pytest.fixture(scope="module")
def predictor():
    return Predictor.load()


def rows(out):
    return ds.dataset(out, format="parquet").to_table().to_pylist()


def failing_after(monkeypatch, count):
    """Let the work stop with an error after ``count`` partitions."""
    written = []
    working = module.write_rows

    def write(path, *given):
        if len(written) == count:
            raise KeyboardInterrupt
        written.append(path)
        working(path, *given)

    monkeypatch.setattr(module, "write_rows", write)


def test_the_rows_are_the_json_of_predict_with_digests(folder, predictor, tmp_path):
    total = predict_bulk(BulkPlan(tmp_path / "out", (str(folder),), partition=3), LocalEngine())
    found = rows(tmp_path / "out")
    assert len(found) == total.files == total.predicted + 2
    by_path = {one["path"]: one for one in found}
    expected = [one for one in predict_files(predictor, expand([str(folder)]).files) if not hasattr(one, "error")]
    assert len(expected) == total.predicted > 5
    for one in expected:
        content, row = one.as_json(), by_path[one.path]
        probabilities = content.pop("probabilities")
        assert {name: row[f"p_{name}"] for name in probabilities} == probabilities
        assert {name: row[name] for name in content} == content
        assert row["outcome"] == "predicted"
        assert row["digest"] == hashlib.sha256(Path(one.path).read_bytes()).hexdigest()
    bad, left = by_path[str(folder / "glioma/bad.png")], by_path[str(folder / "glioma/.DS_Store")]
    assert (bad["outcome"], bad["code"], bad["label"]) == ("failed", "unknown_format", None)
    assert (left["outcome"], left["code"], left["digest"]) == ("left_out", "housekeeping", None)
    assert (total.failed, total.left_out) == (1, 1)


def test_an_interrupted_job_is_resumed_with_each_file_once(folder, tmp_path, monkeypatch):
    whole = predict_bulk(BulkPlan(tmp_path / "whole", (str(folder),), partition=3), LocalEngine())
    plan = BulkPlan(tmp_path / "out", (str(folder),), partition=3, resume=True)
    with monkeypatch.context() as patch:
        failing_after(patch, 2)
        with pytest.raises(KeyboardInterrupt):
            predict_bulk(plan, LocalEngine())
    first = {path.name: path.read_bytes() for path in (tmp_path / "out").glob("*.parquet")}
    assert sorted(first) == ["part-000000.parquet", "part-000001.parquet"]
    reported = []
    assert predict_bulk(plan, LocalEngine(), progress=lambda *now: reported.append(now)) == whole
    assert reported[0][:2] == (6, whole.files)
    assert reported[-1][:2] == (whole.files, whole.files)
    assert {name: (tmp_path / "out" / name).read_bytes() for name in first} == first
    assert rows(tmp_path / "out") == rows(tmp_path / "whole")


def test_two_processes_write_the_same_files(folder, tmp_path):
    one = predict_bulk(BulkPlan(tmp_path / "one", (str(folder),), threads=1, partition=4), LocalEngine())
    two = predict_bulk(BulkPlan(tmp_path / "two", (str(folder),), threads=1, partition=4), LocalEngine(2))
    assert one == two
    assert rows(tmp_path / "one") == rows(tmp_path / "two")


def test_addresses_give_the_same_answers_as_files(folder, tmp_path):
    files = fsspec.filesystem("memory")
    names = sorted(path for path in folder.rglob("*.png") if path.stat().st_size > 100)
    for path in names:
        files.pipe_file(f"/mri/{path.relative_to(folder).as_posix()}", path.read_bytes())
    predict_bulk(BulkPlan(tmp_path / "store", ("memory://mri",)), LocalEngine())
    predict_bulk(BulkPlan(tmp_path / "files", tuple(map(str, names))), LocalEngine())
    same = [[{**row, "path": Path(row["path"]).name} for row in rows(tmp_path / name)] for name in ("store", "files")]
    assert same[0] == same[1]
    assert all(row["outcome"] == "predicted" for row in same[0])


@pytest.mark.parametrize("change", ["model", "partition", "sources", "damaged", "unreadable"])
def test_the_folder_of_another_job_is_refused(folder, tmp_path, change):
    plan = BulkPlan(tmp_path / "out", (str(folder / "glioma"),), partition=2, resume=True)
    predict_bulk(plan, LocalEngine())
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    facts = json.loads(before["_job.json"])
    if change == "unreadable":
        (tmp_path / "out" / "_job.json").write_text("{")
    elif change == "damaged":
        (tmp_path / "out" / "part-000000.parquet").write_bytes(before["part-000001.parquet"])
    else:
        other = {"model": "0", "partition": 3, "sources": ["elsewhere"]}[change]
        (tmp_path / "out" / "_job.json").write_text(json.dumps({**facts, change: other}))
    with pytest.raises(DataError) as caught:
        predict_bulk(plan, LocalEngine())
    assert caught.value.code == "answers_of_another_job"


def test_a_folder_with_answers_is_continued_only_on_request(folder, tmp_path):
    plan = BulkPlan(tmp_path / "out", (str(folder / "glioma"),))
    predict_bulk(plan, LocalEngine())
    with pytest.raises(DataError) as caught:
        predict_bulk(plan, LocalEngine())
    assert caught.value.code == "output_not_empty"


def test_too_many_failures_stop_the_job_and_it_can_go_on(folder, tmp_path):
    plan = {"out": tmp_path / "out", "paths": (str(folder),), "partition": 1, "resume": True}
    with pytest.raises(DataError) as caught:
        predict_bulk(BulkPlan(**plan, max_failures=0), LocalEngine())
    assert caught.value.code == "too_many_failures"
    assert 0 < len(rows(tmp_path / "out")) < 10
    assert predict_bulk(BulkPlan(**plan, max_failures=1), LocalEngine()).failed == 1
    assert len(rows(tmp_path / "out")) == 10


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({}, "usage"),
        ({"paths": ("-",)}, "standard_input_in_bulk"),
        ({"paths": ("a.png",), "partition": 0}, "partition_out_of_range"),
        ({"paths": ("memory://nothing/here",)}, "path_names_nothing"),
    ],
)
def test_a_plan_that_cannot_be_followed_writes_nothing(tmp_path, given, code):
    with pytest.raises(RequestError) as caught:
        predict_bulk(BulkPlan(tmp_path / "out", **given), LocalEngine())
    assert caught.value.code == code
    assert not (tmp_path / "out").exists()


def test_answers_inside_the_data_are_refused(folder, tmp_path):
    with pytest.raises(GadolinError) as caught:
        predict_bulk(BulkPlan(folder / "answers", (str(folder),)), LocalEngine())
    assert caught.value.code == "output_inside_data"
    assert not (folder / "answers").exists()
