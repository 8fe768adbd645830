"""The machine settings of training: device, precision, seed, micro-batches per step. Imports torch lazily."""

from __future__ import annotations

import inspect
import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

from gadolin.errors import RequestError, suggestion

if TYPE_CHECKING:
    from lightning_fabric import Fabric
    from lightning_fabric.strategies.ddp import DDPStrategy

__all__ = ["Machine", "is_available"]

_PRECISIONS = ("auto", "float32", "bfloat16")
_DEVICES = ("auto", "cpu", "cuda", "mps")
_SEEDS = 2**32
_PATIENCE = timedelta(days=7)  # other ranks wait while rank 0 prepares slices and evaluates


@dataclass(frozen=True, slots=True)
class Machine:
    """The device, precision, seed and gradient accumulation of a training.

    ``device`` is auto, cpu, cuda or mps; ``seed`` is in [0, 2**32).
    ``precision`` is float32, bfloat16, or auto, which uses bfloat16 if the processor supports it natively.
    ``accumulate``, 1 or more, is the number of micro-batches into which a process splits its share of each batch. Their
    gradients are accumulated before the weights change, so a larger number needs less memory at the same
    ``batch_size``.
    """

    device: str = "auto"
    precision: str = "auto"
    seed: int = 0
    accumulate: int = 1

    def __post_init__(self) -> None:
        """Refuse unknown or missing devices, unknown precisions, and numbers out of range."""
        for key, value, known in (
            ("device", self.device, _DEVICES),
            ("precision", self.precision, _PRECISIONS),
        ):
            if value not in known:
                raise RequestError(
                    code="option_unknown",
                    rule=f"{key} must be one of {', '.join(known)}",
                    got=f"got {value!r}{suggestion(value, known)}",
                )
        if not 0 <= self.seed < _SEEDS:
            raise RequestError(
                code="seed_out_of_range",
                rule=f"seed must be between 0 and {_SEEDS - 1}",
                got=f"got {self.seed}",
                remedy="0 is the usual choice",
            )
        if self.accumulate < 1:
            raise RequestError(
                code="accumulate_out_of_range",
                rule="accumulate must be 1 or more micro-batches per step",
                got=f"got {self.accumulate}",
                remedy="1 is the usual choice",
            )
        if not is_available(self.device):
            raise RequestError(
                code="device_not_found",
                rule="the device must be available",
                got=f"torch finds no {self.device} on this machine",
                remedy="use auto or cpu",
            )

    @property
    def bfloat16(self) -> bool:
        """Whether training computes in bfloat16."""
        if self.precision != "auto":
            return self.precision == "bfloat16"
        import torch

        if self.device in ("auto", "cuda") and torch.cuda.is_available():
            return bool(torch.cuda.is_bf16_supported())
        return self.device in ("auto", "cpu") and bool(torch.cpu.get_capabilities().get("avx512_bf16", False))

    def fabric(self) -> Fabric:
        """Return Fabric set up for this machine, connected to the other processes if torchrun started several.

        Raises RequestError if there are more processes than GPUs.
        """
        import torch
        from lightning_fabric import Fabric
        from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment

        from gadolin.training.processes import leave_group_at_exit, process_counts

        precision: Literal["bf16-mixed", "32-true"] = "bf16-mixed" if self.bfloat16 else "32-true"
        logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # it logs its precision
        total, local = process_counts()
        if total == 1:
            return Fabric(accelerator=self.device, devices=1, precision=precision)
        gpus = torch.cuda.device_count() if self.device in ("auto", "cuda") else 0
        if self.device == "mps" or 0 < gpus < local:
            raise RequestError(
                code="too_few_gpus",
                rule="each process needs a separate GPU",
                got=f"got {local} processes for {gpus or 1}",
                remedy="give torchrun fewer with --nproc-per-node, or gadolin --device cpu",
            )
        fabric = Fabric(
            accelerator="cuda" if gpus else "cpu",
            devices=local,
            num_nodes=total // local,
            strategy=_strategy(),
            precision=precision,
            plugins=[TorchElasticEnvironment()],
        )
        fabric.launch()
        leave_group_at_exit()
        return fabric


def is_available(device: str) -> bool:
    """Return whether torch can use this device; auto and cpu always."""
    if device not in ("cuda", "mps"):
        return True
    import torch

    return bool(torch.cuda.is_available() if device == "cuda" else torch.backends.mps.is_available())


def _strategy() -> DDPStrategy:
    """Return the strategy that averages gradients; synchronised batch norm keeps the buffers equal already."""
    from lightning_fabric.strategies.ddp import DDPStrategy
    from torch.nn.parallel import DistributedDataParallel

    known = inspect.signature(DistributedDataParallel).parameters
    buffers = "forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers"
    options: dict[str, Any] = {buffers: False}
    return DDPStrategy(timeout=_PATIENCE, **options)
