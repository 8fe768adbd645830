"""The compact backbone: a ResNet-18 of half width, for training from scratch on two CPU cores."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["WIDTHS", "CompactResNet"]

WIDTHS = (32, 64, 128, 256)
_BLOCKS = 2


class CompactResNet(nn.Module):
    """One grey channel in, maps of ``WIDTHS`` channels at strides 4, 8, 16 and 32 out.

    ResNet-18 (He et al. 2016) of half width, with two changes that speed it up on a CPU: a stem of two small
    convolutions (He et al. 2019) that leaves few channels at high resolution, and shortcuts that average before they
    project. Forward and backward pass take little more than half the time of the usual stem at the same width.
    """

    def __init__(self) -> None:
        super().__init__()
        first = WIDTHS[0]
        self.stem = nn.Sequential(*_convolution(1, first // 2, stride=2), *_convolution(first // 2, first, stride=2))
        inputs = (first, *WIDTHS[:-1])
        self.stages = nn.ModuleList(
            nn.Sequential(
                _Block(before, after, stride=1 if after == first else 2),
                *(_Block(after, after) for _ in range(_BLOCKS - 1)),
            )
            for before, after in zip(inputs, WIDTHS, strict=True)
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, pixels: Tensor) -> list[Tensor]:
        """Return the maps of all stages, finest first, of normalised slices (N, 1, s, s) float32."""
        maps = [self.stem(pixels)]
        for stage in self.stages:
            maps.append(stage(maps[-1]))
        return maps[1:]


class _Block(nn.Module):
    """Two 3 x 3 convolutions around a shortcut; it starts as the identity."""

    def __init__(self, before: int, after: int, *, stride: int = 1) -> None:
        super().__init__()
        self.first = nn.Sequential(*_convolution(before, after, stride=stride))
        convolution, last, _ = _convolution(after, after)
        nn.init.zeros_(last.weight)
        self.second = nn.Sequential(convolution, last)
        self.shortcut = nn.Sequential()
        if stride > 1:
            project = nn.Conv2d(before, after, 1, bias=False)
            self.shortcut = nn.Sequential(nn.AvgPool2d(stride), project, nn.BatchNorm2d(after))

    def forward(self, maps: Tensor) -> Tensor:
        return F.relu(self.second(self.first(maps)) + self.shortcut(maps), inplace=True)


def _convolution(before: int, after: int, *, stride: int = 1) -> tuple[nn.Conv2d, nn.BatchNorm2d, nn.ReLU]:
    convolution = nn.Conv2d(before, after, 3, stride, 1, bias=False)
    return convolution, nn.BatchNorm2d(after), nn.ReLU(inplace=True)
