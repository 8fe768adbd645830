"""Synthetic brain MRI slices with true outlines, drawn by rule: for the demo, the tests and the docs."""

from __future__ import annotations

from gadolin.phantom.faults import FAULTS
from gadolin.phantom.patient import CLASSES, Phantom, draw_patient
from gadolin.phantom.write import PhantomPlan, write_phantoms

__all__ = ["CLASSES", "FAULTS", "Phantom", "PhantomPlan", "draw_patient", "write_phantoms"]
