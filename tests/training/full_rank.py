"""Run the command line under torchrun; rank 1 runs out of memory in its second step."""

from __future__ import annotations

import os

import torch

from gadolin.cli import main
from gadolin.training import epoch

RANK = int(os.environ["RANK"])
take_step = epoch.train_step


def train_step(*args, number, **settings):
    if RANK == 1 and number == 1:
        raise torch.OutOfMemoryError("CUDA out of memory")
    return take_step(*args, number=number, **settings)


if __name__ == "__main__":
    epoch.train_step = train_step
    main()
