"""Fold frozen batch norms into their convolutions, to train a partly frozen backbone faster."""

from __future__ import annotations

import copy
import math
from itertools import pairwise

import torch
from timm.layers.norm_act import BatchNormAct2d
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

__all__ = ["fuse_frozen_batchnorm"]

_NORMS = (nn.BatchNorm2d, BatchNormAct2d)  # not their subclasses, which may do more than normalise
_TOLERANCE = 1e-3  # of the largest value of a map


def fuse_frozen_batchnorm(body: nn.Module, *, channels: int, side: int) -> nn.Module:
    """Return a network with the same output as ``body``, its frozen batch norms folded into their convolutions.

    A frozen batch norm in inference mode can be folded if it directly follows its convolution (Jacob et al.,
    "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference", 2018, 3.2). Trained
    modules are shared with ``body``, so that training one trains the other; frozen ones are copied. The maps of both
    networks are compared on one picture of ``channels`` and ``side``; if they differ, a norm does not follow its
    convolution, and ``body`` is returned unchanged.
    """
    trained = [module for module in body.modules() if any(p.requires_grad for p in module.parameters(recurse=False))]
    result: nn.Module = copy.deepcopy(body, {id(module): module for module in trained})
    for module in list(result.modules()):
        _fold_children(module)
    return result if _same(body, result, (1, channels, side, side)) else body


def _fold_children(module: nn.Module) -> None:
    for (name, first), (other, second) in pairwise(list(module.named_children())):
        if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d) and type(second) in _NORMS:
            if any(parameter.requires_grad for each in (first, second) for parameter in each.parameters()):
                continue
            folded = fuse_conv_bn_eval(first.eval(), second.eval())
            folded.requires_grad_(False)
            setattr(module, name, folded)
            setattr(module, other, _after_norm(second))


def _after_norm(norm: nn.Module) -> nn.Module:
    """Return the activation that timm's norm layers contain, else the identity."""
    return norm.act if isinstance(norm, BatchNormAct2d) else nn.Identity()


def _same(body: nn.Module, result: nn.Module, shape: tuple[int, ...]) -> bool:
    parameter = next(body.parameters())
    picture = torch.linspace(-2, 2, math.prod(shape)).view(shape).to(parameter)
    states = [(module, module.training) for each in (body, result) for module in each.modules()]
    with torch.no_grad():
        before, after = body.eval()(picture), result.eval()(picture)
    for module, training in states:
        module.training = training
    return all(
        float((a - b).abs().max()) <= _TOLERANCE * float(a.abs().max()) for a, b in zip(before, after, strict=True)
    )
