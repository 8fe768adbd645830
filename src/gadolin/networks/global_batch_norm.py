"""Batch norm that is synchronised over several training processes.

torch's SyncBatchNorm rejects tensors on a CPU; this one works on every device.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from timm.layers.norm_act import BatchNormAct2d
from torch import Tensor, distributed, nn
from torch.nn.modules.batchnorm import _BatchNorm

from gadolin.errors import RecipeError

__all__ = ["GlobalBatchNorm2d", "GlobalBatchNormAct2d", "global_batch_norm"]


class GlobalBatchNorm2d(nn.BatchNorm2d):
    """Batch norm that trains with the mean and variance over the slices of all processes, on any device."""

    def forward(self, maps: Tensor) -> Tensor:
        """Return normalised maps (n, C, h, w); all processes must call this together."""
        return _normalised(self, maps) if self.training else super().forward(maps)


class GlobalBatchNormAct2d(BatchNormAct2d):
    """The same for timm's batch norm with an activation."""

    def forward(self, maps: Tensor) -> Tensor:
        """Return normalised and activated maps (n, C, h, w); all processes must call this together."""
        if not self.training:
            return super().forward(maps)  # type: ignore[no-any-return, no-untyped-call]  # timm is untyped
        return self.act(self.drop(_normalised(self, maps)))  # type: ignore[no-any-return]


_GLOBAL: dict[type[_BatchNorm], type[_BatchNorm]] = {
    nn.BatchNorm2d: GlobalBatchNorm2d,
    BatchNormAct2d: GlobalBatchNormAct2d,
}


def _normalised(norm: nn.BatchNorm2d, maps: Tensor) -> Tensor:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    assert norm.num_batches_tracked is not None
    assert norm.momentum is not None
    out, mean, variance, count = _Normalise.apply(maps, norm.weight, norm.bias, norm.eps)
    with torch.no_grad():
        norm.num_batches_tracked.add_(1)
        norm.running_mean.lerp_(mean, norm.momentum)
        norm.running_var.lerp_(variance * (count / (count - 1)), norm.momentum)
    return out  # type: ignore[no-any-return]  # autograd functions are untyped


class _Normalise(torch.autograd.Function):
    """Normalise by the statistics of all processes; one collective forward, one back."""

    @staticmethod
    def forward(
        ctx: Any, maps: Tensor, weight: Tensor, bias: Tensor, eps: float
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        local_variance, local_mean = torch.var_mean(maps.float(), dim=(0, 2, 3), correction=0)
        local_count = local_mean.new_full((1,), maps.numel() // maps.shape[1])
        local = torch.cat([local_mean, local_variance, local_count])
        gathered = [torch.empty_like(local) for _ in range(distributed.get_world_size())]
        distributed.all_gather(gathered, local)
        rows = torch.stack(gathered)
        channels = maps.shape[1]
        means, variances, counts = rows[:, :channels], rows[:, channels:-1], rows[:, -1:]
        count = counts.sum()
        mean = (counts * means).sum(dim=0) / count
        variance = (counts * (variances + (means - mean) ** 2)).sum(dim=0) / count
        out = F.batch_norm(maps, mean, variance, weight, bias, False, 0.0, eps)
        ctx.save_for_backward(maps, weight, mean, torch.rsqrt(variance + eps), count)
        ctx.mark_non_differentiable(mean, variance, count)
        return out, mean, variance, count

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> tuple[Tensor, Tensor, Tensor, None]:
        maps, weight, mean, scale, count = ctx.saved_tensors
        gradient = gradients[0].float()
        wide = (1, -1, 1, 1)
        normal = (maps.float() - mean.view(wide)) * scale.view(wide)
        bias_gradient = gradient.sum(dim=(0, 2, 3))
        weight_gradient = (gradient * normal).sum(dim=(0, 2, 3))
        sums = torch.stack([bias_gradient, weight_gradient])
        distributed.all_reduce(sums)
        shift, slope = (sums / count).unbind(0)
        maps_gradient = (gradient - shift.view(wide) - normal * slope.view(wide)) * (weight * scale).view(wide)
        return maps_gradient.to(maps.dtype), weight_gradient, bias_gradient, None


@contextmanager
def global_batch_norm(network: nn.Module, world_size: int) -> Iterator[None]:
    """Synchronise the batch norms of ``network`` over all processes inside the block."""
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm)] if world_size > 1 else []
    before = [type(norm) for norm in norms]
    for kind in before:
        if kind not in _GLOBAL:
            raise RecipeError(
                code="norm_not_synchronised",
                rule="training with several processes needs batch norms of torch or timm",
                got=f"the backbone has a {kind.__name__}",
                remedy="train with one process, or set another network.backbone",
            )
    for norm in norms:
        norm.__class__ = _GLOBAL[type(norm)]
    try:
        yield
    finally:
        for norm, kind in zip(norms, before, strict=True):
            norm.__class__ = kind
