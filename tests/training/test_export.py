from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
import torch

from gadolin.datasets.manifest import file_digest
from gadolin.errors import ParityError
from gadolin.models.runtime import OUTPUTS, open_runtime
from gadolin.networks import MirrorAverage
from gadolin.training import export
from gadolin.training.export import TOLERANCE, check_parity, export_graph


@pytest.fixture(scope="module")
def examples():
    return np.random.default_rng(0).integers(0, 256, (5, 64, 64), dtype=np.uint8)


@pytest.fixture(scope="module", params=["default", "founding"])
def exported(request, tiny_network, examples, tmp_path_factory):
    """Export each kind of head once: the linear one with mirror averaging, the dense one without."""
    network = MirrorAverage(tiny_network(3)) if request.param == "default" else tiny_network(3, hidden=16)
    graph = tmp_path_factory.mktemp("export") / "bundle" / "model.onnx"
    return network, graph, export_graph(network, examples, graph)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_the_graph_says_what_the_network_says_for_any_number_of_slices(count, exported, examples):
    network, graph, _ = exported

    got = open_runtime(graph, threads=1)(examples[:count])[:3]
    with torch.no_grad():
        wanted = network(torch.from_numpy(examples[:count]))

    for name, one, other in zip(OUTPUTS, got, wanted, strict=True):
        np.testing.assert_allclose(one, other.numpy(), atol=TOLERANCE, err_msg=name)


def test_the_graph_is_one_file_whose_digest_is_returned(exported):
    _, graph, digest = exported

    assert digest == file_digest(graph)
    assert list(graph.parent.iterdir()) == [graph]


def test_the_graph_names_no_file_of_the_computer_that_wrote_it(exported):
    _, graph, _ = exported

    content = graph.read_bytes()

    assert not [word for word in (str(Path(torch.__file__).parent), str(Path.cwd()), ".py") if word.encode() in content]


@pytest.fixture
def stub_exporter(monkeypatch):
    """Replace the exporter by one that writes a few bytes, for tests of later steps."""
    program = SimpleNamespace(save=lambda path, external_data: onnx.save(onnx.ModelProto(), path))
    monkeypatch.setattr(torch.onnx, "export", lambda *args, **kwargs: program)


@pytest.mark.parametrize(
    "wrong", [lambda logits: logits + np.array([1, 0, 0]), lambda logits: logits * np.nan], ids=["off", "nan"]
)
def test_a_graph_that_says_something_else_is_refused_and_leaves_no_file(
    wrong, stub_exporter, tiny_network, examples, tmp_path, monkeypatch
):
    network = tiny_network(3).eval()

    def runtime(prepared):
        with torch.no_grad():
            logits, features, evidence = network(torch.from_numpy(prepared))
        return wrong(logits.numpy()), features.numpy(), evidence.numpy()

    monkeypatch.setattr(export, "open_runtime", lambda graph: runtime)

    with pytest.raises(ParityError) as caught:
        export_graph(network, examples, tmp_path / "model.onnx")
    assert caught.value.code == "export_differs"

    assert list(tmp_path.iterdir()) == []


def test_a_difference_within_the_tolerance_passes(tiny_network, examples, tmp_path, monkeypatch):
    network = tiny_network(3).eval()
    with torch.no_grad():
        logits = network(torch.from_numpy(examples)).logits.numpy() + np.array([1e-5, 0, 0], np.float32)
    monkeypatch.setattr(export, "open_runtime", lambda graph: lambda prepared: (logits, None, None))

    check_parity(network, examples, tmp_path / "model.onnx")
