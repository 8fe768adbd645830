"""The methods: one line each. Where a method lives is imported when it is first used."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import NamedTuple

from gadolin.errors import RequestError, suggestion
from gadolin.explanations.options import Options
from gadolin.explanations.subject import Heat, Subject

__all__ = ["METHODS", "Method", "method"]

Explain = Callable[[Subject, Options], tuple[Heat, int]]


class Method(NamedTuple):
    """Where a method lives in ``gadolin.explanations``; whether it needs torch and a run's weights, and asks often."""

    home: str
    torch: bool = False
    often: bool = False

    def load(self) -> Explain:
        """Return the function from a subject and options to heat (H, W) and the number of samples."""
        module, _, name = self.home.partition(":")
        explain: Explain = getattr(import_module(f"gadolin.explanations.{module}"), name)
        return explain


METHODS = {
    "evidence": Method("evidence:evidence"),
    "gradcam": Method("gradients:gradcam", torch=True),
    "integrated-gradients": Method("gradients:integrated_gradients", torch=True),
    "occlusion": Method("gradients:occlusion", torch=True, often=True),
    "lime": Method("perturbation:lime", often=True),
    "shap": Method("perturbation:shap", often=True),
}


def method(name: str) -> Method:
    """Return a method by name; raises RequestError with a suggestion where there is none."""
    if name not in METHODS:
        raise RequestError(
            code="method_unknown",
            rule=f"the method must be one of {', '.join(METHODS)}",
            got=f"got {name!r}{suggestion(name, METHODS)}",
        )
    return METHODS[name]
