"""Augmentation of training slices."""
