"""Gadolin: brain MRI slices in, a verdict and its trustworthiness out. Research only."""
