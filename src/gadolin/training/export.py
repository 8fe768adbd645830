"""Export a trained network to ONNX, with a parity check against torch."""

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
    """Write ``network`` as an ONNX file with a dynamic batch size, and return its digest.

    ``examples`` (N, H, H) uint8, two slices or more, are run through torch and the written graph; if a probability
    differs by more than ``TOLERANCE``, ParityError is raised and no file is left.
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
        assert program is not None, "only an export without dynamo returns None"
        program.save(str(temporary), external_data=False)
        forget_origin(temporary)
        check_parity(network, examples, temporary)
    return file_digest(graph)


def _output_names(network: nn.Module, examples: NDArray[np.uint8]) -> list[str]:
    """Return the names of the network's outputs, in order."""
    with torch.no_grad():
        output = network(torch.from_numpy(np.array(examples[:1])))
    return [*OUTPUTS, SEQUENCE] if isinstance(output, SequenceOutput) else list(OUTPUTS)


def forget_origin(graph: Path) -> None:
    """Rewrite a graph without torch's metadata, which contains lines of code and paths of the exporting machine."""
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
    """Raise ParityError if the graph's probabilities differ from the network's by more than ``TOLERANCE``."""
    with torch.no_grad():
        expected = softmax(network(torch.from_numpy(np.array(examples))).logits.numpy())
    got = softmax(open_runtime(graph)(np.array(examples))[0])
    difference = float(np.abs(expected - got).max())
    if not difference <= TOLERANCE:
        raise ParityError(
            code="export_differs",
            rule=f"the exported network must agree with the trained one within {TOLERANCE} in probability",
            got=f"it differs by {difference:.2e}",
            remedy="report this with the versions of torch and onnxruntime",
        )
