"""Numerical precisions of a bundle, and the criteria that each must pass for release.

A precision passes if it changes few predictions and abstentions, changes no probability much, and has no lower
accuracy. The fastest precision that passes is released; of equally fast ones the smaller.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from benchmarks.publish import markdown, percent
from gadolin.datasets.manifest import file_digest
from gadolin.models.bundle import Bundle, write_bundle
from gadolin.models.decision import Verdict, class_probabilities, decide
from gadolin.models.predictor import Predictor

FLIPPED = 0.002
"""Largest share of slices whose most probable class may change."""

DECIDED = 0.01
"""Largest share of slices that may change between label and abstention."""

CHANGE = 0.02
"""Largest change of a probability."""

_AS_FAST = 1.1
_CALIBRATION = 256
_TIMES = 40

Slices = NDArray[np.uint8]


@dataclass(frozen=True)
class Candidate:
    """A bundle in one precision, with its differences from 32 bits."""

    name: str
    bundle: Bundle
    flipped: int
    decided: int
    change: float
    accuracy: float
    milliseconds: float

    @property
    def mebibytes(self) -> float:
        """The size of the graph and the weights in MiB."""
        return sum(path.stat().st_size for path in (self.bundle.graph, self.bundle.weights)) / 2**20


def precisions(
    whole: Bundle, learned: Slices, held_out: Slices, truth: NDArray[np.int64], work: Path
) -> list[Candidate]:
    """Return the bundle in 32 bits, stored in 16 bits, and in 8 bits calibrated on training slices.

    Each has the weights for fine-tuning in 16 bits.
    """
    every = {
        "32 bits": _written(whole, onnx.load(whole.graph), work / "32"),
        "16 bits stored, computed in 32": half_precision(whole, work / "16"),
        "8 bits (convolutions)": eight_bits(whole, learned[:: max(1, len(learned) // _CALIBRATION)], work / "8"),
    }
    answers = [_answers(bundle, held_out) for bundle in every.values()]
    full, decided = answers[0]
    candidates = []
    times = _milliseconds([bundle.graph for bundle in every.values()], held_out[:1])
    for (name, bundle), (likely, verdicts), spent in zip(every.items(), answers, times, strict=True):
        candidates.append(
            Candidate(
                name,
                bundle,
                int((likely.argmax(1) != full.argmax(1)).sum()),
                sum(one != other for one, other in zip(verdicts, decided, strict=True)),
                float(np.abs(likely - full).max()),
                float((likely.argmax(1) == truth).mean()),
                spent,
            )
        )
    return candidates


def passing(candidates: list[Candidate], count: int) -> list[Candidate]:
    """Return the candidates that pass the criteria on ``count`` slices; the first (32 bits) always passes."""
    whole = candidates[0]
    return [
        one
        for one in candidates
        if one.flipped <= FLIPPED * count
        and one.decided <= DECIDED * count
        and one.change <= CHANGE
        and one.accuracy >= whole.accuracy
    ]


def chosen(candidates: list[Candidate], count: int) -> Candidate:
    """Return the smallest passing candidate that is nearly as fast as the fastest one."""
    good = passing(candidates, count)
    fastest = min(one.milliseconds for one in good)
    return min((one for one in good if one.milliseconds <= _AS_FAST * fastest), key=lambda one: one.mebibytes)


def table(candidates: list[Candidate], count: int) -> list[str]:
    """Return the table of candidates, and the chosen one."""
    good = passing(candidates, count)
    rows = [
        [
            one.name,
            f"{one.mebibytes:.1f}",
            str(one.flipped),
            str(one.decided),
            f"{one.change:.5f}",
            percent(one.accuracy),
            f"{one.milliseconds:.1f}",
            "yes" if one in good else "no",
        ]
        for one in candidates
    ]
    head = [
        "precision",
        "MiB with weights to train from",
        "labels changed",
        "decisions changed",
        "largest change of a probability",
        "accuracy",
        "ms a slice, one core",
        "passes",
    ]
    note = (
        f"On the {count} slices of the validation part, which has all sequences; accuracy is that of the most "
        "probable of the four classes, also on sequences for which the model predicts no kind of tumour. To pass, at "
        f"most {100 * FLIPPED:.1f} % of the labels and {100 * DECIDED:.0f} % of the decisions (label or abstention) "
        f"may change, no probability may change by more than {CHANGE}, and the accuracy must not fall. Packaged: "
        f"{chosen(candidates, count).name}."
    )
    return [*markdown(head, rows), "", note]


def half_precision(whole: Bundle, folder: Path) -> Bundle:
    """Write the bundle with weights stored in 16 bits; computation is in 32 bits."""
    model = onnx.load(whole.graph)
    kept = model.graph.initializer[:]
    del model.graph.initializer[:]
    for tensor in kept:
        value = numpy_helper.to_array(tensor)
        if value.dtype != np.float32 or value.size < 256:
            model.graph.initializer.append(tensor)
            continue
        stored = numpy_helper.from_array(value.astype(np.float16), f"{tensor.name}_16")
        model.graph.initializer.append(stored)
        model.graph.node.insert(0, helper.make_node("Cast", [stored.name], [tensor.name], to=onnx.TensorProto.FLOAT))
    return _written(whole, model, folder)


def eight_bits(whole: Bundle, slices: Slices, folder: Path) -> Bundle:
    """Write the bundle with 8-bit convolutions, calibrated on ``slices`` (N, H, H) uint8 (Jacob et al. 2018)."""
    name = onnx.load(whole.graph).graph.input[0].name

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self.coming: Iterator[dict[str, Slices]] = ({name: slices[at : at + 8]} for at in range(0, len(slices), 8))

        def get_next(self) -> dict[str, Slices] | None:
            return next(self.coming, None)

    with TemporaryDirectory() as scratch:
        plain, small = (str(Path(scratch) / each) for each in ("plain.onnx", "small.onnx"))
        quant_pre_process(str(whole.graph), plain, skip_symbolic_shape=True)
        quantize_static(
            plain,
            small,
            Reader(),
            op_types_to_quantize=["Conv"],
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
        return _written(whole, onnx.load(small), folder)


def _written(whole: Bundle, model: onnx.ModelProto, folder: Path) -> Bundle:
    """Write a bundle with another graph, and with 16-bit weights for fine-tuning."""
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(model, str(folder / whole.graph.name))
    weights = {
        name: each.half() if each.is_floating_point() else each for name, each in load_file(whole.weights).items()
    }
    with safe_open(whole.weights, "pt") as content:
        save_file(weights, folder / whole.weights.name, content.metadata())  # holds the name of the backbone
    digests = (file_digest(folder / path.name) for path in (whole.graph, whole.weights))
    small = replace(whole, folder=folder, graph_digest=next(digests), weights_digest=next(digests))
    write_bundle(small)
    return small


def _answers(bundle: Bundle, prepared: Slices) -> tuple[NDArray[np.float32], list[Verdict]]:
    """Return the probabilities (N, K) of prepared slices, and the verdicts without their probability."""
    predictor = Predictor.load(bundle.folder)
    output = predictor.run_network(prepared)
    sequences, odd = predictor.sequences(output), predictor.is_out_of_distribution(output).tolist()
    likely = class_probabilities(output.logits, bundle, sequences)
    verdicts = [
        decide(row, bundle, sequence, declined="out_of_distribution" if declined else None)._replace(p_tumour=None)
        for row, sequence, declined in zip(likely, sequences, odd, strict=True)
    ]
    return likely, verdicts


def _milliseconds(graphs: list[Path], one: Slices) -> list[float]:
    """Return the median milliseconds of each graph for a slice on one core; the graphs alternate."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    sessions = [
        onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"]) for graph in graphs
    ]
    times: list[list[float]] = [[] for _ in sessions]
    for _ in range(_TIMES):
        for session, own in zip(sessions, times, strict=True):
            start = time.perf_counter()
            session.run(None, {session.get_inputs()[0].name: one})
            own.append(time.perf_counter() - start)
    return [1000 * float(np.median(own)) for own in times]
