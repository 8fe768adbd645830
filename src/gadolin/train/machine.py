"""Where a network is trained: device, precision, seed."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from lightning_fabric import Fabric

from gadolin.errors import RequestError, suggestion

__all__ = ["Machine"]

_PRECISIONS = ("auto", "float32", "bfloat16")
_DEVICES = ("auto", "cpu", "cuda", "mps")
_SEEDS = 2**32


@dataclass(frozen=True, slots=True)
class Machine:
    """Where and how a network is trained.

    ``device`` is auto, cpu, cuda or mps; ``seed`` lies in [0, 2**32).
    ``precision`` is float32, bfloat16, or auto, which takes bfloat16 where the processor itself computes in it.
    """

    device: str = "auto"
    precision: str = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what is no device, precision or seed, and a device that is not there."""
        for key, value, known in (
            ("device", self.device, _DEVICES),
            ("precision", self.precision, _PRECISIONS),
        ):
            if value not in known:
                msg = f"{key} must be one of {', '.join(known)}, got {value!r}{suggestion(value, known)}"
                raise RequestError(msg)
        if not 0 <= self.seed < _SEEDS:
            msg = f"seed must lie in 0 to {_SEEDS - 1}, got {self.seed}; 0 is the usual choice"
            raise RequestError(msg)
        there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
        if not there.get(self.device, True):
            msg = f"the device must be there, torch sees no {self.device} on this machine; use auto or cpu"
            raise RequestError(msg)

    @property
    def bfloat16(self) -> bool:
        """Whether training computes in bfloat16."""
        if self.precision != "auto":
            return self.precision == "bfloat16"
        if self.device in ("auto", "cuda") and torch.cuda.is_available():
            return bool(torch.cuda.is_bf16_supported())
        return self.device in ("auto", "cpu") and bool(torch.cpu.get_capabilities().get("avx512_bf16", False))

    def fabric(self) -> Fabric:
        """Return Fabric set up for this machine."""
        return Fabric(accelerator=self.device, devices=1, precision="bf16-mixed" if self.bfloat16 else "32-true")
