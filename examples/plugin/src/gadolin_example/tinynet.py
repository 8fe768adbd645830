"""A backbone of four small stages."""

from __future__ import annotations

from torch import Tensor, nn

from gadolin.networks import Backbone

__all__ = ["TINYNET", "TinyNet"]

_CHANNELS = (8, 16, 32, 64)
_STRIDES = (4, 8, 16, 32)


class TinyNet(nn.Module):
    """Normalised slices (N, 1, s, s) float32 in, four maps (N, F, h, w) out, finest first."""

    def __init__(self) -> None:
        super().__init__()
        inputs, steps = (1, *_CHANNELS[:-1]), (4, 2, 2, 2)
        self.stages = nn.ModuleList(
            nn.Sequential(nn.Conv2d(before, after, 2 * step - 1, step, step - 1), nn.BatchNorm2d(after), nn.ReLU())
            for before, after, step in zip(inputs, _CHANNELS, steps, strict=True)
        )

    def forward(self, pixels: Tensor) -> list[Tensor]:
        """Return the maps of all stages."""
        maps = []
        for stage in self.stages:
            pixels = stage(pixels)
            maps.append(pixels)
        return maps


TINYNET = Backbone(
    name="tinynet",
    build=lambda _side: TinyNet(),
    features=_CHANNELS,
    strides=_STRIDES,
    stages=tuple(f"stages.{number}" for number in range(len(_CHANNELS))),
    mean=(0.19,),
    std=(0.21,),
)
