"""Explanations of predictions: heat maps on the pixels of a slice, by several methods."""

from gadolin.explanations.explain import explain, explain_prepared
from gadolin.explanations.explained_slice import ExplainedSlice, onto_slice
from gadolin.explanations.explanation import Explanation
from gadolin.explanations.options import Options
from gadolin.explanations.registry import METHODS, Method

__all__ = ["METHODS", "ExplainedSlice", "Explanation", "Method", "Options", "explain", "explain_prepared", "onto_slice"]
