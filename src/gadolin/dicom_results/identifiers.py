"""UIDs: whether one is valid, and those of results, which are derived from what an object is made of."""

from __future__ import annotations

import hashlib
import re
import uuid
from typing import Final

from pydicom.uid import RE_VALID_UID, UID

__all__ = ["derived_uid", "is_uid"]

_NAMESPACE = uuid.UUID("6f0b6a0e-2d0a-5c53-9d2e-3b1f0c4a7e11")  # of Gadolin; chosen at random once
_LONGEST: Final = 64  # characters (PS3.5, 9.1)


def is_uid(text: str) -> bool:
    """Return whether a text is a valid UID."""
    return len(text) <= _LONGEST and re.fullmatch(RE_VALID_UID, text) is not None


def derived_uid(*parts: str) -> UID:
    """Return a UID of the form 2.25.<UUID> (PS3.5, B.2); equal parts give the same UID."""
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()
    return UID(f"2.25.{uuid.uuid5(_NAMESPACE, digest).int}")
