"""Tests of the runtimes: each gives the same three outputs, and a graph that cannot be opened is a clear error."""

from __future__ import annotations

import builtins
import re
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from gadolin.errors import BundleError, MissingExtraError, RequestError
from gadolin.extras import extra_command
from gadolin.models.runtime import OUTPUTS, RUNTIMES, open_runtime

GAIN = 8.0


@pytest.fixture(scope="module")
def graph(make_bundle):
    return make_bundle().graph


@pytest.fixture
def slices(rng):
    return rng.integers(0, 256, (5, 64, 64)).astype(np.uint8)


@pytest.mark.parametrize("name", RUNTIMES)
@pytest.mark.slow
def test_every_runtime_computes_what_the_graph_says(graph, slices, name):
    if name == "openvino":
        pytest.importorskip("openvino")
    logits, features, evidence, ood_score, sequence = open_runtime(graph, name, threads=1)(slices)
    assert (ood_score, sequence) == (None, None)
    means = slices.reshape(5, 2, 32, 2, 32).mean(axis=(2, 4)).reshape(5, 4) / 255
    np.testing.assert_allclose(features, means, atol=2e-3)
    np.testing.assert_allclose(logits, GAIN * means, atol=2e-2)
    np.testing.assert_allclose(evidence.sum(axis=(2, 3)), logits, atol=2e-2)
    assert evidence.shape == (5, 4, 2, 2)
    assert {each.dtype for each in (logits, features, evidence)} == {np.dtype(np.float32)}


def test_the_runtimes_agree(graph, slices):
    pytest.importorskip("openvino")
    for one, other in zip(*(open_runtime(graph, name, threads=1)(slices)[:3] for name in RUNTIMES), strict=True):
        np.testing.assert_allclose(one, other, atol=2e-2)


@pytest.mark.parametrize("name", RUNTIMES)
def test_a_runtime_may_be_shared_between_threads(graph, slices, name):
    if name == "openvino":
        pytest.importorskip("openvino")
    runtime = open_runtime(graph, name, threads=1)
    alone = [runtime(slices[i : i + 1])[0] for i in range(5)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda i: runtime(slices[i % 5 : i % 5 + 1])[0], range(40)))
    for i, logits in enumerate(together):
        np.testing.assert_array_equal(logits, alone[i % 5])


def test_the_outputs_are_named_as_documented():
    assert OUTPUTS == ("logits", "features", "evidence")


def test_an_unknown_runtime_is_refused_with_a_suggestion(graph):
    with pytest.raises(RequestError) as caught:
        open_runtime(graph, "onxruntime")
    assert str(caught.value) == (
        "the runtime must be one of onnxruntime, openvino, got 'onxruntime' (did you mean 'onnxruntime'?)"
    )


@pytest.mark.parametrize("threads", [-1, 257, 100_000])
def test_a_number_of_threads_that_no_machine_should_start_is_refused(graph, threads):
    with pytest.raises(RequestError) as caught:
        open_runtime(graph, threads=threads)
    assert str(caught.value) == f"threads must be between 0 and 256, got {threads}; use 0 for one per core"


@pytest.mark.parametrize("name", RUNTIMES)
@pytest.mark.parametrize("content", [b"no network", b""])
def test_a_graph_that_is_none_is_a_bundle_error(tmp_path, name, content):
    if name == "openvino":
        pytest.importorskip("openvino")
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(BundleError) as caught:
        open_runtime(path, name)
    assert str(caught.value).startswith(f"{path}: the runtime must be able to load the network, it cannot (")
    assert str(caught.value).endswith("); download the bundle again")


def test_a_missing_package_is_told_with_its_install_command(graph, monkeypatch):
    original = builtins.__import__

    def without_openvino(name, *args, **kwargs):
        if name.partition(".")[0] == "openvino":
            raise ImportError(name)
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_openvino)
    with pytest.raises(MissingExtraError, match=rf"'openvino'.*{re.escape(extra_command('openvino'))}"):
        open_runtime(graph, "openvino")
