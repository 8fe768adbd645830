"""Mirror averaging (test-time augmentation by a horizontal flip) as part of the graph: every runtime does the same."""

from __future__ import annotations

from torch import Tensor, nn

from gadolin.networks.classifier import Classifier, Output, SequenceOutput

__all__ = ["MirrorAverage"]


class MirrorAverage(nn.Module):
    """Averages the outputs for a slice and its left-right mirror image (evidence mirrored back)."""

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, prepared: Tensor) -> Output | SequenceOutput:
        """Return the averaged output for prepared slices (N, H, H) uint8."""
        straight = self.classifier(prepared)
        mirrored = self.classifier(prepared.flip(2))
        mean = Output(
            (straight.logits + mirrored.logits) / 2,
            (straight.features + mirrored.features) / 2,
            (straight.evidence + mirrored.evidence.flip(3)) / 2,
        )
        if isinstance(straight, SequenceOutput) and isinstance(mirrored, SequenceOutput):
            return SequenceOutput(*mean, (straight.sequence + mirrored.sequence) / 2)
        return mean
