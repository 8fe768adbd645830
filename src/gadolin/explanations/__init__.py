"""Why a model says what it says: heat on the pixels of a slice, by one of several methods."""

from gadolin.explanations.explanation import Explanation
from gadolin.explanations.methods import METHODS
from gadolin.explanations.options import Options
from gadolin.explanations.run import explain, explain_subject

__all__ = ["METHODS", "Explanation", "Options", "explain", "explain_subject"]
