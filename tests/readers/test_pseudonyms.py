"""Tests of pseudonyms: stable with one key, different with another, and a private key file."""

from __future__ import annotations

import os
import stat
import subprocess
import sys

import pytest

from gadolin.errors import OutputError, RequestError
from gadolin.readers import pseudonyms
from gadolin.readers.pseudonyms import key_file, pseudonym


@pytest.fixture
def key(tmp_path, monkeypatch):
    """Return a path where no key exists yet."""
    path = tmp_path / "own" / "patients.key"
    monkeypatch.setenv("GADOLIN_PATIENT_KEY", str(path))
    pseudonyms._key.cache_clear()
    yield path
    pseudonyms._key.cache_clear()


def test_a_pseudonym_tells_nothing_of_the_id(key):
    told = pseudonym("Moravec-1948")
    assert told.startswith("p-")
    assert len(told) == 18
    assert int(told[2:], 16) >= 0


def test_one_patient_has_one_pseudonym_and_two_have_two(key):
    assert pseudonym("7") == pseudonym("7") == pseudonym(" 7 ")
    assert len({pseudonym(str(number)) for number in range(200)}) == 200


@pytest.mark.slow
def test_the_pseudonym_is_the_same_in_another_process(key):
    here = pseudonym("7")
    code = "from gadolin.readers.pseudonyms import pseudonym; print(pseudonym('7'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == here


def test_another_key_gives_another_pseudonym(key, tmp_path, monkeypatch):
    first = pseudonym("7")
    monkeypatch.setenv("GADOLIN_PATIENT_KEY", str(tmp_path / "other.key"))
    assert pseudonym("7") != first


def test_the_key_is_made_once_for_its_user_alone(key):
    pseudonym("7")
    content = key.read_text()
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert len(bytes.fromhex(content)) == 32
    pseudonyms._key.cache_clear()
    pseudonym("7")
    assert key.read_text() == content


@pytest.mark.parametrize("content", ["", "hello", "00" * 31, "00" * 33, "\udcff"])
def test_a_damaged_key_is_refused_and_kept(key, content):
    key.parent.mkdir()
    key.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(RequestError) as caught:
        pseudonym("7")
    assert caught.value.code == "patient_key_invalid"
    assert str(key) in str(caught.value)
    assert key.read_bytes() == content.encode("utf-8", "surrogateescape")


def test_a_key_that_cannot_be_made_is_told_with_another_way(key, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("GADOLIN_PATIENT_KEY", str(tmp_path / "file" / "patients.key"))
    with pytest.raises(OutputError) as caught:
        pseudonym("7")
    assert "GADOLIN_PATIENT_KEY" in caught.value.remedy
    assert caught.value.code == "patient_key_unwritable"


def test_a_user_without_a_home_is_told_the_other_way(monkeypatch):
    for name in ("GADOLIN_PATIENT_KEY", "XDG_CONFIG_HOME", "APPDATA"):
        monkeypatch.delenv(name, raising=False)

    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(pseudonyms.Path, "home", homeless)
    with pytest.raises(OutputError) as caught:
        pseudonym("7")
    assert caught.value.code == "patient_key_unwritable"


def test_a_key_is_made_where_files_cannot_be_linked(key, monkeypatch):
    def refuse(*_paths):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(pseudonyms.os, "link", refuse)
    pseudonym("7")
    assert len(bytes.fromhex(key.read_text())) == 32
    assert list(key.parent.iterdir()) == [key]


@pytest.mark.parametrize(
    ("environment", "place"),
    [
        ({"GADOLIN_PATIENT_KEY": "/a/b.key", "XDG_CONFIG_HOME": "/c"}, "/a/b.key"),
        ({"XDG_CONFIG_HOME": "/c", "APPDATA": "/d"}, "/c/gadolin/patients.key"),
        ({"APPDATA": "/d"}, "/d/gadolin/patients.key"),
        ({"HOME": "/e"}, "/e/.config/gadolin/patients.key"),
    ],
)
def test_the_key_lies_where_users_keep_their_settings(environment, place, monkeypatch):
    for name in ("GADOLIN_PATIENT_KEY", "XDG_CONFIG_HOME", "APPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert os.fspath(key_file()) == place


def test_nothing_but_the_key_is_left_beside_it(key):
    pseudonym("7")
    assert list(key.parent.iterdir()) == [key]


def test_a_key_that_another_process_made_in_the_meantime_is_the_key(key, monkeypatch):
    key.parent.mkdir()
    made = pseudonyms.secrets.token_hex

    def overtaken(length):
        key.write_text("ab" * 32)
        return made(length)

    monkeypatch.setattr(pseudonyms.secrets, "token_hex", overtaken)
    first = pseudonym("7")
    assert key.read_text() == "ab" * 32
    pseudonyms._key.cache_clear()
    assert pseudonym("7") == first
