"""UIDs that are derived from what an object is made of, so that the same input gives the same object."""

from __future__ import annotations

import hashlib
import uuid

from pydicom.uid import UID

__all__ = ["derived_uid"]

_NAMESPACE = uuid.UUID("6f0b6a0e-2d0a-5c53-9d2e-3b1f0c4a7e11")  # of Gadolin; chosen at random once


def derived_uid(*parts: str) -> UID:
    """Return a UID of the form 2.25.<UUID> (PS3.5, B.2); equal parts give the same UID."""
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()
    return UID(f"2.25.{uuid.uuid5(_NAMESPACE, digest).int}")
