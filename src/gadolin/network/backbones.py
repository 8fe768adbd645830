"""Feature extractors: each turns (N, C, s, s) into maps of features (N, F, h, w)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import timm
from torch import nn

from gadolin.errors import RecipeError, suggestion
from gadolin.network.compact import WIDTHS, CompactResNet

__all__ = ["BACKBONES", "Backbone", "backbone", "last_stage"]

_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True, slots=True)
class Backbone:
    """A feature extractor and what it expects: channels, statistics, and where its ImageNet weights come from.

    ``features`` are the channels of the maps at strides 4, 8, 16 and 32; ``trainable_tail`` names the module
    prefixes that stay trainable when a recipe freezes the rest.
    """

    build: Callable[[], nn.Module]
    features: tuple[int, int, int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    imagenet: str | None
    trainable_tail: tuple[str, ...]


def _resnet50() -> nn.Module:
    return timm.create_model("resnet50.tv_in1k", pretrained=False, num_classes=0, global_pool="")


BACKBONES = {
    "resnet50": Backbone(
        _resnet50,
        (256, 512, 1024, 2048),
        _IMAGENET_MEAN,
        _IMAGENET_STD,
        "resnet50.tv_in1k",
        ("layer4.1.", "layer4.2."),
    ),
    "compact": Backbone(CompactResNet, WIDTHS, (0.19,), (0.21,), None, ("stages.3.",)),
}


def backbone(name: str) -> Backbone:
    """Return a backbone by name; raises RecipeError with a suggestion where there is none."""
    if name not in BACKBONES:
        known = ", ".join(sorted(BACKBONES))
        raise RecipeError(
            code="backbone_unknown",
            rule=f"network.backbone must be one of {known}",
            got=f"got {name!r}{suggestion(name, BACKBONES)}",
        )
    return BACKBONES[name]


def last_stage(body: nn.Module) -> nn.Module:
    """Return the module whose output is the last map of a backbone's body."""
    if isinstance(body, CompactResNet):
        return body.stages[-1]
    stage = body.layer4
    assert isinstance(stage, nn.Module), "timm's ResNets end in layer4"
    return stage
