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
    from gadolin.datasets import Scan, scan
    from gadolin.errors import GadolinError
    from gadolin.explanations import Explanation, explain
    from gadolin.explanations.registry import methods
    from gadolin.metrics.comparison import Comparison
    from gadolin.metrics.table import Table, read_table
    from gadolin.models.bundle import Bundle
    from gadolin.models.predictor import Predictor
    from gadolin.networks.backbones import backbones
    from gadolin.phantoms import PhantomPlan, write_phantoms
    from gadolin.preprocessing.prepare import Preparation
    from gadolin.readers import read
    from gadolin.recipe import Recipe, load_recipe, recipes
    from gadolin.records import Failure, Finding, Prediction, Record, Slice
    from gadolin.reports.audit import Audit
    from gadolin.reports.evaluation import Evaluation
    from gadolin.workflows.audit import audit
    from gadolin.workflows.compare import compare
    from gadolin.workflows.crossval import CrossValidation, crossval
    from gadolin.workflows.evaluate import evaluate
    from gadolin.workflows.predict import load_model, predict
    from gadolin.workflows.predict_files import predict_files
    from gadolin.workflows.split import Split, split
    from gadolin.workflows.train import Run, train

_HOMES = {
    "Audit": "reports.audit",
    "Bundle": "models.bundle",
    "Comparison": "metrics.comparison",
    "CrossValidation": "workflows.crossval",
    "Evaluation": "reports.evaluation",
    "Explanation": "explanations",
    "Failure": "records",
    "Finding": "records",
    "GadolinError": "errors",
    "PhantomPlan": "phantoms",
    "Prediction": "records",
    "Predictor": "models.predictor",
    "Preparation": "preprocessing.prepare",
    "Recipe": "recipe",
    "Record": "records",
    "Run": "workflows.train",
    "Scan": "datasets",
    "Slice": "records",
    "Split": "workflows.split",
    "Table": "metrics.table",
    "audit": "workflows.audit",
    "backbones": "networks.backbones",
    "compare": "workflows.compare",
    "crossval": "workflows.crossval",
    "evaluate": "workflows.evaluate",
    "explain": "explanations",
    "load_model": "workflows.predict",
    "load_recipe": "recipe",
    "methods": "explanations.registry",
    "predict": "workflows.predict",
    "predict_files": "workflows.predict_files",
    "read": "readers",
    "read_table": "metrics.table",
    "recipes": "recipe",
    "scan": "datasets",
    "split": "workflows.split",
    "train": "workflows.train",
    "write_phantoms": "phantoms",
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
