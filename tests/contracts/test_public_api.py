"""The public API: every ``__all__`` is sorted, complete and correct."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import pkgutil
import sys

import pytest

import gadolin


def in_order(names):
    """Sort names as ruff does: constants, classes, the rest."""
    return sorted(names, key=lambda name: (0 if name.isupper() else 1 if name[0].isupper() else 2, name))


@pytest.fixture(scope="module")
def modules():
    """Import every module of the package; those that need torch only where it is installed."""
    torch = importlib.util.find_spec("torch") is not None
    every = [one.name for one in pkgutil.walk_packages(gadolin.__path__, "gadolin.") if one.name != "gadolin.__main__"]
    names = [name for name in every if torch or not name.startswith(("gadolin.training", "gadolin.networks"))]
    return [importlib.import_module(name) for name in names]


def test_the_public_names_are_sorted():
    assert gadolin.__all__ == sorted(gadolin.__all__)
    assert len(set(gadolin.__all__)) == len(gadolin.__all__)


@pytest.mark.parametrize("name", gadolin.__all__)
def test_every_public_name_can_be_had(name):
    if name == "backbones":
        pytest.importorskip("torch")
    value = getattr(gadolin, name)
    assert value is not None
    if name != "__version__":
        assert value.__name__ == name
        assert inspect.getdoc(value), "a public name has a docstring"


def test_the_lazy_names_are_exactly_the_public_ones():
    assert sorted([*gadolin._HOMES, "__version__"]) == gadolin.__all__
    assert dir(gadolin) == gadolin.__all__


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'gadolin' has no attribute 'Predictr'"):
        gadolin.Predictr  # noqa: B018  # the access is the test


@pytest.mark.slow
def test_every_list_of_names_is_sorted_and_without_repeats(modules):
    lists = {module.__name__: list(module.__all__) for module in modules if hasattr(module, "__all__")}
    assert not {name: names for name, names in lists.items() if names != in_order(set(names))}


@pytest.mark.slow
def test_every_name_in_a_list_is_real(modules):
    listed = [(module.__name__, name) for module in modules for name in getattr(module, "__all__", ())]
    assert not [(home, name) for home, name in listed if not hasattr(sys.modules[home], name)]


@pytest.mark.slow
def test_every_module_but_a_command_lists_its_names(modules):
    without = {module.__name__ for module in modules if not hasattr(module, "__all__")}
    folders = {name for name in without if sys.modules[name].__file__.endswith("__init__.py")}
    assert not {name for name in without if not name.startswith("gadolin.cli.")} - {"gadolin._version", *folders}


@pytest.mark.slow
def test_every_module_says_what_it_is_for(modules):
    assert not [module.__name__ for module in modules if not module.__doc__]
