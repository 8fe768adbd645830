"""The whole network: input layer, backbone, head."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from gadolin.errors import RecipeError
from gadolin.networks.backbones import DECODER_STRIDES, backbone, freeze_stages
from gadolin.networks.frozen_batchnorm import fuse_frozen_batchnorm
from gadolin.networks.heads import DenseHead, Head, LinearHead, OutlineHead
from gadolin.networks.input import InputLayer
from gadolin.recipe import Network

__all__ = ["Classifier", "Output", "SequenceOutput", "build_classifier"]


class Output(NamedTuple):
    """Outputs of the network: logits (N, K), pooled features (N, F), evidence (N, K, h, w); all float32."""

    logits: Tensor
    features: Tensor
    evidence: Tensor


class SequenceOutput(NamedTuple):
    """An ``Output`` of a network that also recognises MRI sequences: their probabilities ``sequence`` (N, S)."""

    logits: Tensor
    features: Tensor
    evidence: Tensor
    sequence: Tensor


class Classifier(nn.Module):
    """Prepared slices (N, 256, 256) uint8 in, an ``Output`` out; with a ``sequence_head`` a ``SequenceOutput``."""

    def __init__(
        self, input_layer: InputLayer, body: nn.Module, head: Head, sequence_head: nn.Linear | None = None
    ) -> None:
        super().__init__()
        self.input_layer = input_layer
        self.backbone = body
        self.head = head
        self.sequence_head = sequence_head
        self.tap = nn.Identity()
        self._folded: tuple[nn.Module, ...] = ()  # a tuple keeps it out of the state dict

    @property
    def last_map(self) -> nn.Module:
        """The module that outputs the last feature map, from which the classes are scored."""
        if isinstance(self.head, OutlineHead):
            return self.head.upwards[-1]
        return self.tap

    def fold(self) -> None:
        """Speed up training of a partly frozen backbone by folding frozen batch norms; outputs and state stay the same.

        Call it again after loading weights.
        """
        frozen = any(not parameter.requires_grad for parameter in self.backbone.parameters())
        self._folded = (
            (fuse_frozen_batchnorm(self.backbone, channels=self.input_layer.mean.shape[1], side=self.input_layer.size),)
            if frozen
            else ()
        )

    def classify(self, scaled: Tensor) -> Output | SequenceOutput:
        """Return the output for scaled slices (N, 1, s, s) float32 in [0, 1], after augmentation."""
        maps = self._maps(scaled)
        return self._with_sequence(Output(*self.head(*maps)), maps[-1])

    def classify_places(self, scaled: Tensor) -> tuple[Output | SequenceOutput, Tensor]:
        """Return the output, and the scores of classes and background at each location (N, K + 1, h, w).

        Only for a network with an ``OutlineHead``.
        """
        assert isinstance(self.head, OutlineHead), "only an OutlineHead scores locations"
        maps = self._maps(scaled)
        features, places = self.head.decode(*maps)
        return self._with_sequence(Output(*self.head.classify(features, places, maps[-1])), maps[-1]), places

    def _with_sequence(self, output: Output, last: Tensor) -> Output | SequenceOutput:
        if self.sequence_head is None:
            return output
        pooled = last.mean(dim=(2, 3)).to(self.sequence_head.weight.dtype)
        return SequenceOutput(*output, self.sequence_head(pooled).float().softmax(dim=1))

    def _maps(self, scaled: Tensor) -> list[Tensor]:
        """Return the backbone's maps at the levels that the head uses."""
        normalised = self.input_layer.normalise(scaled)
        body = self._folded[0] if self._folded and self.training else self.backbone
        maps: list[Tensor] = body(normalised)
        *finer, last = [maps[level] for level in self.head.levels]
        return [*finer, self.tap(last)]

    def forward(self, prepared: Tensor) -> Output | SequenceOutput:
        """Return the output for prepared slices (N, H, H) uint8."""
        return self.classify(self.input_layer.scale(prepared))


def build_classifier(config: Network, classes: int, sequences: int = 0) -> Classifier:
    """Return an untrained classifier with the configured stages frozen and, if any, a head for ``sequences``.

    ``sequences`` is the number of MRI sequences that it recognises. Raises RecipeError if the backbone does not exist
    or does not fit the head.
    """
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
    sequence_head = nn.Linear(kind.features[-1], sequences) if sequences else None
    network = Classifier(InputLayer(config.input_size, mean, std), kind.build(config.input_size), head, sequence_head)
    freeze_stages(network.backbone, kind, config.freeze, config.freeze_blocks)
    return network


def train_mode(network: Classifier) -> None:
    """Put the network in training mode, but keep frozen modules of its backbone in inference mode, and fold them.

    A module is frozen if it has parameters and none of them is trained.
    """
    network.train()
    for module in network.backbone.modules():
        parameters = list(module.parameters())
        if parameters and not any(parameter.requires_grad for parameter in parameters):
            module.eval()
    network.fold()
