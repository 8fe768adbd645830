"""Promises of the recognised sequence: a classifier on the features, and the same in the graph."""

from __future__ import annotations

import numpy as np
import pytest

from gadolin.manifest import file_digest
from gadolin.runtime import open_runtime
from gadolin.training.sequences import add_sequence, fit_sequences


@pytest.fixture
def features(rng):
    """Return 240 features of 4 values and their sequences: T2 is far along one axis, T1 along another."""
    names = rng.choice(["T1", "T2", "FLAIR", ""], 240, p=[0.6, 0.2, 0.1, 0.1])
    values = rng.normal(0, 0.3, (240, 4)) + np.array([5, -3, 0, 100])
    values[names == "T1", 0] += 4
    values[names == "T2", 1] += 4
    return values.astype(np.float32), names


def test_sequences_that_differ_are_told_apart_however_rare_they_are(features):
    values, names = features
    probe = fit_sequences(values, list(names))

    assert probe.names == ("FLAIR", "T1", "T2")
    said = np.array(probe.names)[(values @ probe.weights + probe.bias).argmax(1)]
    for name in probe.names:
        assert (said == name)[names == name].mean() > 0.98


@pytest.mark.parametrize("names", [["T1"] * 5, [""] * 5])
def test_one_sequence_alone_is_nothing_to_recognise(rng, names):
    assert fit_sequences(rng.normal(size=(5, 4)), names) is None


def test_the_graph_says_what_the_classifier_does(make_bundle, rng):
    graph = make_bundle().graph
    slices = rng.integers(0, 256, (12, 64, 64)).astype(np.uint8)
    before = open_runtime(graph)(slices)
    probe = fit_sequences(before.features, ["T1", "T2", "PD"] * 4)

    digest = add_sequence(graph, probe)

    after = open_runtime(graph)(slices)
    assert digest == file_digest(graph)
    np.testing.assert_array_equal(after.logits, before.logits)
    exponent = np.exp(before.features @ probe.weights + probe.bias)
    np.testing.assert_allclose(after.sequence, exponent / exponent.sum(1, keepdims=True), atol=1e-4)
    assert before.sequence is None
    assert [one.sequence.shape for one in after.rows()] == [(1, 3)] * 12
