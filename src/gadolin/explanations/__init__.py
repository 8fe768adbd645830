"""Why a model says what it says: heat on the pixels of a slice, by one of several methods."""

from gadolin.explanations.explain import explain, explain_prepared
from gadolin.explanations.explained_slice import ExplainedSlice, onto_slice
from gadolin.explanations.explanation import Explanation
from gadolin.explanations.options import Options
from gadolin.explanations.registry import METHODS, Method

__all__ = ["METHODS", "ExplainedSlice", "Explanation", "Method", "Options", "explain", "explain_prepared", "onto_slice"]
