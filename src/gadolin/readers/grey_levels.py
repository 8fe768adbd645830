"""Check that grey levels survive float32, the pixel type of every slice."""

from __future__ import annotations

from typing import Final

import numpy as np

from gadolin.errors import ReadError

__all__ = ["require_levels"]

_LEVELS: Final = 256  # least number between the darkest and the brightest value


def require_levels(low: float, high: float) -> None:
    """Raise ReadError if float32 cannot distinguish enough values from ``low`` to ``high``."""
    if not high > low or not np.isfinite((low, high)).all():
        return
    with np.errstate(all="ignore"):
        step = float(np.spacing(np.float32(max(abs(low), abs(high)))))
    if high - low < _LEVELS * step:
        raise ReadError(
            code="values_too_close",
            rule=f"an image must have {_LEVELS} grey levels that float32 can distinguish",
            got=f"its values range from {low:.9g} to {high:.9g}",
            remedy="subtract the offset or rescale",
        )
