"""Phantoms: synthetic brain MRI slices with exact outlines, for the demo, the tests and the docs."""

from __future__ import annotations

from gadolin.phantoms.faults import FAULTS
from gadolin.phantoms.patient import CLASSES, Phantom, draw_patient
from gadolin.phantoms.write import PhantomPlan, write_phantoms

__all__ = ["CLASSES", "FAULTS", "Phantom", "PhantomPlan", "draw_patient", "write_phantoms"]
