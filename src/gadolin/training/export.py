"""From trained weights to a bundle: ONNX, checked against torch before it counts."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import nn

from gadolin.datasets.manifest import file_digest
from gadolin.errors import ParityError
from gadolin.files.atomic import replacing
from gadolin.models.decision import softmax
from gadolin.models.runtime import OUTPUTS, SEQUENCE, open_runtime
from gadolin.networks.classifier import SequenceOutput

__all__ = ["TOLERANCE", "export_graph", "forget_origin"]

TOLERANCE = 1e-4


def export_graph(network: nn.Module, examples: NDArray[np.uint8], graph: Path) -> str:
    """Write ``network`` as an ONNX file whose batch size is free, and return its digest.

    ``examples`` (N, H, H) uint8, two slices or more, are put through torch and through the written graph: where a
    probability differs by more than ``TOLERANCE``, ParityError is raised and no file is left.
    """
    network = network.cpu().eval()
    with replacing(graph) as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quiet = logging.getLogger("torch.onnx")
        level = quiet.level
        quiet.setLevel(logging.ERROR)
        try:
            program = torch.onnx.export(
                network,
                (torch.from_numpy(np.array(examples[:2])),),
                input_names=["slices"],
                output_names=_output_names(network, examples),
                dynamic_shapes={"prepared": {0: torch.export.Dim("batch", min=1, max=65_536)}},
                dynamo=True,
                verbose=False,
            )
        finally:
            quiet.setLevel(level)
        assert program is not None, "only exports without dynamo return nothing"
        program.save(str(temporary), external_data=False)
        forget_origin(temporary)
        check_parity(network, examples, temporary)
    return file_digest(graph)


def _output_names(network: nn.Module, examples: NDArray[np.uint8]) -> list[str]:
    """Return the names of what the network gives, in order."""
    with torch.no_grad():
        given = network(torch.from_numpy(np.array(examples[:1])))
    return [*OUTPUTS, SEQUENCE] if isinstance(given, SequenceOutput) else list(OUTPUTS)


def forget_origin(graph: Path) -> None:
    """Write a graph anew without what torch notes beside each piece: lines of code, with the exporter's folders."""
    model = onnx.load(graph)
    noted = [model, model.graph, *model.functions]
    for part in (model.graph, *model.functions):
        noted += part.node
    noted += [*model.graph.input, *model.graph.output, *model.graph.value_info, *model.graph.initializer]
    for one in noted:
        del one.metadata_props[:]
        one.ClearField("doc_string")
    onnx.save(model, graph)


def check_parity(network: nn.Module, examples: NDArray[np.uint8], graph: Path) -> None:
    """Raise ParityError where the graph's probabilities differ from the network's by more than ``TOLERANCE``."""
    with torch.no_grad():
        wanted = softmax(network(torch.from_numpy(np.array(examples))).logits.numpy())
    got = softmax(open_runtime(graph)(np.array(examples))[0])
    difference = float(np.abs(wanted - got).max())
    if not difference <= TOLERANCE:
        raise ParityError(
            code="export_differs",
            rule=(f"the exported network must agree with the trained one within {TOLERANCE} in probability"),
            got=f"it differs by {difference:.2e}",
            remedy="report this with the versions of torch and onnxruntime",
        )
