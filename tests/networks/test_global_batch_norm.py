"""Tests of batch norm over several processes; tests/training/test_processes.py trains with them."""

from __future__ import annotations

import pytest
import torch
from timm.layers.norm_act import BatchNormAct2d
from torch import nn

from gadolin.errors import RecipeError
from gadolin.networks import build_classifier
from gadolin.networks.global_batch_norm import GlobalBatchNorm2d, GlobalBatchNormAct2d, global_batch_norm
from gadolin.recipe import Network

pytestmark = pytest.mark.slow


def test_batch_norms_are_global_only_in_the_block_and_keep_their_state():
    network = build_classifier(Network(input_size=32), 2)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}

    def kinds():
        return {type(module) for module in network.modules() if isinstance(module, nn.BatchNorm2d)}

    with global_batch_norm(network, 2):
        assert kinds() == {GlobalBatchNorm2d}
        network.eval()(torch.zeros(1, 64, 64, dtype=torch.uint8))
        assert network.state_dict().keys() == before.keys()
    assert kinds() == {nn.BatchNorm2d}
    with global_batch_norm(network, 1):
        assert kinds() == {nn.BatchNorm2d}


@pytest.fixture
def alone(tmp_path):
    """Make this process a group of one."""
    store = torch.distributed.FileStore(str(tmp_path / "store"), 1)
    torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize("backbone", ["tf_efficientnet_lite0", "mobilenetv3_large_100"])
def test_every_norm_of_a_backbone_with_activations_is_synchronised(backbone):
    network = build_classifier(Network(backbone=backbone, input_size=64, evidence="map"), 2)
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    before = [type(norm) for norm in norms]
    with global_batch_norm(network, 2):
        assert {type(norm) for norm in norms} <= {GlobalBatchNorm2d, GlobalBatchNormAct2d}
    assert [type(norm) for norm in norms] == before
    assert BatchNormAct2d in before


def test_a_norm_of_another_kind_is_refused_where_several_processes_train():
    class Other(nn.BatchNorm2d):
        pass

    with pytest.raises(RecipeError) as refusal, global_batch_norm(nn.Sequential(Other(3)), 2):
        pass
    assert refusal.value.code == "norm_not_synchronised"


@pytest.mark.parametrize("kinds", [(nn.BatchNorm2d, GlobalBatchNorm2d), (BatchNormAct2d, GlobalBatchNormAct2d)])
def test_global_batch_norm_of_one_process_is_that_of_torch(alone, kinds):
    maps = torch.randn(4, 3, 5, 6) * 3 + 7
    results = []
    for kind in kinds:
        norm = kind(3)
        with torch.no_grad():
            norm.weight.copy_(torch.tensor([1.0, 2.0, -1.0]))
        given = maps.clone().requires_grad_()
        out = norm(given)
        (out * torch.linspace(-1, 1, out.numel()).view_as(out)).sum().backward()
        results.append([out, given.grad, norm.weight.grad, norm.bias.grad, *norm.state_dict().values()])

    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(other, one, atol=2e-5, rtol=1e-4)
