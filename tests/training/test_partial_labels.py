"""Tests of slices with a set of possible classes: the loss uses the sum of their probabilities."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from gadolin.training.step import class_loss, lesion_map_loss

KINDS = torch.tensor([1.0, 1.0, 0.0, 1.0])
ONES = torch.ones(4)


def logits(seed, count=3):
    return torch.randn(count, 4, generator=torch.Generator().manual_seed(seed)) * 3


@given(st.integers(0, 10_000))
def test_candidates_cost_the_logarithm_of_their_summed_probability(seed):
    rows = logits(seed)
    summed = rows.softmax(1)[:, [0, 1, 3]].sum(1)

    assert class_loss(rows, KINDS.repeat(3, 1), weight=ONES) == pytest.approx(float(-summed.log().mean()), abs=1e-4)


@given(st.integers(0, 10_000), st.sampled_from([0.0, 0.1]))
def test_slices_of_one_class_cost_what_cross_entropy_says_beside_candidates(seed, smoothing):
    rows, weight = logits(seed), torch.tensor([0.5, 2.0, 1.0, 1.0])
    alone = F.one_hot(torch.tensor([0, 1, 2]), 4).float()
    usual = F.cross_entropy(rows, alone, weight=weight, label_smoothing=smoothing, reduction="none")

    assert class_loss(rows, alone, weight=weight, smoothing=smoothing) == pytest.approx(float(usual.mean()), abs=1e-5)
    mixed = torch.stack([alone[0], KINDS, alone[2]])
    candidates = class_loss(rows[1:2], KINDS[None], weight=weight, smoothing=smoothing)
    total = (usual[0] + candidates + usual[2]) / 3
    assert class_loss(rows, mixed, weight=weight, smoothing=smoothing) == pytest.approx(float(total), abs=1e-5)


def test_candidates_do_not_move_the_kinds_against_one_another():
    rows = torch.zeros(1, 4, requires_grad=True)
    class_loss(rows, KINDS[None], weight=ONES).backward()

    slope = rows.grad[0]
    assert slope[2] > 0
    assert slope[0] == slope[1] == slope[3] < 0


def test_smoothing_keeps_candidates_from_certainty():
    sure = torch.tensor([[50.0, 0.0, -50.0, 0.0]])
    assert class_loss(sure, KINDS[None], weight=ONES) < 1e-6
    assert class_loss(sure, KINDS[None], weight=ONES, smoothing=0.1) > 1


def places(seed, count=2):
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(count, 5, 4, 4, generator=generator)
    lesion = (torch.rand(count, 1, 4, 4, generator=generator) > 0.7).float()
    return scores, lesion


@given(st.integers(0, 1000))
def test_places_of_candidates_are_lesion_of_whichever_kind(seed):
    scores, lesion = places(seed)
    of_candidates = lesion_map_loss(scores, lesion, KINDS.repeat(2, 1))

    turned = scores[:, [1, 3, 2, 0, 4]]  # the classes swap places
    assert lesion_map_loss(turned, lesion, KINDS.repeat(2, 1)) == pytest.approx(float(of_candidates), abs=1e-4)
    one = F.one_hot(torch.tensor([0, 0]), 4).float()
    assert of_candidates < lesion_map_loss(scores, lesion, one)


def test_outlines_of_candidates_count_by_their_weight():
    scores, lesion = places(1)
    one, several = F.one_hot(torch.tensor([0]), 4).float(), KINDS[None]
    first = lesion_map_loss(scores[:1], lesion[:1], one)
    second = lesion_map_loss(scores[1:], lesion[1:], several)

    both = lesion_map_loss(scores, lesion, torch.cat([one, several]), candidates_weight=0.25)
    assert both == pytest.approx(float(first + 0.25 * second) / 2, abs=1e-5)
