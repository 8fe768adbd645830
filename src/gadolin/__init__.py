"""Gadolin: brain MRI slices in, a verdict and its trustworthiness out. For research only; not a medical device.

>>> import gadolin
>>> predictor = gadolin.Predictor.load("run")  # doctest: +SKIP
>>> predictor.predict("slice.png").label  # doctest: +SKIP
'glioma'
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from gadolin._version import __version__
from gadolin.telemetry import switch_off

if TYPE_CHECKING:
    from gadolin.bundle import Bundle, read_bundle
    from gadolin.errors import GadolinError
    from gadolin.explanations import Explanation, explain
    from gadolin.files import predict_files
    from gadolin.metrics import compare, measure, read_table
    from gadolin.phantom import PhantomPlan, write_phantoms
    from gadolin.predictor import Predictor
    from gadolin.prepare import Preparation
    from gadolin.readers import read
    from gadolin.recipes import Recipe, load_recipe, named_recipe
    from gadolin.records import Failure, Prediction, Record, Slice
    from gadolin.report.evaluation import evaluate_model
    from gadolin.sources import scan
    from gadolin.training.plan import Plan
    from gadolin.training.run import train_model

__all__ = [
    "Bundle",
    "Explanation",
    "Failure",
    "GadolinError",
    "PhantomPlan",
    "Plan",
    "Prediction",
    "Predictor",
    "Preparation",
    "Recipe",
    "Record",
    "Slice",
    "__version__",
    "compare",
    "evaluate_model",
    "explain",
    "load_recipe",
    "measure",
    "named_recipe",
    "predict_files",
    "read",
    "read_bundle",
    "read_table",
    "scan",
    "train_model",
    "write_phantoms",
]

_HOMES = {
    "Bundle": "bundle",
    "Explanation": "explanations",
    "Failure": "records",
    "GadolinError": "errors",
    "PhantomPlan": "phantom",
    "Plan": "training.plan",
    "Prediction": "records",
    "Predictor": "predictor",
    "Preparation": "prepare",
    "Recipe": "recipes",
    "Record": "records",
    "Slice": "records",
    "compare": "metrics",
    "evaluate_model": "report.evaluation",
    "explain": "explanations",
    "load_recipe": "recipes",
    "measure": "metrics",
    "named_recipe": "recipes",
    "predict_files": "files",
    "read": "readers",
    "read_bundle": "bundle",
    "read_table": "metrics",
    "scan": "sources",
    "train_model": "training.run",
    "write_phantoms": "phantom",
}


switch_off()  # before any other module of ours, or of a program that imports us first, loads a package that reports


def __getattr__(name: str) -> object:
    """Import a public name when it is first used, so that ``import gadolin`` costs next to nothing.

    Raises MissingExtraError where the package that it needs is not installed.
    """
    if name in _HOMES:
        try:
            return getattr(import_module(f"gadolin.{_HOMES[name]}"), name)
        except ModuleNotFoundError as error:
            from gadolin.errors import MissingExtraError

            if not error.name or error.name.partition(".")[0] == "gadolin":
                raise
            raise MissingExtraError(error.name) from error
    msg = f"module 'gadolin' has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    return __all__
