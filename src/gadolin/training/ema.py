"""Exponential moving average (EMA) of the weights, which is validated and exported instead of the trained weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["ema_decay", "start_ema", "update_ema"]


def start_ema(network: nn.Module) -> dict[str, Tensor]:
    """Return the average before the first step, a copy of the network's state."""
    return {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}


def ema_decay(decay: float, step: int) -> float:
    """Return the decay at a step, in [0, 1): smaller at the start, so that the average forgets the initial weights."""
    return min(decay, (1 + step) / (10 + step))


def update_ema(average: dict[str, Tensor], network: nn.Module, decay: float) -> None:
    """Move the average towards the network's state in place; an empty average stays empty."""
    if not average:
        return
    with torch.no_grad():
        state = network.state_dict()
        floating = [name for name, tensor in average.items() if tensor.is_floating_point()]
        torch._foreach_lerp_([average[n] for n in floating], [state[n] for n in floating], 1 - decay)
        for name in average.keys() - set(floating):
            average[name].copy_(state[name])
