"""One small interface over the runtimes that can execute a bundle's graph."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from gadolin.errors import BundleError, MissingExtraError, RequestError, suggestion
from gadolin.telemetry import import_onnxruntime, import_openvino

__all__ = ["OUTPUTS", "RUNTIMES", "STRANGENESS", "Answer", "Runtime", "open_runtime"]

OUTPUTS = ("logits", "features", "evidence")
STRANGENESS = "strangeness"
"""An output that a graph may have besides: how unlike everything that was learned from a slice is."""

_MOST_THREADS = 256

Floats = NDArray[np.float32]


class Answer(NamedTuple):
    """What a graph says of N slices, float32; ``strangeness`` is None where the graph does not tell it."""

    logits: Floats
    features: Floats
    evidence: Floats
    strangeness: Floats | None = None


class Runtime(Protocol):
    """Executes a graph; safe to call from several threads."""

    def __call__(self, prepared: NDArray[np.uint8]) -> Answer:
        """Return logits (N, K), features (N, F), evidence (N, K, h, w), strangeness (N,) of slices (N, H, H) uint8."""


class OnnxRuntime:
    """The graph on onnxruntime's CPU provider."""

    def __init__(self, graph: Path, threads: int) -> None:
        onnxruntime = import_onnxruntime()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise BundleError(
                code="network_unloadable",
                rule=f"the network cannot be loaded ({error})",
                remedy="fetch the bundle again",
                path=graph,
            ) from error
        told = any(output.name == STRANGENESS for output in self._session.get_outputs())
        self._outputs = (*OUTPUTS, STRANGENESS) if told else OUTPUTS

    def __call__(self, prepared: NDArray[np.uint8]) -> Answer:
        """See ``Runtime``."""
        return Answer(*self._session.run(self._outputs, {"slices": prepared}))


class OpenVino:
    """The graph on OpenVINO's CPU plug-in, at the precision that it prefers."""

    def __init__(self, graph: Path, threads: int) -> None:
        try:
            openvino = import_openvino()
        except ImportError as error:
            raise MissingExtraError(package="openvino", extra="openvino") from error
        options = {"PERFORMANCE_HINT": "LATENCY"} | ({"INFERENCE_NUM_THREADS": threads} if threads else {})
        try:
            self._compiled = openvino.Core().compile_model(str(graph), "CPU", options)
        except Exception as error:
            raise BundleError(
                code="network_unloadable",
                rule=f"the network cannot be loaded ({error})",
                remedy="fetch the bundle again",
                path=graph,
            ) from error
        told = any(STRANGENESS in output.get_names() for output in self._compiled.outputs)
        self._outputs = (*OUTPUTS, STRANGENESS) if told else OUTPUTS

    def __call__(self, prepared: NDArray[np.uint8]) -> Answer:
        """See ``Runtime``."""
        result = self._compiled.create_infer_request().infer([prepared])
        return Answer(*(np.array(result[name]) for name in self._outputs))


RUNTIMES: dict[str, Callable[[Path, int], Runtime]] = {"onnxruntime": OnnxRuntime, "openvino": OpenVino}


def open_runtime(graph: Path, name: str = "onnxruntime", *, threads: int = 0) -> Runtime:
    """Open a graph with the named runtime on ``threads`` threads, 0 for one per core.

    Raises RequestError for an unknown runtime or a number of threads outside 0 to 256, MissingExtraError where the
    runtime is not installed, BundleError where the graph cannot be loaded.
    """
    if name not in RUNTIMES:
        raise RequestError(
            code="runtime_unknown",
            rule=f"the runtime must be one of {', '.join(RUNTIMES)}",
            got=f"got {name!r}{suggestion(name, RUNTIMES)}",
        )
    if not 0 <= threads <= _MOST_THREADS:
        raise RequestError(
            code="threads_out_of_range",
            rule=f"threads must lie in 0 to {_MOST_THREADS}",
            got=f"got {threads}",
            remedy="take 0 for one per core",
        )
    return RUNTIMES[name](graph, threads or os.cpu_count() or 1)
