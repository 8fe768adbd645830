from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gadolin.networks.heads import DenseHead, LinearHead, OutlineHead


@pytest.fixture
def maps():
    return torch.randn(3, 6, 4, 5, generator=torch.Generator().manual_seed(1))


def seeded(make):
    torch.manual_seed(2)
    return make().eval()


def test_logits_of_the_linear_head_are_the_mean_of_the_evidence_plus_the_bias(maps):
    head = seeded(lambda: LinearHead(6, 4, 0.5)).double()

    logits, pooled, evidence = head(maps.double())

    assert evidence.shape == (3, 4, 4, 5)
    torch.testing.assert_close(pooled, maps.double().mean(dim=(2, 3)))
    torch.testing.assert_close(logits, evidence.mean(dim=(2, 3)) + head.linear.bias, atol=1e-12, rtol=0)


def test_evidence_of_the_linear_head_lies_where_the_only_active_feature_lies():
    head = seeded(lambda: LinearHead(2, 2, 0.0))
    with torch.no_grad():
        head.linear.weight.copy_(torch.tensor([[3.0, 0.0], [0.0, 1.0]]))
    maps = torch.zeros(1, 2, 4, 4)
    maps[0, 0, 1, 2] = 2.0

    evidence = head(maps)[2]

    assert evidence[0, 0, 1, 2] == 6
    assert evidence.count_nonzero() == 1


def test_evidence_of_the_dense_head_weighs_features_by_the_gradient_of_the_logit_at_this_slice(maps):
    head = seeded(lambda: DenseHead(6, 4, 8, 0.5))
    pooled = maps.mean(dim=(2, 3)).requires_grad_()
    logits = head.linear(torch.relu(head.dense(pooled)))

    said, _, evidence = head(maps)

    torch.testing.assert_close(said, logits)
    for label in range(4):
        (gradient,) = torch.autograd.grad(logits[:, label].sum(), pooled, retain_graph=True)
        expected = (gradient[:, :, None, None] * maps).sum(dim=1)
        torch.testing.assert_close(evidence[:, label], expected, atol=1e-6, rtol=1e-5)


def test_a_dense_head_whose_layer_is_silent_gives_no_evidence(maps):
    head = seeded(lambda: DenseHead(6, 4, 8, 0.5))
    with torch.no_grad():
        head.dense.bias.fill_(-1e6)

    assert not head(maps)[2].any()


@pytest.fixture
def pyramid():
    chance = torch.Generator().manual_seed(3)
    return [
        torch.randn(2, count, 32 // stride, 32 // stride, generator=chance, dtype=torch.float64)
        for count, stride in ((3, 4), (4, 8), (5, 16), (6, 32))
    ]


@pytest.fixture
def outlining():
    return seeded(lambda: OutlineHead((3, 4, 5, 6), 3, 0.5, widths=(7, 8, 9))).double()


def test_the_outline_head_sees_the_finest_map(outlining, pyramid):
    logits, pooled, evidence = outlining(*pyramid)

    assert logits.shape == (2, 3)
    assert evidence.shape == (2, 3, 8, 8)
    assert pooled.shape == (2, 7 + 6)


def test_the_evidence_is_what_stands_above_the_background(outlining, pyramid):
    features, places = outlining.decode(*pyramid)

    evidence = outlining.classify(features, places, pyramid[-1])[2]

    torch.testing.assert_close(evidence, places[:, :3] - places[:, 3:])


def test_a_class_without_lesions_has_no_evidence_and_its_bias_for_a_logit(outlining, pyramid):
    outlining.lesion[1] = 0
    with torch.no_grad():
        outlining.bias.copy_(torch.tensor([0.1, 0.2, 0.3]))

    logits, _, evidence = outlining(*pyramid)

    assert logits[:, 1].tolist() == pytest.approx([0.2, 0.2])
    assert not evidence[:, 1].any()
    assert bool((evidence[:, [0, 2]] != 0).any())


def test_weights_that_do_not_say_which_classes_have_lesions_mean_all(outlining):
    state = outlining.state_dict()
    del state["lesion"]

    outlining.load_state_dict(state)

    assert outlining.lesion.tolist() == [1, 1, 1]


@given(st.floats(-20, 20))
@settings(max_examples=10)
def test_evidence_that_is_the_same_everywhere_is_the_logit_but_for_the_bias(height):
    head = seeded(lambda: OutlineHead((3, 4, 5, 6), 1, 0.0, widths=(7, 8, 9)))
    places = torch.tensor([height, 0.0]).view(1, 2, 1, 1).expand(1, 2, 8, 8)

    logits, _, _ = head.classify(torch.ones(1, 7, 8, 8), places, torch.ones(1, 6, 1, 1))

    assert float((logits - head.bias).detach()) == pytest.approx(height, abs=1e-4)


def test_a_logit_lies_between_the_mean_and_the_peak_of_its_evidence(outlining, pyramid):
    logits, _, evidence = outlining(*pyramid)

    soft = logits - outlining.bias
    assert bool((soft > evidence.mean(dim=(2, 3))).all())
    assert bool((soft < evidence.amax(dim=(2, 3))).all())


@pytest.mark.parametrize("make", [lambda: LinearHead(6, 4, 0.5), lambda: DenseHead(6, 4, 8, 0.5)])
def test_dropout_changes_logits_in_training_and_never_the_evidence(make, maps):
    head = seeded(make)
    calm = head(maps)

    wild = head.train()(maps)

    assert not torch.equal(wild[0], calm[0])
    assert torch.equal(wild[2], calm[2])


def test_the_memory_layout_of_maps_changes_nothing_of_their_dropout():
    head = OutlineHead((3, 4, 5, 6), 2, 0.5, widths=(7, 8, 9))
    maps = torch.rand(2, 6, 3, 5)
    dropped = []
    for layout in (torch.contiguous_format, torch.channels_last):
        torch.manual_seed(0)
        dropped.append(head.train().dropout(maps.to(memory_format=layout)))

    assert torch.equal(*dropped)
    assert 0.3 < float((dropped[0] == 0).float().mean()) < 0.7
    assert torch.equal(head.eval().dropout(maps), maps)
