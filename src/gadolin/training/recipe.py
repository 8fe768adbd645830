"""Recipes: small frozen configurations that a run is made from, and that it keeps."""

from __future__ import annotations

import dataclasses
from dataclasses import asdict, dataclass, field, is_dataclass, replace
from typing import Any, get_type_hints

from gadolin.errors import GadolinError, RecipeError, suggestion
from gadolin.network.classifier import NetworkConfig
from gadolin.prepare import Preparation

__all__ = ["AugmentConfig", "DisturbConfig", "OptimizerConfig", "Recipe", "with_settings"]


@dataclass(frozen=True, slots=True)
class AugmentConfig:
    """How far augmentation may go; 0 switches a step off. Drawn uniformly for each sample.

    ``rotate_degrees`` and ``shear``, ``shift``, ``zoom`` (shares of the side, or of 1) are drawn from plus to minus
    the value; ``flip`` and ``blur`` are probabilities, and ``tone`` that of another brightness of tissue; ``gamma`` is
    the largest exponent (and 1 over it the smallest), 1 for none; ``contrast`` a share, ``noise`` the largest standard
    deviation in [0, 1] units, ``elastic`` the largest displacement as a share of the side, ``mixup`` the Beta parameter
    of mixing pairs (Zhang et al. 2018). Where outlines are learned from, ``lesions`` is the probability that a slice
    loses its lesion, ``pastes`` that one without a lesion gets that of another, and ``fills`` the share of these where
    a place is filled from around it.
    """

    rotate_degrees: float = 0.0
    shift: float = 0.0
    zoom: float = 0.0
    shear: float = 0.0
    flip: float = 0.0
    tone: float = 0.0
    gamma: float = 1.0
    contrast: float = 0.0
    noise: float = 0.0
    blur: float = 0.0
    elastic: float = 0.0
    mixup: float = 0.0
    lesions: float = 0.0
    pastes: float = 0.0
    fills: float = 0.0


@dataclass(frozen=True, slots=True)
class DisturbConfig:
    """What scanners, screens and their users do to pictures; 0 switches a step off.

    ``bias`` is about the largest logarithm of an uneven light's field; ``marks`` the probability of signs or a frame on
    the picture, ``invert`` that of turned tones.
    """

    bias: float = 0.0
    marks: float = 0.0
    invert: float = 0.0


@dataclass(frozen=True, slots=True)
class OptimizerConfig:
    """``name`` is adam or adamw, ``schedule`` constant or cosine (down to a hundredth), after a linear warm-up."""

    name: str = "adamw"
    lr: float = 2e-3
    weight_decay: float = 0.05
    schedule: str = "cosine"
    warmup_epochs: float = 2.0
    clip_norm: float = 5.0


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides what is learned, apart from the data, the seed and the machine.

    ``balance`` is weights (the loss weighs classes by the inverse of their training counts), sampler (they are drawn
    equally often) or none. ``ema_decay`` of 0 keeps no moving average. ``patience`` stops after so many epochs without
    a better validation loss, 0 never. ``choose`` is loss (the epoch with the lowest validation loss answers) or last.
    ``progressive`` starts at this share of the input size and grows to the whole.
    ``outline_weight`` is what the loss of places counts beside that of slices, where outlines are learned from.
    """

    name: str
    epochs: int
    batch_size: int = 32
    balance: str = "weights"
    label_smoothing: float = 0.0
    ema_decay: float = 0.0
    patience: int = 0
    choose: str = "loss"
    progressive: float = 1.0
    outline_weight: float = 1.0
    network: NetworkConfig = field(default_factory=NetworkConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    disturb: DisturbConfig = field(default_factory=DisturbConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    preparation: Preparation = field(default_factory=Preparation)

    def __post_init__(self) -> None:
        """Refuse values that nothing can be trained with."""
        _require("balance", self.balance, ("weights", "sampler", "none"))
        _require("choose", self.choose, ("loss", "last"))
        _require("optimizer.name", self.optimizer.name, ("adam", "adamw"))
        _require("optimizer.schedule", self.optimizer.schedule, ("constant", "cosine"))
        for key, value, low, high in (
            ("epochs", self.epochs, 1, 100_000),
            ("batch_size", self.batch_size, 2, 65_536),
            ("label_smoothing", self.label_smoothing, 0, 0.9),
            ("ema_decay", self.ema_decay, 0, 0.99999),
            ("patience", self.patience, 0, 100_000),
            ("progressive", self.progressive, 0.25, 1),
            ("outline_weight", self.outline_weight, 0, 1000),
            ("optimizer.lr", self.optimizer.lr, 1e-9, 100),
            ("optimizer.weight_decay", self.optimizer.weight_decay, 0, 10),
            ("optimizer.warmup_epochs", self.optimizer.warmup_epochs, 0, 100_000),
            ("optimizer.clip_norm", self.optimizer.clip_norm, 0, 1e9),
            ("augment.rotate_degrees", self.augment.rotate_degrees, 0, 180),
            ("augment.shift", self.augment.shift, 0, 1),
            ("augment.zoom", self.augment.zoom, 0, 0.9),
            ("augment.shear", self.augment.shear, 0, 2),
            ("augment.flip", self.augment.flip, 0, 1),
            ("augment.tone", self.augment.tone, 0, 1),
            ("augment.gamma", self.augment.gamma, 1, 10),
            ("augment.contrast", self.augment.contrast, 0, 1),
            ("augment.noise", self.augment.noise, 0, 1),
            ("augment.blur", self.augment.blur, 0, 1),
            ("augment.elastic", self.augment.elastic, 0, 1),
            ("augment.mixup", self.augment.mixup, 0, 100),
            ("augment.lesions", self.augment.lesions, 0, 1),
            ("augment.pastes", self.augment.pastes, 0, 1),
            ("augment.fills", self.augment.fills, 0, 1),
            ("disturb.bias", self.disturb.bias, 0, 3),
            ("disturb.marks", self.disturb.marks, 0, 1),
            ("disturb.invert", self.disturb.invert, 0, 1),
        ):
            if not low <= value <= high:
                raise RecipeError(
                    code="recipe_value_out_of_range",
                    rule=f"{key} must lie in {low} to {high}",
                    got=f"got {value}",
                    remedy=f"correct it with --set {key}=...",
                )
        if self.patience and self.choose == "last":
            raise RecipeError(
                code="recipe_values_conflict",
                rule="patience waits for a better validation loss",
                got=f"got {self.patience} and choose=last",
                remedy="set one of them",
            )

    def as_json(self) -> dict[str, Any]:
        """Return every field, nested, as a JSON object."""
        return asdict(self)


def with_settings(recipe: Recipe, settings: list[str]) -> Recipe:
    """Return the recipe changed by settings such as ``optimizer.lr=3e-4``.

    Raises RecipeError for a key that does not exist (with a suggestion) or a value of the wrong type.
    """
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals:
            raise RecipeError(
                code="setting_invalid",
                rule="a setting must read key=value",
                got=f"got {setting!r}",
                remedy="for example --set optimizer.lr=3e-4",
            )
        recipe = _changed(recipe, key.strip().split("."), text.strip(), key.strip())
    return recipe


def _changed(config: Any, path: list[str], text: str, key: str) -> Any:
    known = [item.name for item in dataclasses.fields(config)]
    name, *rest = path
    if name not in known or (name == "name" and isinstance(config, Recipe)):
        group = key.removesuffix(".".join(path))
        every = [group + each for each in _keys(config)]
        raise RecipeError(
            code="recipe_key_unknown",
            rule=f"unknown recipe key {key!r}{suggestion(key, every)}",
            remedy=f"known are {', '.join(every)}",
        )
    value = getattr(config, name)
    if is_dataclass(value):
        if not rest:
            raise RecipeError(
                code="recipe_key_unknown",
                rule=f"{key!r} is a group of settings",
                got="not one",
                remedy=f"name one of {', '.join(f'{key}.{k}' for k in _keys(value))}",
            )
        return replace(config, **{name: _changed(value, rest, text, key)})
    if rest:
        raise RecipeError(
            code="recipe_key_unknown",
            rule=f"unknown recipe key {key!r}",
            got=f"{name!r} holds one value and no {'.'.join(rest)!r}",
        )
    try:
        return replace(config, **{name: _parsed(text, get_type_hints(type(config))[name])})
    except GadolinError:
        raise
    except ValueError as error:
        wanted = get_type_hints(type(config))[name].__name__
        raise RecipeError(
            code="recipe_value_invalid",
            rule=f"{key} must be a value of type {wanted}",
            got=f"got {text!r}",
            remedy=f"for example --set {key}={value}",
        ) from error


def _keys(config: Any) -> list[str]:
    keys = []
    for item in dataclasses.fields(config):
        value = getattr(config, item.name)
        keys += [f"{item.name}.{inner}" for inner in _keys(value)] if is_dataclass(value) else [item.name]
    return [key for key in keys if not (key == "name" and isinstance(config, Recipe))]


def _parsed(text: str, kind: type) -> object:
    if kind is bool:
        if text.lower() not in ("true", "false"):
            raise ValueError
        return text.lower() == "true"
    return kind(text)


def _require(key: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise RecipeError(
            code="recipe_value_unknown",
            rule=f"{key} must be one of {', '.join(known)}",
            got=f"got {value!r}{suggestion(value, known)}",
        )
