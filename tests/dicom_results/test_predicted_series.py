"""Tests of the predictions for a DICOM series: those of ``gadolin predict``, with outlines where they are reliable."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from answered_phantoms import write_answered_series
from gadolin.dicom_results.series import answer_series, read_series
from gadolin.models.predictor import Predictor
from gadolin.records import Failure
from gadolin.workflows.predict_files import predict_files

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def predictor():
    return Predictor.load()


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    """The files of a series of ten slices of which the packaged model names the tumour in most."""
    return [str(path) for path in write_answered_series(tmp_path_factory.mktemp("series"), 10)]


@pytest.fixture(scope="module")
def answered(predictor, series):
    return answer_series(predictor, read_series(series)[0])


def test_predictions_are_those_of_files(predictor, series, answered):
    result, failures = answered
    wanted = {one.path: replace(one, path="") for one in predict_files(predictor, series)}
    assert failures == []
    assert {one.source.path: replace(one.prediction, path="") for one in result.slices} == wanted


def test_outlines_are_those_of_the_explanations_that_overlays_show(predictor, series, answered):
    result, _ = answered
    drawn, _ = answer_series(predictor, read_series(series)[0], overlays=True)
    assert sum(one.is_outlined for one in result.slices) > 5
    for one, other in zip(result.slices, drawn.slices, strict=True):
        assert (one.outline is None) == (other.overlay is None)
        assert one.overlay is None
        assert np.array_equal(one.outline, other.outline)


def test_a_damaged_file_does_not_change_the_others(predictor, series, answered, tmp_path):
    damaged = tmp_path / "damaged.dcm"
    sources, _ = read_series(series)
    damaged.write_bytes(b"")
    broken = replace(sources[4], path=str(damaged))
    result, failures = answer_series(predictor, [*sources[:4], broken, *sources[5:]])
    assert [one.path for one in failures] == [str(damaged)]
    assert all(isinstance(one, Failure) for one in failures)
    wanted = [one.prediction for one in answered[0].slices if one.source.path != series[4]]
    assert [one.prediction for one in result.slices] == wanted
