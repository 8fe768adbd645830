"""A frozen trunk in training: its convolutions and their batch norms do not change, so they are folded into one."""

from __future__ import annotations

import copy
from itertools import pairwise

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

__all__ = ["folded"]


def folded(body: nn.Module) -> nn.Module:
    """Return a network that computes what ``body`` does, with frozen batch norms folded into their convolutions.

    A frozen batch norm, in inference mode, follows its convolution directly (Jacob et al., "Quantization and Training
    of Neural Networks for Efficient Integer-Arithmetic-Only Inference", 2018, 3.2). Modules that are trained are shared
    with ``body``, so that training one trains the other; the frozen ones are copies.
    """
    learned = [module for module in body.modules() if any(p.requires_grad for p in module.parameters(recurse=False))]
    result: nn.Module = copy.deepcopy(body, {id(module): module for module in learned})
    for module in list(result.modules()):
        _fold_children(module)
    return result


def _fold_children(module: nn.Module) -> None:
    children = list(module.named_children())
    for (name, first), (other, second) in pairwise(children):
        if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d) and not _learned(first, second):
            folded_one = fuse_conv_bn_eval(first.eval(), second.eval())
            folded_one.requires_grad_(False)
            setattr(module, name, folded_one)
            setattr(module, other, nn.Identity())


def _learned(*modules: nn.Module) -> bool:
    return any(parameter.requires_grad for module in modules for parameter in module.parameters())
