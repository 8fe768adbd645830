"""The whole network: door, backbone, head."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor, nn

from gadolin.errors import RecipeError, suggestion
from gadolin.network.backbones import DECODER_STRIDES, STAGES, backbone, freeze_stages, require_backbone
from gadolin.network.door import Door
from gadolin.network.folded import folded
from gadolin.network.heads import DenseHead, Head, LinearHead, OutlineHead

__all__ = ["Classifier", "NetworkConfig", "Output", "build_classifier"]

_EVIDENCE = ("auto", "map", "outlines")
_HEALTHY = ("auto", "evidence", "absence")


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """Which network. ``hidden`` is the width of the dense layer before the classes, 0 for none.

    ``evidence`` is "map" (the class activation map), "outlines" (learned from outlines, which then also guide where the
    network looks) or "auto", which takes outlines where the training part has them or the weights know them.
    ``healthy`` is how a class is named whose training slices are all known to show no lesion, where outlines are
    learned from: by "evidence" of its own, by "absence" of evidence for the others, or "auto", as the weights have it
    that training starts from and else by evidence.
    ``normalise`` applies the backbone's own mean and standard deviation; switched off, the network sees [0, 1].
    ``freeze`` is the number of frozen stages of the backbone's four, with the stem;
    ``freeze_blocks`` is the number of frozen blocks of the next stage.
    ``mirror_average`` answers with the mean of the logits of a slice and of its mirror image.
    """

    backbone: str = "compact"
    input_size: int = 160
    hidden: int = 0
    evidence: str = "auto"
    healthy: str = "auto"
    dropout: float = 0.2
    normalise: bool = True
    freeze: int = 0
    freeze_blocks: int = 0
    mirror_average: bool = True

    def __post_init__(self) -> None:
        """Refuse values that no network can be built with."""
        require_backbone(self.backbone)
        for key, value, known in (("evidence", self.evidence, _EVIDENCE), ("healthy", self.healthy, _HEALTHY)):
            if value not in known:
                raise RecipeError(
                    code="recipe_value_unknown",
                    rule=f"network.{key} must be one of {', '.join(known)}",
                    got=f"got {value!r}{suggestion(value, known)}",
                )
        if self.evidence == "outlines" and self.hidden:
            raise RecipeError(
                code="recipe_values_conflict",
                rule="network.evidence=outlines needs network.hidden=0",
                got=f"got {self.hidden}",
                remedy="set one of them",
            )
        if self.healthy == "absence" and (self.hidden or self.evidence == "map"):
            raise RecipeError(
                code="recipe_values_conflict",
                rule="network.healthy=absence needs evidence from outlines",
                got=f"got network.evidence={self.evidence} and network.hidden={self.hidden}",
                remedy="set network.healthy=auto",
            )
        if self.input_size % 32 or not 32 <= self.input_size <= 1024:
            raise RecipeError(
                code="recipe_value_out_of_range",
                rule="network.input_size must be a multiple of 32 from 32 to 1024",
                got=f"got {self.input_size}",
                remedy="try 160",
            )
        if not 0 <= self.freeze <= STAGES or self.freeze_blocks < 0:
            raise RecipeError(
                code="recipe_value_out_of_range",
                rule=f"network.freeze must lie in 0 to {STAGES} stages and network.freeze_blocks be 0 or more",
                got=f"got {self.freeze} and {self.freeze_blocks}",
                remedy="try 0",
            )
        if not 0 <= self.dropout < 1 or self.hidden < 0:
            got = f"{self.dropout} and {self.hidden}"
            raise RecipeError(
                code="recipe_value_out_of_range",
                rule="network.dropout must lie in [0, 1) and network.hidden be 0 or more",
                got=f"got {got}",
                remedy="try 0.2 and 0",
            )


class Output(NamedTuple):
    """What the network says: logits (N, K), pooled features (N, F), evidence (N, K, h, w); all float32."""

    logits: Tensor
    features: Tensor
    evidence: Tensor


class Classifier(nn.Module):
    """Prepared slices (N, 256, 256) uint8 in, an ``Output`` out."""

    def __init__(self, door: Door, body: nn.Module, head: Head) -> None:
        super().__init__()
        self.door = door
        self.backbone = body
        self.head = head
        self.tap = nn.Identity()
        self._folded: tuple[nn.Module, ...] = ()  # in a tuple, so that it is no part of the state

    @property
    def last_map(self) -> nn.Module:
        """The module whose output is the last map of features, from which the classes are scored."""
        if isinstance(self.head, OutlineHead):
            return self.head.upwards[-1]
        return self.tap

    def fold(self) -> None:
        """Compute faster in training mode where much is frozen; what is computed, learned and saved stays the same.

        To be called again when other weights were loaded.
        """
        frozen = any(not parameter.requires_grad for parameter in self.backbone.parameters())
        self._folded = (folded(self.backbone, channels=self.door.mean.shape[1], side=self.door.size),) if frozen else ()

    def classify(self, scaled: Tensor) -> Output:
        """Return the output for scaled slices (N, 1, s, s) float32 in [0, 1], as augmentation leaves them."""
        return Output(*self.head(*self._maps(scaled)))

    def classify_places(self, scaled: Tensor) -> tuple[Output, Tensor]:
        """Return the output, and the scores of classes and background at each place (N, K + 1, h, w).

        Only for a network with an ``OutlineHead``.
        """
        assert isinstance(self.head, OutlineHead), "places are learned by an OutlineHead only"
        maps = self._maps(scaled)
        features, places = self.head.look(*maps)
        return Output(*self.head.answer(features, places, maps[-1])), places

    def _maps(self, scaled: Tensor) -> list[Tensor]:
        """Return the backbone's maps at the levels that the head looks at."""
        normalised = self.door.normalise(scaled)
        body = self._folded[0] if self._folded and self.training else self.backbone
        maps: list[Tensor] = body(normalised)
        *finer, last = [maps[level] for level in self.head.levels]
        return [*finer, self.tap(last)]

    def forward(self, prepared: Tensor) -> Output:
        """Return the output for prepared slices (N, H, H) uint8."""
        return self.classify(self.door.scale(prepared))


def build_classifier(config: NetworkConfig, classes: int) -> Classifier:
    """Return an untrained classifier, frozen as the configuration says."""
    kind = backbone(config.backbone)
    channels = len(kind.mean)
    mean, std = (kind.mean, kind.std) if config.normalise else ((0.0,) * channels, (1.0,) * channels)
    head: Head
    if config.hidden:
        head = DenseHead(kind.features[-1], classes, config.hidden, config.dropout)
    elif config.evidence == "outlines":
        if kind.strides != DECODER_STRIDES:
            raise RecipeError(
                code="backbone_without_strides",
                rule="network.evidence=outlines needs a backbone with maps at strides 4, 8, 16 and 32",
                got=f"{config.backbone} has {', '.join(map(str, kind.strides))}",
                remedy="set network.evidence=map or another network.backbone",
            )
        head = OutlineHead(kind.features, classes, config.dropout)
    else:
        head = LinearHead(kind.features[-1], classes, config.dropout)
    network = Classifier(Door(config.input_size, mean, std), kind.build(config.input_size), head)
    freeze_stages(network.backbone, kind, config.freeze, config.freeze_blocks)
    return network


def train_mode(network: Classifier) -> None:
    """Put the network in training mode, but keep what is frozen of its backbone in inference mode, and fold it.

    A module is frozen where it has parameters and none of them is learned.
    """
    network.train()
    for module in network.backbone.modules():
        parameters = list(module.parameters())
        if parameters and not any(parameter.requires_grad for parameter in parameters):
            module.eval()
    network.fold()
