"""Synthetic brain MRI slices with true outlines, drawn by rule: for the demo, the tests and the documentation."""

from __future__ import annotations

from gadolin.phantom.patient import CLASSES, Phantom, draw_patient

__all__ = ["CLASSES", "Phantom", "draw_patient"]
