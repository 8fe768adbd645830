"""Feature extractors: each turns (N, C, s, s) into feature maps, finest first.

``compact`` is Gadolin's own; every other name is a timm model, built with ``features_only``.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import torch
from torch import nn

from gadolin.errors import RecipeError, suggestion
from gadolin.networks.compact import WIDTHS, CompactResNet
from gadolin.networks.quiet_timm import PretrainedCfg, timm
from gadolin.registry import Registry

__all__ = [
    "BACKBONES",
    "DECODER_STRIDES",
    "STAGES",
    "Backbone",
    "backbone",
    "backbones",
    "freeze_stages",
    "require_backbone",
]

STAGES = 4
DECODER_STRIDES = (4, 8, 16, 32)
_TV_RESNET50 = "resnet50.tv_in1k"
_BYTE_STATISTICS = ((127 / 255,) * 3, (128 / 255,) * 3)  # (x - 127) / 128 of 8-bit values
_STATISTICS = {f"tf_efficientnet_lite{size}": _BYTE_STATISTICS for size in range(3)}
_HUB_NAMES = {"resnet50": _TV_RESNET50}


@dataclass(frozen=True, slots=True)
class Backbone:
    """A feature extractor and its properties.

    ``build`` takes a side s and returns an untrained module from normalised slices (N, C, s, s) float32 to a list of
    maps (N, F, h, w), finest first; ``features`` and ``strides`` are their channels and strides, ``stages`` the names
    of the modules that output them. ``mean`` and ``std`` (C,) are the statistics of its ImageNet weights, ``hub_name``
    is the name of these weights on the hub, or None; ``levels`` are the indices of the maps among the outputs of the
    timm model. ``fixed_size``: it accepts only one input size.
    """

    name: str
    build: Callable[[int], nn.Module]
    features: tuple[int, ...]
    strides: tuple[int, ...]
    stages: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    hub_name: str | None = None
    levels: tuple[int, ...] = ()
    fixed_size: bool = False


def _unknown(name: str, known: tuple[str, ...]) -> RecipeError:
    return RecipeError(
        code="backbone_unknown",
        rule=f"network.backbone must be {', '.join(known)} or the name of a timm model with feature maps",
        got=f"got {name!r}{suggestion(name, [*known, *timm.list_models()])}",
    )


BACKBONES: Registry[Backbone] = Registry(
    "gadolin.backbones",
    "a gadolin.networks.Backbone",
    lambda one: isinstance(one, Backbone),
    _unknown,
    {
        "compact": Backbone(
            name="compact",
            build=lambda _side: CompactResNet(),
            features=WIDTHS,
            strides=DECODER_STRIDES,
            stages=tuple(f"stages.{number}" for number in range(STAGES)),
            mean=(0.19,),
            std=(0.21,),
            hub_name=None,
        )
    },
    reserved=timm.is_model,
)
"""Gadolin's own backbones and those of plug-ins; every other name is a timm model."""


def backbones(pattern: str = "*") -> tuple[str, ...]:
    """Return the names of backbones that match a pattern such as "convnext*".

    Those of BACKBONES come first, then timm's in alphabetical order. Some timm models give no feature maps; a recipe
    with one of these raises RecipeError when it is trained.
    """
    return (*fnmatch.filter(BACKBONES.names(), pattern), *fnmatch.filter(sorted(timm.list_models()), pattern))


def require_backbone(name: str) -> None:
    """Raise RecipeError if no backbone has this name, PluginError if its plug-in is broken; builds nothing."""
    if not timm.is_model(name):
        BACKBONES.get(name)


def backbone(name: str) -> Backbone:
    """Return a backbone by name.

    Raises RecipeError if it does not exist or gives no feature maps, PluginError if its plug-in cannot be imported or
    is not a Backbone.
    """
    if name in BACKBONES.built_in:
        return BACKBONES.get(name)
    if timm.is_model(name):
        return _of_timm(name)
    kind = BACKBONES.get(name)
    return replace(kind, build=lambda side: _checked(kind, side, lambda: kind.build(side)))


@cache
def _of_timm(name: str) -> Backbone:
    try:
        with torch.device("meta"):  # shapes without memory
            info: Any = timm.create_model(name, pretrained=False, features_only=True).feature_info
        levels = _levels(tuple(info.reduction()))
        settings = timm.get_pretrained_cfg(_HUB_NAMES.get(name, name)) or PretrainedCfg()
    except Exception as error:
        raise RecipeError(
            code="backbone_without_feature_maps",
            rule="a backbone must give feature maps",
            got=f"timm's {name} does not ({' '.join(str(error).split())[:160]})",
            remedy="choose one that timm builds with features_only, such as resnet18",
        ) from error
    mean, std = _STATISTICS.get(name, (tuple(settings.mean), tuple(settings.std)))
    kind = Backbone(
        name=name,
        build=lambda side: _built(kind, side),
        features=tuple(info.channels()[level] for level in levels),
        strides=tuple(info.reduction()[level] for level in levels),
        stages=tuple(info.module_name()[level] for level in levels),
        mean=mean,
        std=std,
        hub_name=_hub_name(name, settings),
        levels=levels,
        fixed_size=settings.fixed_input_size,
    )
    return kind


def _built(kind: Backbone, side: int) -> nn.Module:
    sized: dict[str, Any] = {"img_size": side} if kind.fixed_size else {}
    return _checked(
        kind,
        side,
        lambda: timm.create_model(kind.name, pretrained=False, features_only=True, out_indices=kind.levels, **sized),
    )


def _checked(kind: Backbone, side: int, make: Callable[[], Any]) -> nn.Module:
    """Return the module that ``make`` builds, after checking its maps for a slice of ``side`` pixels."""
    try:
        body: nn.Module = make()
        training = body.training
        with torch.no_grad():
            maps = body.eval()(torch.zeros(1, len(kind.mean), side, side))
        body.train(training)
        shapes = [tuple(each.shape[1:]) for each in maps]
    except Exception as error:
        provider = BACKBONES.provider(kind.name) or "timm"
        raise _unfit(kind, side, f"{provider} raises {' '.join(str(error).split())[:160]}") from error
    expected = [
        (count, side // stride, side // stride) for count, stride in zip(kind.features, kind.strides, strict=True)
    ]
    if shapes != expected:
        raise _unfit(kind, side, f"it gives maps of {shapes}, not {expected}")
    return body


def _unfit(kind: Backbone, side: int, got: str) -> RecipeError:
    return RecipeError(
        code="backbone_without_feature_maps",
        rule=f"network.backbone={kind.name} must give feature maps (N, F, h, w) for slices of {side} pixels",
        got=got,
        remedy="choose another network.input_size, or another backbone such as resnet18",
    )


def _levels(strides: tuple[int, ...]) -> tuple[int, ...]:
    """Return the last level of each stride from 4 to 32, or only the last level if a stride is missing."""
    places = {stride: level for level, stride in enumerate(strides)}
    if all(stride in places for stride in DECODER_STRIDES):
        return tuple(places[stride] for stride in DECODER_STRIDES)
    return (-1,)


def _hub_name(name: str, settings: PretrainedCfg) -> str | None:
    if name in _HUB_NAMES:
        return _HUB_NAMES[name]
    if not settings.has_weights:
        return None
    return f"{name}.{settings.tag}" if settings.tag and "." not in name else name


def freeze_stages(body: nn.Module, kind: Backbone, stages: int, blocks: int = 0) -> None:
    """Freeze the stem, the first ``stages`` of a backbone, and the first ``blocks`` of the next stage.

    A stage ends with the module that outputs its map; parameters are registered in the order of use.
    """
    if not stages and not blocks:
        return
    names = [name for name, _ in body.named_parameters()]
    ends = [0, *(1 + _last(names, stage) for stage in kind.stages)]
    if stages == STAGES:
        frozen = set(names)
    elif len(kind.stages) < STAGES or ends != sorted(set(ends)):
        raise RecipeError(
            code="backbone_cannot_freeze",
            rule=f"network.freeze of 1 to {STAGES - 1} needs a backbone of {STAGES} consecutive stages",
            got=f"{kind.name} does not have them",
            remedy=f"set network.freeze to 0 or {STAGES} and network.freeze_blocks=0",
        )
    else:
        frozen = set(names[: ends[stages]])
        frozen |= _first_blocks(names[ends[stages] : ends[stages + 1]], blocks) if blocks else set()
    for name, parameter in body.named_parameters():
        parameter.requires_grad = name not in frozen


def _last(names: list[str], stage: str) -> int:
    """Return the index of the last parameter of a stage, -1 if it has none.

    timm's feature lists replace dots by underscores; its wrappers prefix the names with ``model``.
    """
    prefixes = tuple(f"{each}." for each in (stage, stage.replace(".", "_", 1), f"model.{stage}"))
    return max((place for place, name in enumerate(names) if name.startswith(prefixes)), default=-1)


def _first_blocks(names: list[str], count: int) -> set[str]:
    """Return the parameter names of the first ``count`` blocks of a stage: groups at the first differing level."""
    parts = [name.split(".") for name in names]
    depth = next(depth for depth in range(len(parts[0])) if len({part[depth] for part in parts}) > 1)
    blocks = list(dict.fromkeys(part[depth] for part in parts))[:count]
    return {name for name, part in zip(names, parts, strict=True) if part[depth] in blocks}
