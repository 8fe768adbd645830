"""The explanation methods, one line each. The module of a method is imported at its first use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from gadolin.errors import RequestError, suggestion
from gadolin.explanations.explained_slice import ExplainedSlice, Heat
from gadolin.explanations.options import Options
from gadolin.registry import Registry

__all__ = ["METHODS", "Explain", "Method", "method", "methods"]

Explain = Callable[[ExplainedSlice, Options], tuple[Heat, int]]
"""From a slice and options to heat (H, W) float32 on the pixels of the slice, and the number of model evaluations.

Heat above 0 is evidence for the class, below 0 against it. The same arguments give the same heat.
"""


@dataclass(frozen=True, slots=True)
class Method:
    """A method that explains a prediction.

    ``explain`` is the function, or its address "module:attribute", which is imported at the first use.
    ``torch``: it needs torch and a run folder. ``often``: it runs the model many times for a slice.
    ``marked`` is the fraction of a map's maximum, in [0, 1], above which a pixel counts as marked for the score
    ``iou``.
    """

    explain: Explain | str
    torch: bool = False
    often: bool = False
    marked: float = 0.5

    def load(self) -> Explain:
        """Return the function; raises ImportError if its module cannot be imported."""
        if not isinstance(self.explain, str):
            return self.explain
        module, _, name = self.explain.partition(":")
        explain: Explain = getattr(import_module(module), name)
        return explain


def _unknown(name: str, known: tuple[str, ...]) -> RequestError:
    return RequestError(
        code="method_unknown",
        rule=f"the method must be one of {', '.join(known)}",
        got=f"got {name!r}{suggestion(name, known)}",
    )


_HERE = "gadolin.explanations.methods"
METHODS: Registry[Method] = Registry(
    "gadolin.methods",
    "a gadolin.explanations.Method",
    lambda one: isinstance(one, Method),
    _unknown,
    {
        "evidence": Method(f"{_HERE}.evidence:evidence", marked=0.1),
        "gradcam": Method(f"{_HERE}.gradients:gradcam", torch=True, marked=0.1),
        "integrated-gradients": Method(f"{_HERE}.gradients:integrated_gradients", torch=True, marked=0.1),
        "occlusion": Method(f"{_HERE}.gradients:occlusion", torch=True, often=True),
        "lime": Method(f"{_HERE}.perturbation:lime", often=True, marked=0.7),
        "shap": Method(f"{_HERE}.perturbation:shap", often=True, marked=0.8),
    },
)
"""The methods by name."""


def method(name: str) -> Method:
    """Return a method by name; raises RequestError with a suggestion if it is unknown."""
    return METHODS.get(name)


def methods() -> tuple[str, ...]:
    """Return the names of the methods, Gadolin's first, then those of plug-ins."""
    return METHODS.names()
