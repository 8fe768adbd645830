"""Tests of a broken plug-in: it is reported where it is used, and every other command works."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.slow

KINDS = ("backbones", "methods", "readers", "sources", "checks", "runtimes")
CODE = """
from gadolin.readers import Reader
def check(dataset):
    raise ValueError("the check is wrong")
def lists(dataset):
    return ["not a finding"]
def recognises(head):
    raise ValueError("cannot look")
def open_bad(content):
    raise ValueError("cannot open")
curious = Reader("curious", (".curious",), recognises, open_bad)
clumsy = Reader("clumsy", (".clumsy",), lambda head: head.startswith(b"CLUMSY"), open_bad)
number = 7
"""


@pytest.fixture(scope="session")
def broken(write_plugin, tmp_path_factory):
    """Packages whose plug-ins fail to import, take Gadolin's names, or raise when used."""
    root = tmp_path_factory.mktemp("broken")
    write_plugin(root / "a", "plug-unloadable", "import not_there_at_all", **{kind: {"lost": "f"} for kind in KINDS})
    write_plugin(
        root / "b",
        "plug-taking",
        CODE,
        backbones={"compact": "number", "resnet18": "number"},
        methods={"lime": "number", "numeric": "number"},
        readers={"PNG": "clumsy"},
        sources={"figshare": "number"},
        checks={"tiny": "check"},
        runtimes={"onnxruntime": "check"},
    )
    write_plugin(
        root / "c",
        "plug-raising",
        CODE,
        checks={"raises": "check", "lists": "lists", "numeric": "number"},
        readers={"curious": "curious", "clumsy": "clumsy"},
    )
    return [root / name for name in "abc"]


def test_each_is_listed_with_its_package_and_error(run_with, broken):
    told = run_with("plugins", "--json", folders=broken)
    assert told.code == 1
    found = {
        (one["kind"], one["name"], one["distribution"]): one["error"] and one["error"]["code"]
        for one in told.json["plugins"]
    }
    for kind in KINDS:
        assert found[kind.removesuffix("s"), "lost", "plug-unloadable"] == "plugin_unloadable"
    taken = {(kind, name) for (kind, name, package), code in found.items() if code == "plugin_name_taken"}
    assert taken == {
        ("backbone", "compact"),
        ("backbone", "resnet18"),
        ("method", "lime"),
        ("reader", "PNG"),
        ("source", "figshare"),
        ("check", "tiny"),
        ("runtime", "onnxruntime"),
    }
    assert found["method", "numeric", "plug-taking"] == "plugin_invalid"
    assert not [key for key, code in found.items() if key[2] == "gadolin" and code is not None]
    assert told.err.count("not_there_at_all") == 6


def test_an_audit_lists_what_failed_and_runs_the_other_checks(run_with, broken, small_phantoms):
    told = run_with("audit", small_phantoms, "--skip", "shortcuts", "--json", folders=broken)
    assert told.code == 0, told.err
    reasons = {one["check"]: one["reason"] for one in told.json["not_looked"]}
    assert "plug-raising 2.5" in reasons["raises"]
    assert "the check is wrong" in reasons["raises"]
    assert "plug-raising 2.5" in reasons["lists"]
    assert "not_there_at_all" in reasons["lost"]
    assert "numeric" in reasons
    assert {"tiny", "shared_slices"} <= set(told.json["checks"])
    assert told.json["checks"]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["audit", "{data}", "--only", "lost"], "plugin_unloadable"),
        (["predict", "{data}", "--runtime", "lost"], "plugin_unloadable"),
        (["explain", "{data}", "--method", "numeric"], "plugin_invalid"),
        (["fetch", "lost", "{data}"], "plugin_unloadable"),
    ],
)
def test_a_request_for_one_is_one_clear_error(run_with, broken, small_phantoms, words, code):
    told = run_with(*(word.format(data=small_phantoms) for word in words), "--json", folders=broken)
    assert (told.code, told.json["error"]["code"]) == (2, code), told.err
    assert told.err.count("gadolin: ") == 1


def test_readers_that_raise_stop_no_other_format(run_with, broken, make_bundle, small_phantoms, tmp_path):
    picture = sorted((small_phantoms / "Testing").rglob("*.png"))[0]
    (tmp_path / "a.png").write_bytes(picture.read_bytes())
    (tmp_path / "b.clumsy").write_bytes(b"CLUMSY" + bytes(100))
    (tmp_path / "c.txt").write_text("a note")
    told = run_with("predict", "--model", make_bundle().folder, tmp_path, "--json", folders=broken)
    assert (told.code, len(told.json["predictions"])) == (1, 1)
    (error,) = told.json["errors"]
    assert error["code"] == "reader_failed"
    assert "plug-raising 2.5" in error["error"]
    assert told.err.count("failed to check a file") == 1


def test_a_file_that_no_reader_takes_says_which_readers_are_broken(run_with, broken, make_bundle, tmp_path):
    (tmp_path / "a.lost").write_bytes(b"LOST" + bytes(100))
    told = run_with("predict", "--model", make_bundle().folder, tmp_path / "a.lost", "--json", folders=broken)
    assert told.json["errors"][0]["code"] == "unknown_format"
    assert "lost of plug-unloadable 2.5" in told.json["errors"][0]["error"]
