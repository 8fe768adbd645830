"""Whether grey levels survive single precision, in which every slice is kept."""

from __future__ import annotations

from typing import Final

import numpy as np

from gadolin.errors import ReadError

__all__ = ["require_levels"]

_LEVELS: Final = 256  # that a picture should have at least between its darkest and its brightest


def require_levels(low: float, high: float) -> None:
    """Raise ReadError where values from ``low`` to ``high`` lie so close that float32 cannot tell them apart."""
    if not high > low or not np.isfinite((low, high)).all():
        return
    with np.errstate(all="ignore"):
        step = float(np.spacing(np.float32(max(abs(low), abs(high)))))
    if high - low < _LEVELS * step:
        raise ReadError(
            code="values_too_close",
            rule=f"a picture must have {_LEVELS} grey levels that float32 can distinguish",
            got=f"its values lie between {low:.9g} and {high:.9g}",
            remedy="subtract their offset or scale them",
        )
