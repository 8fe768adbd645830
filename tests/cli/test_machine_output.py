"""Tests of machine-readable output: valid in any encoding, complete after errors, safe to show in a terminal."""

from __future__ import annotations

import csv
import io
import json
import logging
import math
import os
import pty
import subprocess
import sys
import unicodedata

import pytest

from gadolin.cli.output import OneLine, Plain, plain_streams, print_csv, print_json, table
from gadolin.errors import DataError, printable
from gadolin.records import Failure

pytestmark = pytest.mark.slow

ENCODINGS = ["ascii", "latin-1", "cp1252", "utf-16", "utf-8"]
NASTY = "Müller\x1b]0;owned\x07\x1b[31m\nline two\r‮gnp\x9b2J.png"
DANGEROUS = ("Cc", "Cf", "Zl", "Zp", "Cs")


def started(*words, cwd=None, **environment):
    """Run a command in a new process and return its output as bytes."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "PYTHONIO"))}
    return subprocess.run(
        [sys.executable, "-m", "gadolin", *map(os.fspath, words)],
        capture_output=True,
        timeout=120,
        check=False,
        cwd=cwd,
        env=kept | environment,
    )


def harmless(text, keep="\n\t"):
    return [one for one in text if one not in keep and unicodedata.category(one) in DANGEROUS] == []


@pytest.fixture
def odd_files(lit_quadrant, save_slice, tmp_path):
    """Write a slice and a text file, both with terminal control characters in their names."""
    good = save_slice(lit_quadrant(0), tmp_path / "files" / NASTY)
    bad = tmp_path / "files" / f"bad {NASTY}"
    bad.write_text("no picture")
    return good, bad


@pytest.fixture(scope="module")
def model(make_bundle):
    return make_bundle().folder


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_json_is_json_whatever_the_encoding(encoding, model, odd_files):
    done = started("predict", *odd_files, "--model", model, "--json", PYTHONIOENCODING=encoding)
    said = json.loads(done.stdout.decode("ascii"))
    assert done.returncode == 1
    assert [each["path"] for each in said["predictions"]] == [str(odd_files[0])]
    assert [(each["path"], each["code"]) for each in said["errors"]] == [(str(odd_files[1]), "unknown_format")]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_csv_is_utf8_whatever_the_encoding(encoding, model, odd_files):
    done = started("predict", odd_files[0], "--model", model, "--csv", PYTHONIOENCODING=encoding)
    (row,) = csv.DictReader(io.StringIO(done.stdout.decode("utf-8"), newline=""))
    assert (done.returncode, row["path"], row["label"]) == (0, str(odd_files[0]), "glioma")


@pytest.mark.parametrize("locale", ["C", "POSIX"])
def test_a_locale_of_ascii_alone_changes_nothing(locale, model, odd_files):
    done = started("predict", odd_files[0], "--model", model, "--json", LC_ALL=locale)
    assert json.loads(done.stdout)["predictions"][0]["path"] == str(odd_files[0])


def test_a_name_of_bytes_that_are_no_text_comes_back_byte_for_byte(model, tmp_path):
    path = os.fsencode(tmp_path) + b"/M\xfcller.png"
    try:
        with open(path, "wb") as file:  # noqa: PTH123  # a name that is not valid text
            file.write(b"x")
    except OSError:
        pytest.skip("the file system refuses such a name")
    done = started("predict", os.fsdecode(path), "--model", model, "--json")
    (error,) = json.loads(done.stdout)["errors"]
    assert (os.fsencode(error["path"]), error["code"]) == (path, "file_name_not_utf8")
    assert done.stderr.decode("utf-8").startswith("gadolin: ")


@pytest.mark.parametrize("form", [(), ("--json",)], ids=["words", "json"])
def test_nothing_that_a_terminal_obeys_comes_out(form, model, odd_files):
    done = started("predict", *odd_files, "--model", model, *form, PYTHONIOENCODING="utf-8")
    for content in (done.stdout, done.stderr):
        assert harmless(content.decode("utf-8"))
    assert len([line for line in done.stderr.splitlines() if line.startswith(b"gadolin: ")]) == 1
    assert not any(line.startswith(b"line two") for line in (done.stdout + done.stderr).splitlines())


def test_scan_and_audit_escape_the_names_of_files_and_classes(gadolin, class_folders):
    (class_folders / "glioma" / f"bad {NASTY}").write_text("no picture")
    (class_folders / "notumor").rename(class_folders / f"no\x1b[2Jtumor\n{NASTY[:6]}")
    for words in (("scan", class_folders), ("audit", class_folders), ("scan", class_folders, "--json")):
        ending = gadolin(*words)
        assert harmless(ending.out), words
        assert harmless(ending.err), words
        assert "\\x1b" in ending.out or "\\u001b" in ending.out


def test_a_word_on_the_command_line_is_escaped_where_it_is_refused(gadolin):
    ending = gadolin("predict", "--\x1b[31mred")
    assert ending.code == 2
    assert harmless(ending.out + ending.err)


def test_csv_is_escaped_on_a_terminal_alone(model, odd_files):
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "gadolin", "predict", str(odd_files[0]), "--model", str(model), "--csv"]
    with subprocess.Popen(command, stdout=theirs, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL) as running:
        os.close(theirs)
        shown = b""
        while True:
            try:
                more = os.read(ours, 65_536)
            except OSError:  # the read end is closed
                break
            if not more:
                break
            shown += more
        assert running.wait(120) == 0
    os.close(ours)
    assert harmless(shown.decode("utf-8"), "\n\r\t")
    assert b"\\x1b]0;owned" in shown


@pytest.mark.parametrize(
    ("words", "code", "type_", "exit_code"),
    [
        (("predict", "a.png", "--model", "gone"), "model_not_found", "BundleError", 2),
        (("scan", "gone"), "data_not_found", "DataError", 2),
        (("split", "gone", "--folds", "1"), "folds_out_of_range", "RequestError", 2),
        (("info", "https://example.org/m"), "model_is_a_url", "BundleError", 2),
        (("scan",), "usage", "RequestError", 2),
        (("scan", "a", "--no-such-option"), "usage", "RequestError", 2),
    ],
)
def test_a_command_that_fails_says_so_in_json(words, code, type_, exit_code, gadolin, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ending = gadolin(*words, "--json")
    error = ending.json["error"]
    assert list(error) == ["type", "code", "rule", "got", "remedy", "path", "message"]
    assert (ending.code, error["code"], error["type"]) == (exit_code, code, type_)
    assert error["message"]
    assert ending.err, "the error is shown to people too"
    without = gadolin(*words)
    assert (without.code, without.out) == (exit_code, "")


@pytest.mark.parametrize(
    ("raised", "code", "exit_code"),
    [
        (OSError(28, "No space left on device"), "work_stopped", 1),
        (KeyboardInterrupt(), "interrupted", 1),
        (ModuleNotFoundError("No module named 'faiss'", name="faiss"), "missing_package", 2),
        (ImportError("libGL.so.1: cannot open shared object file", name="cv2"), "package_unloadable", 2),
        (ImportError("nothing is known"), "package_unloadable", 2),
        (DataError(code="data_not_found", rule="a rule", path="a\x1b.png"), "data_not_found", 2),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_whatever_ends_a_command_is_one_line_and_one_object(raised, code, exit_code, gadolin, monkeypatch, tmp_path):
    def failing(*_given, **_options):
        raise raised

    monkeypatch.setattr("gadolin.datasets.scan", failing)
    ending = gadolin("scan", tmp_path, "--json")
    assert (ending.code, ending.json["error"]["code"]) == (exit_code, code)
    assert ending.err.startswith("gadolin: ")
    assert ending.err.count("\n") == 1
    gadolin("scan", tmp_path).refused(code=exit_code)


def test_a_document_that_was_printed_is_followed_by_no_second_one(gadolin, small_phantoms, monkeypatch, tmp_path):
    def full(_path, _content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("gadolin.reports.audit_page.write_bytes", full)
    ending = gadolin("audit", small_phantoms, "--json", "--report", tmp_path / "a.html")
    assert ending.code == 1
    assert "error" not in ending.json
    assert "No space left" in ending.err


@pytest.mark.parametrize("words", [("info",), ("info", "--json"), ("info", "gone", "--json")], ids=" ".join)
def test_a_reader_that_has_gone_ends_a_command_quietly(words, tmp_path):
    ours, theirs = os.pipe()
    os.close(ours)
    command = [sys.executable, "-m", "gadolin", *words]
    done = subprocess.run(command, stdout=theirs, stderr=subprocess.PIPE, timeout=120, check=False, cwd=tmp_path)
    os.close(theirs)
    assert done.returncode == 1
    assert [line for line in done.stderr.splitlines() if not line.startswith(b"gadolin: ")] == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")  # noqa: PTH110
@pytest.mark.parametrize("words", [("info",), ("info", "--json")], ids=" ".join)
def test_a_disk_that_is_full_is_told_whatever_was_printed(words):
    with open("/dev/full", "wb") as full:  # noqa: PTH123
        command = [sys.executable, "-m", "gadolin", *words]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, timeout=120, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(b"gadolin: the command could not finish")
    assert done.stderr.count(b"\n") == 1


def test_what_stands_behind_two_dashes_is_no_option(gadolin, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert gadolin("scan", "--", "--json").out == ""


def test_a_number_that_json_lacks_is_null(capfd):
    print_json({"a": math.nan, "b": [math.inf, -math.inf, 1.5], "c": (math.nan,), "d": {"e": True}})
    said = json.loads(capfd.readouterr().out, parse_constant=pytest.fail)
    assert said == {"a": None, "b": [None, None, 1.5], "c": [None], "d": {"e": True}}


def test_a_lone_carriage_return_in_a_csv_is_read_back(capfdbinary):
    print_csv(["path", "n"], [["a\rb", 1], ['c,"d"\n', 2]])
    rows = list(csv.reader(io.StringIO(capfdbinary.readouterr().out.decode(), newline="")))
    assert rows == [["path", "n"], ["a\rb", "1"], ['c,"d"\n', "2"]]


def test_rows_of_a_table_are_lines():
    assert table(["a\nb"], [["c\x1b"], ["ü"]]).splitlines() == ["a\\nb", "-----", "c\\x1b", "ü"]


def test_standard_streams_are_as_before_and_closed_ones_do_no_harm(monkeypatch):
    before = sys.stdout, sys.stderr
    with plain_streams() as out:
        assert out is sys.stdout
        assert isinstance(sys.stderr, Plain)
        assert not out.used
    assert (sys.stdout, sys.stderr) == before
    monkeypatch.setattr(sys, "stdout", None)
    with plain_streams() as out:
        assert out is None
        print_json({})
        print_csv(["a"], [])


@pytest.mark.parametrize("text", ["plain", "ü 世 Ω", "", "a b"])
def test_what_can_be_printed_stays(text):
    assert printable(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[0m", "\\x1b[0m"),
        ("\n", "\\n"),
        ("\x9b", "\\x9b"),
        ("\u202e", "\\u202e"),
        ("\udcfc", "\\udcfc"),
        ("\x7f", "\\x7f"),
    ],
)
def test_what_a_terminal_would_obey_is_written_as_an_escape(text, shown):
    assert printable(text) == shown


def test_an_error_and_a_failure_are_one_harmless_line():
    error = DataError(code="data_not_found", rule=f"a rule {NASTY}", got=NASTY, remedy=NASTY, path=NASTY)
    for text in (str(error), error.reason, error.statement, str(Failure(NASTY, error))):
        assert harmless(text, "")
    assert error.fields()["got"] == NASTY, "programs get the name unchanged"


def test_a_message_of_the_log_is_one_harmless_line():
    record = logging.LogRecord("gadolin", logging.WARNING, "", 0, "left out %s", (NASTY,), None)
    assert harmless(OneLine().format(record), "")
