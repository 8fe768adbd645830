"""Explanations: scores against outlines, sanity checks, and comparisons with other packages."""
