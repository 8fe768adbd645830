"""Tests of locating a model: any other path is one error with a code and a remedy."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gadolin.errors import BundleError
from gadolin.models.model_path import SHIPPED, model_folder
from gadolin.models.predictor import Predictor


def refused(model):
    with pytest.raises(BundleError) as caught:
        model_folder(model)
    error = caught.value
    assert str(error).count("\n") == 0
    assert error.rule == "a model must be a run folder or a bundle"
    return error


def test_the_model_of_the_package_needs_no_name():
    assert model_folder(None) == model_folder("shipped") == SHIPPED


def test_a_run_folder_and_its_bundle_are_one_model(make_bundle, tmp_path):
    folder = make_bundle(tmp_path / "run" / "bundle").folder
    assert model_folder(folder) == model_folder(tmp_path / "run") == folder


@pytest.mark.parametrize("name", ["model.onnx", "bundle.json"])
def test_a_file_of_a_bundle_is_answered_with_its_folder(name, make_bundle):
    folder = make_bundle().folder
    error = refused(folder / name)
    assert error.code == "model_is_a_file"
    assert str(folder) in error.remedy


@pytest.mark.parametrize("name", ["m.pt", "m.pth", "m.ckpt", "m.h5", "m.keras", "m.safetensors", "m.onnx", "m"])
def test_a_model_of_another_program_is_told_what_a_model_is(name, tmp_path):
    (tmp_path / name).write_bytes(b"PK\x03\x04 or whatever")
    error = refused(tmp_path / name)
    assert error.code == "model_is_a_file"
    assert "bundle.json" in error.remedy


@pytest.mark.parametrize("name", ["run.zip", "run.tar.gz", "run.tgz", "RUN.ZIP"])
def test_an_archive_is_to_be_unpacked(name, tmp_path):
    (tmp_path / name).write_bytes(b"PK\x03\x04")
    error = refused(tmp_path / name)
    assert (error.code, error.remedy) == ("model_is_a_file", "unpack it and give the folder")


@pytest.mark.parametrize(
    "url", ["https://example.org/m.zip", "http://h/m", "hf://org/model", "s3://bucket/model", "gs://b"]
)
@pytest.mark.parametrize("kind", [str, Path])
def test_a_url_is_named_as_it_was_given(url, kind):
    error = refused(kind(url))
    assert (error.code, error.got) == ("model_is_a_url", f"{url} is a URL")


def test_a_folder_that_holds_no_bundle_is_told_what_one_holds(tmp_path):
    error = refused(tmp_path)
    assert error.code == "model_incomplete"
    assert "bundle.json" in error.remedy


def test_an_unfinished_run_is_to_be_resumed(tmp_path):
    (tmp_path / "run.json").write_text("{}")
    assert (refused(tmp_path).code, refused(tmp_path).remedy) == ("model_incomplete", "resume the run")


def test_a_name_that_is_nearly_shipped_is_guessed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    error = refused("shiped")
    assert error.code == "model_not_found"
    assert "did you mean 'shipped'" in error.got


@pytest.mark.parametrize("name", ["x" * 5000, "a\nb\x1b[31m"])
def test_a_name_that_no_file_can_have_is_one_line_too(name):
    assert refused(name).code in ("model_unreadable", "model_not_found")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root can read everything")
def test_a_folder_without_permission_is_no_missing_one(make_bundle, tmp_path):
    make_bundle(tmp_path / "closed" / "run")
    (tmp_path / "closed").chmod(0)
    try:
        assert refused(tmp_path / "closed" / "run").code == "model_unreadable"
    finally:
        (tmp_path / "closed").chmod(0o700)


def test_every_door_says_the_same(tmp_path):
    (tmp_path / "model.pt").write_bytes(b"x")
    with pytest.raises(BundleError) as caught:
        Predictor.load(tmp_path / "model.pt")
    assert caught.value.code == "model_is_a_file"
