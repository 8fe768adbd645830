"""Why a model says what it says: heat on the pixels of a slice, by one of several methods."""

from gadolin.explanations.explain import explain, explain_subject
from gadolin.explanations.explanation import Explanation
from gadolin.explanations.options import Options
from gadolin.explanations.registry import METHODS, Method
from gadolin.explanations.subject import Subject, onto_slice

__all__ = ["METHODS", "Explanation", "Method", "Options", "Subject", "explain", "explain_subject", "onto_slice"]
