"""Gadolin: brain MRI slices in, a verdict and its trustworthiness out. For research only; not a medical device.

>>> import gadolin as gd
>>> model = gd.load_model("shipped")  # doctest: +SKIP
>>> model.predict("slice.png").label  # doctest: +SKIP
'glioma'
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from gadolin._version import __version__
from gadolin.telemetry import switch_off

if TYPE_CHECKING:
    from gadolin.bundle import Bundle
    from gadolin.errors import GadolinError
    from gadolin.explanations import Explanation, explain
    from gadolin.explanations.methods import methods
    from gadolin.files import predict_files
    from gadolin.metrics.comparison import Comparison
    from gadolin.network.backbones import backbones
    from gadolin.phantom import PhantomPlan, write_phantoms
    from gadolin.predictions import Table, read_table
    from gadolin.predictor import Predictor
    from gadolin.prepare import Preparation
    from gadolin.readers import read
    from gadolin.recipe import Recipe, load_recipe, recipes
    from gadolin.records import Failure, Finding, Prediction, Record, Slice
    from gadolin.report.audit import Audit
    from gadolin.report.evaluation import Evaluation
    from gadolin.sources import Scan, scan
    from gadolin.workflows.audit import audit
    from gadolin.workflows.compare import compare
    from gadolin.workflows.crossval import CrossValidation, crossval
    from gadolin.workflows.evaluate import evaluate
    from gadolin.workflows.predict import load_model, predict
    from gadolin.workflows.split import Split, split
    from gadolin.workflows.train import Run, train

_HOMES = {
    "Audit": "report.audit",
    "Bundle": "bundle",
    "Comparison": "metrics.comparison",
    "CrossValidation": "workflows.crossval",
    "Evaluation": "report.evaluation",
    "Explanation": "explanations",
    "Failure": "records",
    "Finding": "records",
    "GadolinError": "errors",
    "PhantomPlan": "phantom",
    "Prediction": "records",
    "Predictor": "predictor",
    "Preparation": "prepare",
    "Recipe": "recipe",
    "Record": "records",
    "Run": "workflows.train",
    "Scan": "sources",
    "Slice": "records",
    "Split": "workflows.split",
    "Table": "predictions",
    "audit": "workflows.audit",
    "backbones": "network.backbones",
    "compare": "workflows.compare",
    "crossval": "workflows.crossval",
    "evaluate": "workflows.evaluate",
    "explain": "explanations",
    "load_model": "workflows.predict",
    "load_recipe": "recipe",
    "methods": "explanations.methods",
    "predict": "workflows.predict",
    "predict_files": "files",
    "read": "readers",
    "read_table": "predictions",
    "recipes": "recipe",
    "scan": "sources",
    "split": "workflows.split",
    "train": "workflows.train",
    "write_phantoms": "phantom",
}

__all__ = [
    "Audit",
    "Bundle",
    "Comparison",
    "CrossValidation",
    "Evaluation",
    "Explanation",
    "Failure",
    "Finding",
    "GadolinError",
    "PhantomPlan",
    "Prediction",
    "Predictor",
    "Preparation",
    "Recipe",
    "Record",
    "Run",
    "Scan",
    "Slice",
    "Split",
    "Table",
    "__version__",
    "audit",
    "backbones",
    "compare",
    "crossval",
    "evaluate",
    "explain",
    "load_model",
    "load_recipe",
    "methods",
    "predict",
    "predict_files",
    "read",
    "read_table",
    "recipes",
    "scan",
    "split",
    "train",
    "write_phantoms",
]

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
