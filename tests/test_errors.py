"""Tests of the exception tree: one base class, the nearest built-in as a second base, and a correct drawing."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gadolin import errors
from gadolin.errors import GadolinError, MissingExtraError, RequestError, suggestion

CLASSES = [getattr(errors, name) for name in errors.__all__ if name.endswith("Error")]


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_error_is_caught_by_the_one_base(kind):
    assert issubclass(kind, GadolinError)


@pytest.mark.parametrize(
    ("name", "builtin"),
    [
        ("RequestError", ValueError),
        ("OutputError", OSError),
        ("DownloadError", ConnectionError),
        ("ParityError", RuntimeError),
        ("MissingExtraError", ImportError),
    ],
)
def test_every_branch_is_also_the_nearest_built_in(name, builtin):
    assert issubclass(getattr(errors, name), builtin)


@pytest.mark.parametrize(
    "name", ["ReadError", "DataError", "RecipeError", "WeightsError", "BundleError", "PluginError"]
)
def test_errors_about_what_was_asked_for_are_request_errors(name):
    assert issubclass(getattr(errors, name), RequestError)


def test_the_drawing_in_the_docstring_shows_exactly_the_errors_there_are():
    drawn = re.findall(r"\b\w+Error\b", errors.__doc__)
    builtin = {"ValueError", "OSError", "ConnectionError", "RuntimeError", "ImportError"}
    assert sorted(set(drawn) - builtin) == sorted(kind.__name__ for kind in CLASSES)


def test_a_missing_package_is_named_with_the_command_that_installs_it():
    message = str(MissingExtraError("openvino", "openvino"))
    assert "'openvino'" in message
    assert '[openvino]"' in message


def test_a_near_word_is_suggested():
    assert suggestion("onxruntime", ["onnxruntime", "openvino"]) == " (did you mean 'onnxruntime'?)"


def test_a_far_word_gets_no_suggestion():
    assert suggestion("banana", ["onnxruntime", "openvino"]) == ""


def test_the_known_words_may_come_from_a_generator():
    assert "label" in suggestion("lable", (word for word in ("path", "label")))


@given(st.text("abcx_", max_size=9), st.lists(st.text("abcx_", min_size=1, max_size=9), max_size=4))
def test_only_known_words_are_ever_suggested(wrong, known):
    told = suggestion(wrong, known)
    assert told == "" or any(told == f" (did you mean {word!r}?)" for word in known)
