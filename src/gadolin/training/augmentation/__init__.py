"""Random changes to training slices."""
