"""Tests of the two estimators, against `lime` and `shap` on the same perturbations, and of their designs."""

from __future__ import annotations

import warnings
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gadolin.explanations.methods.lime import kernel, linear_model
from gadolin.explanations.methods.sampling import balanced_pairs, hadamard, sized_pairs
from gadolin.explanations.methods.shap import shapley_values

PIECES = 12


def answers(kept):
    """A model of 12 segments: three count alone, two only together, one counts against."""
    score = 1.5 * kept[:, 0] + 0.8 * kept[:, 1] - 1.2 * kept[:, 2] + 2.0 * (kept[:, 3] & kept[:, 4]) - 1
    return 1 / (1 + np.exp(-score))


def every_subset():
    rows = np.array(list(product([False, True], repeat=PIECES)))
    return rows[(rows.sum(axis=1) > 0) & (rows.sum(axis=1) < PIECES)]


def package_lime(kept):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from lime.lime_base import LimeBase
        from sklearn.metrics import pairwise_distances
    rows = np.concatenate([np.ones((1, PIECES), bool), kept]).astype(float)
    likely = answers(rows.astype(bool))
    distances = pairwise_distances(rows, rows[:1], metric="cosine").ravel()
    base = LimeBase(lambda d: np.sqrt(np.exp(-(d**2) / 0.25**2)), random_state=np.random.RandomState(0))
    chosen = base.explain_instance_with_data(rows, np.stack([likely, 1 - likely], axis=1), distances, 0, PIECES)[1]
    worth = np.zeros(PIECES)
    for piece, weight in chosen:
        worth[piece] = weight
    return worth


def test_lime_is_the_packages_on_the_same_perturbations():
    kept = np.random.default_rng(0).random((600, PIECES)) < 0.5
    whole = np.concatenate([np.ones((1, PIECES), bool), kept])
    ours = linear_model(whole, answers(whole), kernel(whole))
    assert ours == pytest.approx(package_lime(kept), abs=1e-6)


@pytest.mark.slow
def test_shap_is_the_packages_over_every_subset():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import shap

        explainer = shap.KernelExplainer(lambda rows: answers(rows > 0.5), np.zeros((1, PIECES)))
        theirs = explainer.shap_values(np.ones(PIECES), nsamples=2**PIECES, l1_reg=False, silent=True)
    kept = every_subset()
    count = kept.sum(axis=1)
    from math import comb

    weights = np.array([(PIECES - 1) / (comb(PIECES, int(c)) * c * (PIECES - c)) for c in count])
    ends = (float(answers(np.zeros((1, PIECES), bool))[0]), float(answers(np.ones((1, PIECES), bool))[0]))
    ours = shapley_values(kept, answers(kept), weights, ends)
    assert ours == pytest.approx(np.asarray(theirs).ravel(), abs=1e-4)
    assert ours.sum() == pytest.approx(ends[1] - ends[0], abs=1e-9)


def test_sampled_shapley_values_come_near_the_exact_ones():
    kept = every_subset()
    ends = (float(answers(np.zeros((1, PIECES), bool))[0]), float(answers(np.ones((1, PIECES), bool))[0]))
    from math import comb

    count = kept.sum(axis=1)
    exact_weights = np.array([1 / (comb(PIECES, int(c)) * c * (PIECES - c)) for c in count])
    exact = shapley_values(kept, answers(kept), exact_weights, ends)
    rows, weights = sized_pairs(1000, PIECES, np.random.default_rng(0))
    sampled = shapley_values(rows, answers(rows), weights, ends)
    assert np.abs(sampled - exact).max() < 0.02
    assert np.corrcoef(sampled, exact)[0, 1] > 0.99


@pytest.mark.parametrize("order", [1, 2, 8, 64])
def test_rows_of_hadamard_matrices_are_orthogonal(order):
    matrix = hadamard(order).astype(int)
    assert (matrix @ matrix.T == order * np.eye(order)).all()


@given(st.integers(2, 70), st.integers(2, 400), st.integers(0, 9))
def test_balanced_pairs_keep_each_piece_half_of_the_time(pieces, samples, seed):
    kept = balanced_pairs(samples, pieces, np.random.default_rng(seed))
    assert kept.shape == (samples // 2 * 2, pieces)
    assert (kept[0::2] == ~kept[1::2]).all(), "each row is followed by its complement"
    assert (kept.mean(axis=0) == 0.5).all()


def test_in_a_whole_block_any_two_pieces_are_kept_together_as_chance_would_have_it():
    pieces = 20
    block = balanced_pairs(64, pieces, np.random.default_rng(0)).astype(int)
    together = block.T @ block
    assert (together[~np.eye(pieces, dtype=bool)] == 16).all()


@given(st.integers(2, 70), st.integers(2, 300), st.integers(0, 9))
def test_sized_pairs_are_neither_empty_nor_whole_and_sizes_come_evenly(pieces, samples, seed):
    kept, weights = sized_pairs(samples, pieces, np.random.default_rng(seed))
    count = kept.sum(axis=1)
    assert kept.shape == (samples // 2 * 2, pieces)
    assert (kept[0::2] == ~kept[1::2]).all()
    assert ((count > 0) & (count < pieces)).all()
    assert weights == pytest.approx(1 / (count * (pieces - count)))
    sizes = np.bincount(count[0::2], minlength=pieces)[1:]
    assert sizes.max() - sizes.min() <= 1 or samples // 2 < pieces - 1
