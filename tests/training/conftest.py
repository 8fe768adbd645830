from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from gadolin.models.starting_point import StartingPoint
from gadolin.networks import backbones
from gadolin.networks.classifier import Classifier
from gadolin.networks.heads import DenseHead, LinearHead
from gadolin.networks.input import InputLayer
from gadolin.recipe import Network, Optimizer, Recipe, named_recipe, with_settings
from gadolin.training.batches import Examples
from gadolin.training.machine import Machine
from gadolin.training.plan import Plan
from gadolin.training.train import train_model

TINY_FEATURES = 8


class TinyBody(nn.Module):
    """Two convolutions and one batch norm: a backbone that trains and exports quickly."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, TINY_FEATURES, 5, stride=4, padding=2, bias=False)
        self.bn1 = nn.BatchNorm2d(TINY_FEATURES)
        self.conv2 = nn.Conv2d(TINY_FEATURES, TINY_FEATURES, 3, stride=2, padding=1)

    def forward(self, scaled):
        return [torch.relu(self.conv2(torch.relu(self.bn1(self.conv1(scaled)))))]


@pytest.fixture(scope="session")
def tiny_network():
    """Make a tiny classifier from a seed; with ``hidden`` it has the founding head."""

    def make(classes=2, *, hidden=0, seed=0):
        torch.manual_seed(seed)
        head = DenseHead(TINY_FEATURES, classes, hidden, 0.2) if hidden else LinearHead(TINY_FEATURES, classes, 0.2)
        return Classifier(InputLayer(32, (0.0,), (1.0,)), TinyBody(), head)

    return make


@pytest.fixture
def tiny_compact(monkeypatch):
    """Replace the compact backbone by the tiny body, for tests that do not depend on the backbone."""
    kind = backbones.Backbone(
        name="compact",
        build=lambda _side: TinyBody(),
        features=(TINY_FEATURES,) * 4,
        strides=backbones.DECODER_STRIDES,
        stages=("conv2",) * 4,
        mean=(0.2,),
        std=(0.2,),
        hub_name=None,
    )
    monkeypatch.setitem(backbones.BACKBONES.built_in, "compact", kind)


@pytest.fixture
def tiny_recipe():
    """Make a short recipe without augmentation; keywords replace its fields."""

    def make(**fields):
        usual = {
            "name": "tiny",
            "epochs": 3,
            "batch_size": 8,
            "network": Network(input_size=32),
            "optimizer": Optimizer(lr=0.01, warmup_epochs=0),
        }
        return Recipe(**{**usual, **fields})

    return make


@pytest.fixture(scope="session")
def squares():
    """Make an easy task: slices of class 1 have a bright square, those of class 0 none."""

    def make(count, seed=0):
        chance = np.random.default_rng(seed)
        slices = chance.integers(0, 60, (count, 64, 64), dtype=np.uint8)
        targets = np.arange(count, dtype=np.int64) % 2
        slices[targets == 1, 16:48, 16:48] += 150
        return Examples(slices, np.arange(count, dtype=np.int64), targets)

    return make


@pytest.fixture(scope="session")
def machine():
    return Machine("cpu", "float32", 3)


@pytest.fixture(scope="session")
def short_recipe():
    """Shorten the default recipe to two epochs at the smallest input size."""
    settings = ["epochs=2", "batch_size=8", "network.input_size=32", "progressive=1"]
    return with_settings(named_recipe("default"), settings)


@pytest.fixture(scope="session")
def short_plan(small_phantoms, short_recipe, machine):
    """Make the plan of a short run on phantoms with a given test part."""

    def make(out, **fields):
        usual = {"data": small_phantoms, "recipe": short_recipe, "machine": machine, "validation": 0.34}
        if isinstance(fields.get("weights"), str):
            fields["weights"] = StartingPoint.resolve(fields["weights"])
        return Plan(out=out, **{**usual, **fields})

    return make


@pytest.fixture(scope="session")
def finished_run(short_plan, tmp_path_factory):
    """Train one short complete run; tests must not change it."""
    out = tmp_path_factory.mktemp("runs") / "finished"
    train_model(short_plan(out))
    return out
