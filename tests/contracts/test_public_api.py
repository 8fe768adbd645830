"""Promises of the public surface: every list of names is sorted, complete and true."""

from __future__ import annotations

import importlib
import inspect
import pkgutil

import pytest

import gadolin

MODULES = [each.name for each in pkgutil.walk_packages(gadolin.__path__, "gadolin.") if each.name != "gadolin.__main__"]


def in_order(names):
    """Sort names as the lint rule does: constants, then classes, then the rest."""
    return sorted(names, key=lambda name: (0 if name.isupper() else 1 if name[0].isupper() else 2, name))


def opened(name):
    pytest.importorskip("torch") if name.startswith(("gadolin.train", "gadolin.network")) else None
    return importlib.import_module(name)


def test_the_public_names_are_sorted():
    assert gadolin.__all__ == sorted(gadolin.__all__)
    assert len(set(gadolin.__all__)) == len(gadolin.__all__)


@pytest.mark.parametrize("name", gadolin.__all__)
def test_every_public_name_can_be_had(name):
    if name in ("Plan", "named_recipe", "train_model"):
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


@pytest.mark.parametrize("name", MODULES)
def test_every_list_of_names_is_sorted_and_real(name):
    module = opened(name)
    names = getattr(module, "__all__", None)
    if names is None:
        public = [key for key, value in vars(module).items() if getattr(value, "__module__", None) == name]
        assert not [key for key in public if not key.startswith("_")], "public names need an __all__"
        return
    assert list(names) == in_order(names)
    assert len(set(names)) == len(names)
    for each in names:
        assert hasattr(module, each), f"{name} lists {each}, which it does not have"


@pytest.mark.parametrize("name", MODULES)
def test_every_module_says_what_it_is_for(name):
    assert opened(name).__doc__
