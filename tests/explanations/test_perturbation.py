"""Tests of LIME and SHAP on models with known answers."""

from __future__ import annotations

import numpy as np
import pytest

from gadolin.errors import RequestError
from gadolin.explanations import Options, explain
from gadolin.explanations.baselines import FILLS
from gadolin.explanations.explained_slice import subject
from gadolin.explanations.methods.superpixels import superpixels
from gadolin.models.predictor import Predictor
from gadolin.preprocessing.prepare import Preparation
from gadolin.records import Slice

OPTIONS = Options(samples=400, pieces=30, grids=1)


@pytest.mark.parametrize("method", ["lime", "shap"])
def test_heat_lies_where_the_model_looks(method, head, square, looks_at_square):
    found = explain(looks_at_square, head, method=method, options=OPTIONS, label="0")
    assert found.heat.shape == head.pixels.shape
    assert found.heat.dtype == np.float32
    row, column = np.unravel_index(found.heat.argmax(), found.heat.shape)
    cut = superpixels(subject(looks_at_square, head, "0"), count=30)
    assert cut.labels[row, column] in cut.labels[square]


@pytest.mark.parametrize("method", ["lime", "shap"])
def test_a_constant_model_gives_no_heat(method, head):
    found = explain(lambda pixels: np.full((len(pixels), 2), 0.5, np.float32), head, method=method, options=OPTIONS)
    assert np.abs(found.heat).max() < 1e-6


@pytest.mark.parametrize("method", ["lime", "shap"])
def test_the_same_seed_gives_the_same_map_and_another_one_another(method, head, looks_at_square):
    maps = [
        explain(looks_at_square, head, method=method, options=Options(samples=100, pieces=30, seed=seed)).heat
        for seed in (0, 0, 1)
    ]
    assert (maps[0] == maps[1]).all()
    assert (maps[0] != maps[2]).any()


def test_shapley_values_sum_to_what_the_pieces_change(head, looks_at_square):
    cut = superpixels(subject(looks_at_square, head, "0"), count=30)
    ends = cut.answers(np.array([[False] * cut.count, [True] * cut.count]))
    heat = explain(looks_at_square, head, method="shap", options=OPTIONS, label="0").heat
    worth = [heat[cut.labels == piece].mean() for piece in range(cut.count)]
    assert sum(worth) == pytest.approx(ends[1] - ends[0], abs=1e-4)


@pytest.mark.parametrize(("bits", "size"), [(8, 64), (8, 128), (12, 64)])
def test_pieces_that_were_prepared_once_are_asked_about_as_drawn_ones_are(bits, size, head, make_bundle):
    predictor = Predictor.load(make_bundle(preparation=Preparation(size=size)).folder, threads=1)
    image = Slice(head.pixels * (16 if bits == 12 else 1) - (bits == 12) * 100, bits=bits)
    cut = superpixels(subject(predictor, image), count=30)
    kept = np.random.default_rng(0).random((70, cut.count)) < 0.5

    drawn = cut.drawn(kept)
    summed = cut.prepared_once()(kept)

    assert np.ptp(drawn[:, cut.subject.target]) > 0.01, "the segments matter"
    assert np.abs(drawn - summed).max() < 1e-3, "one pixel may round the other way"
    assert np.abs(cut.answers(kept) - drawn[:, cut.subject.target]).max() < 1e-3


def test_superpixels_cover_the_head_and_nothing_else(head, looks_at_square):
    cut = superpixels(subject(looks_at_square, head, "0"), count=30)
    assert 20 <= cut.count <= 40
    assert set(np.unique(cut.labels)) == {-1, *range(cut.count)}
    assert (cut.labels[head.pixels > 60] >= 0).mean() > 0.97
    assert (cut.labels[:, :30] == -1).all()


@pytest.mark.parametrize("method", ["lime", "shap"])
def test_several_grids_share_the_samples_and_their_mean_is_finer_than_any_piece(method, head, square, looks_at_square):
    one, four = (
        explain(looks_at_square, head, method=method, label="0", options=Options(samples=400, pieces=20, grids=grids))
        for grids in (1, 4)
    )

    assert four.samples <= 400
    row, column = np.unravel_index(four.heat.argmax(), four.heat.shape)
    assert four.heat[square].mean() > np.quantile(four.heat, 0.95)
    assert len(np.unique(four.heat)) > 2 * len(np.unique(one.heat))
    assert (four.heat == four.heat[row, column]).sum() < (one.heat == one.heat.max()).sum()


@pytest.mark.parametrize("method", ["lime", "shap"])
def test_few_samples_are_not_spread_over_many_grids(method, head, looks_at_square):
    few, one = (
        explain(looks_at_square, head, method=method, options=Options(samples=100, pieces=30, grids=grids)).heat
        for grids in (4, 1)
    )
    assert (few == one).all()


@pytest.mark.parametrize("fill", FILLS)
def test_what_is_taken_away_is_filled_and_the_rest_stays(fill, head):
    seen = []

    def watch(pixels):
        seen.extend(pixels)
        return np.full((len(pixels), 2), 0.5, np.float32)

    cut = superpixels(subject(watch, head), count=12, fill=fill)
    kept = np.ones((1, cut.count), bool)
    kept[0, 3] = False
    cut.answers(kept)
    gone = cut.labels == 3
    assert (seen[-1][~gone] == head.pixels[~gone]).all()
    assert np.isfinite(seen[-1]).all()
    assert np.abs(seen[-1][gone] - head.pixels[gone]).mean() > 1


def test_the_crop_of_a_model_is_frozen_for_every_perturbation(head):
    """Removing the whole head must not move the crop: every perturbation uses the grid of the slice."""
    shapes = set()

    def watch(pixels):
        shapes.add(pixels.shape[1:])
        return np.full((len(pixels), 2), 0.5, np.float32)

    explain(watch, head, method="lime", options=OPTIONS)
    assert shapes == {head.pixels.shape}


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"method": "limee"}, "method_unknown"),
        ({"label": "2"}, "class_unknown"),
        ({"options": Options(samples=20, pieces=30)}, "samples_out_of_range"),
        ({"options": Options(pieces=1)}, "pieces_out_of_range"),
        ({"options": Options(fill="blurr")}, "fill_unknown"),
        ({"method": "evidence"}, "method_needs_predictor"),
        ({"classes": ("one", "two", "three")}, "shape_mismatch"),
    ],
)
def test_what_cannot_be_explained_is_refused_in_one_line(changed, code, head, looks_at_square):
    with pytest.raises(RequestError) as caught:
        explain(looks_at_square, head, **{"method": "lime", **changed})
    assert caught.value.code == code
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("pixels", [np.zeros((80, 80), np.float32), np.full((80, 80), 200, np.float32)])
def test_a_slice_without_a_head_is_refused(pixels, looks_at_square):
    with pytest.raises(RequestError) as caught:
        explain(looks_at_square, Slice(pixels), method="lime")
    assert caught.value.code == "no_head_found"


def test_a_callable_that_returns_no_probabilities_is_refused(head):
    with pytest.raises(RequestError) as caught:
        explain(lambda pixels: np.ones((len(pixels), 2), np.float32), head, method="lime")
    assert caught.value.code == "not_probabilities"


@pytest.mark.parametrize("settings", [{"samples": 1}, {"seed": -1}, {"grids": 0}])
def test_options_that_make_no_map_are_refused(settings):
    with pytest.raises(RequestError) as caught:
        Options(**settings)
    assert caught.value.code == f"{next(iter(settings))}_out_of_range"
