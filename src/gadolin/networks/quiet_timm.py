"""timm, imported without a warning of tqdm, which it brings.

In a notebook without ipywidgets, tqdm warns that it cannot draw its bars; Gadolin shows none of them.
"""

from __future__ import annotations

import warnings

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", message="IProgress not found")
    import timm
    from timm.models import PretrainedCfg

__all__ = ["PretrainedCfg", "timm"]
