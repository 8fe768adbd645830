"""The runtimes that execute a bundle's graph, behind one interface."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol
from weakref import WeakSet

import numpy as np
from numpy.typing import NDArray

from gadolin.datasets.manifest import file_digest
from gadolin.errors import BundleError, GadolinError, MissingExtraError, RequestError, suggestion
from gadolin.registry import Registry
from gadolin.telemetry import import_onnxruntime, import_openvino

__all__ = [
    "OOD_SCORE",
    "OUTPUTS",
    "RUNTIMES",
    "SEQUENCE",
    "MakeRuntime",
    "NetworkOutput",
    "Opened",
    "Runtime",
    "open_runtime",
]

OUTPUTS = ("logits", "features", "evidence")
OOD_SCORE = "strangeness"
"""Name of an optional graph output: the out-of-distribution score."""
SEQUENCE = "sequence"
"""Name of an optional graph output: the probability of each MRI sequence that the bundle lists."""
_OPTIONAL = {OOD_SCORE: "ood_score", SEQUENCE: "sequence"}

_MOST_THREADS = 256

Floats = NDArray[np.float32]


class NetworkOutput(NamedTuple):
    """Outputs of a graph for N slices, float32; ``ood_score`` and ``sequence`` are None if the graph lacks them."""

    logits: Floats
    features: Floats
    evidence: Floats
    ood_score: Floats | None = None
    sequence: Floats | None = None

    @classmethod
    def named(cls, names: Sequence[str], values: Sequence[Floats]) -> NetworkOutput:
        """Return the outputs of a graph from their names and values."""
        return cls(**{_OPTIONAL.get(name, name): value for name, value in zip(names, values, strict=True)})

    def rows(self) -> list[NetworkOutput]:
        """Return N outputs of one slice each."""
        return [
            NetworkOutput(*(None if part is None else part[row : row + 1] for part in self))  # type: ignore[arg-type]  # only the last two may be None
            for row in range(len(self.logits))
        ]

    @classmethod
    def joined(cls, outputs: Sequence[NetworkOutput]) -> NetworkOutput:
        """Concatenate one or more outputs of one graph along the slices."""
        parts = (None if part[0] is None else np.concatenate(part) for part in zip(*outputs, strict=True))
        return cls(*parts)  # type: ignore[arg-type]  # only the last two may be None


class Runtime(Protocol):
    """Executes a graph; thread-safe."""

    def __call__(self, prepared: NDArray[np.uint8]) -> NetworkOutput:
        """Return the outputs for slices (N, H, H) uint8.

        Logits (N, K), features (N, F), evidence (N, K, h, w) and, if the graph has them, ood_score (N,) and
        sequence (N, S).
        """


MakeRuntime = Callable[[Path, int], Runtime]
"""Opens the ONNX graph of a bundle on a number of threads, 1 or more."""


def _unknown(name: str, known: tuple[str, ...]) -> RequestError:
    return RequestError(
        code="runtime_unknown",
        rule=f"the runtime must be one of {', '.join(known)}",
        got=f"got {name!r}{suggestion(name, known)}",
    )


RUNTIMES: Registry[MakeRuntime] = Registry(
    "gadolin.runtimes", "a callable from a graph's path and threads to a runtime", callable, _unknown
)
"""The runtimes by name."""


@RUNTIMES.register("onnxruntime")
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
            raise _unloadable(graph, error) from error
        known = {output.name for output in self._session.get_outputs()}
        self._outputs = [*OUTPUTS, *(name for name in _OPTIONAL if name in known)]

    def __call__(self, prepared: NDArray[np.uint8]) -> NetworkOutput:
        """See ``Runtime``."""
        return NetworkOutput.named(self._outputs, self._session.run(self._outputs, {"slices": prepared}))


@RUNTIMES.register("openvino")
class OpenVino:
    """The graph on OpenVINO's CPU plug-in, at its default precision."""

    def __init__(self, graph: Path, threads: int) -> None:
        try:
            openvino = import_openvino()
        except ImportError as error:
            raise MissingExtraError(package="openvino", extra="openvino") from error
        options = {"PERFORMANCE_HINT": "LATENCY"} | ({"INFERENCE_NUM_THREADS": threads} if threads else {})
        try:
            self._compiled = openvino.Core().compile_model(str(graph), "CPU", options)
        except Exception as error:
            raise _unloadable(graph, error) from error
        known = {name for output in self._compiled.outputs for name in output.get_names()}
        self._outputs = [*OUTPUTS, *(name for name in _OPTIONAL if name in known)]

    def __call__(self, prepared: NDArray[np.uint8]) -> NetworkOutput:
        """See ``Runtime``."""
        result = self._compiled.create_infer_request().infer([prepared])
        return NetworkOutput.named(self._outputs, [np.array(result[name]) for name in self._outputs])


def _unloadable(graph: Path, error: Exception) -> BundleError:
    return BundleError(
        code="network_unloadable",
        rule="the runtime must be able to load the network",
        got=f"it cannot ({error})",
        remedy="download the bundle again",
        path=graph,
    )


class Opened:
    """A graph opened by a registered runtime; a forked process opens it again at its first call.

    A forked process lacks the threads of the session. It must neither use nor destroy the session, because the
    destructor would wait for these threads; so it leaks the session.
    """

    def __init__(self, graph: Path, name: str, threads: int, digest: str) -> None:
        self.name = name
        self.threads = threads
        self._graph = graph
        self._digest = digest
        self._session: Runtime | None = self._open()
        _OPENED.add(self)

    def __call__(self, prepared: NDArray[np.uint8]) -> NetworkOutput:
        """See ``Runtime``; raises BundleError if the graph has changed before a forked process opens it."""
        session = self._session
        if session is None:
            if self._digest and file_digest(self._graph) != self._digest:
                raise BundleError(
                    code="bundle_changed",
                    rule="the network must match the digest in bundle.json",
                    got="its digest differs",
                    remedy="load the model again",
                    path=self._graph,
                )
            session = self._session = self._open()
        return session(prepared)

    def leave_behind(self) -> None:
        """Drop the session without destroying it, in a forked process."""
        if self._session is not None:
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._session))
            self._session = None

    def _open(self) -> Runtime:
        try:
            return RUNTIMES.get(self.name)(self._graph, self.threads or os.cpu_count() or 1)
        except (GadolinError, ImportError):
            raise
        except Exception as error:  # a plug-in may raise anything
            raise _unloadable(self._graph, error) from error


_OPENED: WeakSet[Opened] = WeakSet()


def _leave_sessions_behind() -> None:
    for one in list(_OPENED):
        one.leave_behind()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_sessions_behind)


def open_runtime(graph: Path, name: str = "onnxruntime", *, threads: int = 0, digest: str = "") -> Opened:
    """Open a graph with the runtime ``name`` on ``threads`` threads, 0 for one per core.

    A forked process compares ``digest`` with that of the graph before it opens it again; "" skips the check.

    Raises RequestError for an unknown runtime or a number of threads outside 0 to 256, MissingExtraError if the
    runtime is not installed, BundleError if the graph cannot be loaded.
    """
    RUNTIMES.get(name)
    if not 0 <= threads <= _MOST_THREADS:
        raise RequestError(
            code="threads_out_of_range",
            rule=f"threads must be between 0 and {_MOST_THREADS}",
            got=f"got {threads}",
            remedy="use 0 for one per core",
        )
    return Opened(graph, name, threads, digest)
