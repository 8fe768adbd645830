"""Tests of a folded trunk: same output, shared trainable weights, original unchanged."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from gadolin.networks import build_classifier
from gadolin.networks.classifier import train_mode
from gadolin.networks.frozen_batchnorm import fuse_frozen_batchnorm
from gadolin.recipe import Network

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def network():
    """Build the founding network with batch norms that are not identities."""
    torch.manual_seed(0)
    made = build_classifier(Network(backbone="resnet50", hidden=128, freeze=3, freeze_blocks=1, input_size=64), 4)
    for module in made.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
    train_mode(made)
    return made


def fused(network):
    return fuse_frozen_batchnorm(network.backbone, channels=3, side=64)


def batch_norms(module):
    return sum(isinstance(each, nn.BatchNorm2d) for each in module.modules())


def test_the_folded_trunk_computes_the_same(network):
    pictures = torch.rand(2, 3, 64, 64)
    network.eval()
    with torch.no_grad():
        for one, other in zip(fused(network)(pictures), network.backbone(pictures), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)
    train_mode(network)


def test_only_the_batch_norms_that_are_learned_are_left(network):
    before = batch_norms(network.backbone)
    assert batch_norms(fused(network)) == 6  # three in each of the last two blocks
    assert batch_norms(network.backbone) == before == 53


def test_what_is_learned_is_shared(network):
    learned = {id(each) for each in network.backbone.parameters() if each.requires_grad}
    assert {id(each) for each in fused(network).parameters() if each.requires_grad} == learned
    assert learned


def test_the_names_of_what_is_saved_stay(network):
    before = list(network.state_dict())
    fused(network)
    assert list(network.state_dict()) == before
