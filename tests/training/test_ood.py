"""Tests of OOD detection: it accepts the training data, and the graph computes the same score."""

from __future__ import annotations

import numpy as np
import pytest

from gadolin.datasets.manifest import file_digest
from gadolin.models.runtime import RUNTIMES, open_runtime
from gadolin.training.ood import add_ood_score, fit_ood_detector, fit_ood_threshold


@pytest.fixture
def clouds(rng):
    """Two classes of 400 points in 6 dimensions, one elongated in the first, and their labels."""
    spread = np.array([10, 1, 1, 1, 1, 0.1])
    points = rng.normal(size=(800, 6)) * spread
    points[400:, 1] += 8
    return points, np.repeat([0, 1], 400)


def test_what_was_learned_from_is_about_one_away(clouds):
    points, targets = clouds

    gate = fit_ood_detector(points, targets, points)

    away = gate.ood_score(points)
    assert away.shape == (800,)
    assert np.sqrt((away**2).mean()) * gate.unit == pytest.approx(1, abs=0.05)
    assert 0 < (away > 1).sum() <= 4, "about half of the allowed share has a score above 1"


def test_a_step_counts_by_how_far_the_slices_spread_that_way(clouds):
    gate = fit_ood_detector(*clouds, clouds[0])

    steps = np.array([[10, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 2.0], [0, 4, 0, 0, 0, 0]])
    along, across, between = gate.unit * gate.ood_score(steps)

    assert along < 1
    assert between == pytest.approx(4 / np.sqrt(6), rel=0.1)
    assert across > 5


def test_the_nearest_class_counts(clouds):
    gate = fit_ood_detector(*clouds, clouds[0])

    first, second = gate.ood_score(np.array([[0, 0, 0, 0, 0, 0], [0, 8, 0, 0, 0, 0.0]]))

    assert max(first, second) < 0.2


def test_what_is_like_the_other_things_shown_is_strange_though_it_lies_near(clouds, rng):
    points, targets = clouds
    others = rng.normal(size=(50, 6)) * [1, 1, 1, 1, 0.3, 0.1] + [0, 0, 0, 0, 3.2, 0]
    new = rng.normal(size=(200, 6)) * [1, 1, 1, 1, 0.3, 0.1] + [0, 0, 0, 0, 3.2, 0]

    without, shown = (fit_ood_detector(points, targets, points, foreign) for foreign in (None, others))

    assert (without.ood_score(new) > fit_ood_threshold(without.ood_score(points))).mean() < 0.6
    assert (shown.ood_score(new) > fit_ood_threshold(shown.ood_score(points))).mean() > 0.9


def test_fewer_slices_than_features_make_a_gate_too(rng):
    points = rng.normal(size=(10, 40))

    away = fit_ood_detector(points, np.arange(10) % 2, points).ood_score(np.vstack([points, 20 * np.ones((1, 40))]))

    assert np.isfinite(away).all()
    assert away[-1] > 3 * away[:-1].max()


def test_the_bound_declines_no_more_than_its_share(rng):
    known = rng.random(1000)

    limit = fit_ood_threshold(known, 0.05)

    assert 0.03 < (known > limit).mean() <= 0.05


def test_the_bound_of_a_few_slices_lies_beyond_them_all(rng):
    assert fit_ood_threshold(np.array([0.5, 1.0, 0.8])) == pytest.approx(1.25)


@pytest.mark.parametrize("name", RUNTIMES)
def test_the_graph_tells_the_strangeness_and_everything_else_as_before(name, make_bundle, rng, tmp_path):
    if name == "openvino":
        pytest.importorskip("openvino")
    graph = make_bundle(tmp_path).graph
    quadrants = rng.integers(0, 256, (40, 2, 2)).astype(np.uint8)  # far apart, because OpenVINO may compute in 16 bits
    slices = quadrants.repeat(32, axis=1).repeat(32, axis=2)
    before = open_runtime(graph, name, threads=1)(slices)
    gate = fit_ood_detector(before.features[:30], np.arange(30) % 2, before.features, before.features[:3] + 1)

    digest = add_ood_score(graph, gate)

    after = open_runtime(graph, name, threads=1)(slices)
    assert digest == file_digest(graph)
    for one, other in zip(before[:3], after[:3], strict=True):
        np.testing.assert_array_equal(one, other)
    assert after.ood_score.dtype == np.float32
    np.testing.assert_allclose(after.ood_score, gate.ood_score(before.features), rtol=0.05)


def test_coarse_slices_are_no_reason_to_decline(rng):
    points = rng.normal(size=(400, 6))
    shift, other = np.array([0, 0, 0, 0, 0, 3.0]), np.array([0, 0, 0, 0, 3.0, 0])
    others = rng.normal(size=(150, 6)) * 0.5 + shift + other  # images of other things, all coarse
    coarse = rng.normal(size=(150, 6)) * 0.5 + shift

    without, shown = (fit_ood_detector(points, np.arange(400) % 2, points, others, more) for more in (None, coarse))

    new = rng.normal(size=(300, 6)) * 0.5 + shift
    declined = [(one.ood_score(new) > fit_ood_threshold(one.ood_score(points))).mean() for one in (without, shown)]
    assert declined[1] < declined[0] / 2
    assert (shown.ood_score(new + other) > fit_ood_threshold(shown.ood_score(points))).mean() > 0.5
