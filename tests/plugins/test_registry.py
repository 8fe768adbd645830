"""Tests of a registry: built-in entries stay, a broken plug-in is reported, and the others work."""

from __future__ import annotations

import subprocess
import sys

import pytest

from gadolin.errors import PluginError, RequestError, suggestion
from gadolin.registry import Registry

CODE = """
import math
double = lambda value: 2 * value
number = 7
class Named:
    name = "another"
    def __call__(self): ...
named = Named()
"""


def unknown(name, known):
    return RequestError(code="tool_unknown", rule=f"one of {', '.join(known)}", got=suggestion(name, known))


@pytest.fixture
def registry():
    """A registry of functions with two built-in entries, one of them imported at first use."""
    made = Registry(
        "gadolin.tools", "a function", callable, unknown, {"root": "math:sqrt"}, lambda name: name == "mine"
    )

    @made.register("negate")
    def negate(value):
        return -value

    return made


@pytest.fixture
def filled(registry, write_plugin, on_path, tmp_path):
    write_plugin(
        tmp_path / "a",
        "plug-a",
        CODE,
        tools={"double": "double", "root": "double", "mine": "double", "twice": "double", "number": "number"},
    )
    write_plugin(tmp_path / "b", "plug-b", "import not_there_at_all", tools={"broken": "f", "twice": "f"})
    write_plugin(tmp_path / "c", "plug-c", CODE, tools={"named": "named", "gone": "gone"})
    for name in "abc":
        on_path(tmp_path / name)
    return registry


def test_built_in_values_are_found_by_name(registry):
    assert registry.get("root")(9) == 3
    assert registry["negate"](9) == -9
    assert registry.names() == ("root", "negate")
    assert "root" in registry
    assert "square" not in registry


def test_an_unknown_name_is_the_error_of_the_registry_with_a_suggestion(registry):
    with pytest.raises(RequestError) as caught:
        registry.get("negat")
    assert caught.value.code == "tool_unknown"
    assert "'negate'" in str(caught.value)


def test_a_plugin_is_found_after_the_built_in_ones(filled):
    assert filled.get("double")(4) == 8
    assert filled.names() == ("root", "negate", "double")
    assert list(filled) == list(filled.names())
    assert len(filled) == 3
    assert [name for name, _ in filled.items()] == list(filled.names())
    assert filled.provider("double") == "plug-a 2.5"


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("broken", "plugin_unloadable"),
        ("gone", "plugin_unloadable"),
        ("number", "plugin_invalid"),
        ("named", "plugin_invalid"),
        ("mine", "plugin_name_taken"),
        ("twice", "plugin_name_twice"),
    ],
)
def test_a_plugin_that_cannot_be_used_is_reported_where_it_is_requested(filled, name, code):
    with pytest.raises(PluginError) as caught:
        filled.get(name)
    assert caught.value.code == code
    assert name in str(caught.value)
    assert "2.5" in str(caught.value)
    assert name not in filled


def test_a_built_in_name_cannot_be_replaced(filled):
    assert filled.get("root")(9) == 3
    entries = [(one.origin, one.error and one.error.code) for one in filled.entries() if one.name == "root"]
    assert entries == [(entries[0][0], None), ("plug-a 2.5", "plugin_name_taken")]
    assert entries[0][0].startswith("gadolin ")


def test_the_list_has_every_plugin_with_its_distribution_and_error(filled):
    told = {(one.name, one.distribution): one.error and one.error.code for one in filled.entries()}
    assert told == {
        ("root", "gadolin"): None,
        ("negate", "gadolin"): None,
        ("broken", "plug-b"): "plugin_unloadable",
        ("double", "plug-a"): None,
        ("gone", "plug-c"): "plugin_unloadable",
        ("mine", "plug-a"): "plugin_name_taken",
        ("named", "plug-c"): "plugin_invalid",
        ("number", "plug-a"): "plugin_invalid",
        ("root", "plug-a"): "plugin_name_taken",
        ("twice", "plug-a"): "plugin_name_twice",
        ("twice", "plug-b"): "plugin_name_twice",
    }


@pytest.mark.slow
def test_a_built_in_name_is_found_without_a_look_at_what_is_installed():
    code = """
import sys
from gadolin.explanations import METHODS
from gadolin.readers import file_kind
from gadolin.models.runtime import RUNTIMES
METHODS.get("lime"), RUNTIMES.get("onnxruntime"), file_kind(bytes.fromhex("89504e470d0a1a0a00000000"))
from gadolin.registry import installed
print(installed.cache_info().misses)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "0"
