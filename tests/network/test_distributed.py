"""Promises of a batch in pieces; what several processes do together is tested where they are started."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from gadolin.network import NetworkConfig, build_classifier
from gadolin.network.spread import BatchDropout, GlobalBatchNorm2d, global_batch_norm, place_in_batch


@pytest.fixture
def dropout():
    return BatchDropout(0.5).train()


def dropped(dropout, values, *place):
    place_in_batch(dropout, *place)
    torch.manual_seed(0)
    return dropout(values)


@pytest.mark.parametrize(("first", "last"), [(0, 2), (2, 8), (7, 8)])
def test_rows_of_a_batch_lose_what_they_lose_among_all_rows(first, last, dropout):
    values = torch.rand(8, 50)

    together = dropped(dropout, values, 0, 8, 8)

    assert torch.equal(dropped(dropout, values[first:last], first, last, 8), together[first:last])
    assert 0.3 < float((together == 0).float().mean()) < 0.7


def test_a_whole_batch_is_dropped_from_as_torch_does(dropout):
    values = torch.rand(8, 50)
    torch.manual_seed(0)
    usual = nn.functional.dropout(values, 0.5, training=True)

    assert torch.equal(dropped(dropout, values, 0, 8, 8), usual)


def test_nothing_is_dropped_outside_training(dropout):
    values = torch.rand(2, 5)

    assert torch.equal(dropped(dropout.eval(), values, 2, 4, 8), values)


def test_batch_norms_are_global_only_in_the_block_and_keep_their_state():
    network = build_classifier(NetworkConfig(input_size=32), 2)
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
    """Be a group of one process."""
    store = torch.distributed.FileStore(str(tmp_path / "store"), 1)
    torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


def test_global_batch_norm_of_one_process_is_that_of_torch(alone):
    maps = torch.randn(4, 3, 5, 6) * 3 + 7
    results = []
    for kind in (nn.BatchNorm2d, GlobalBatchNorm2d):
        norm = kind(3)
        with torch.no_grad():
            norm.weight.copy_(torch.tensor([1.0, 2.0, -1.0]))
        given = maps.clone().requires_grad_()
        out = norm(given)
        (out * torch.linspace(-1, 1, out.numel()).view_as(out)).sum().backward()
        results.append([out, given.grad, norm.weight.grad, norm.bias.grad, *norm.state_dict().values()])

    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(other, one, atol=2e-5, rtol=1e-4)
