"""LIME and SHAP against the packages lime and shap, with the same model, runtime, superpixels and fill.

    python -m benchmarks run explain MODEL DATA [--slices 3] [--seeds 2] [--reference 20000] [--parts ...]

MODEL is a run folder or a bundle, DATA a manifest. ``speed``: seconds for the same number of samples. ``agreement``:
rank correlation with the package's map of ``--reference`` samples and between seeds, by number of samples; samples and
seconds for a correlation of 0.8 and 0.95. ``memory``: over 200 explanations. Needs the extras explain and dev.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
import warnings
from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from benchmarks.explanations.outlined import outlined_records
from benchmarks.publish import markdown, publish
from gadolin.explanations import Options, explain
from gadolin.explanations.explained_slice import subject
from gadolin.explanations.methods.lime import kernel, linear_model
from gadolin.explanations.methods.sampling import balanced_pairs, sized_pairs
from gadolin.explanations.methods.shap import shapley_values
from gadolin.explanations.methods.superpixels import Superpixels, superpixels
from gadolin.models.predictor import Predictor
from gadolin.models.runtime import RUNTIMES
from gadolin.preprocessing.outlines import slice_and_mask
from gadolin.records import Record

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import shap as shap_package
    from lime.lime_image import LimeImageExplainer

PARTS = ("speed", "agreement", "memory")
SAMPLES = 1000
BUDGETS = (128, 256, 512, 1024, 2048)
AGREEMENTS = (0.8, 0.95)
EXPLANATIONS = 200

Worth = NDArray[np.float64]
Tool = Callable[[Superpixels, int, int], Worth]  # superpixels, samples, seed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--slices", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--reference", type=int, default=20_000)
    parser.add_argument("--runtime", default="onnxruntime", choices=sorted(RUNTIMES))
    parser.add_argument("--parts", nargs="+", default=PARTS, choices=PARTS)
    parser.add_argument("--write", action="store_true", help="store the result and render docs/")
    arguments = parser.parse_args()
    predictor = Predictor.load(arguments.model, runtime=arguments.runtime)
    records = outlined_records(arguments.data)
    cuts = [superpixels(subject(predictor, slice_and_mask(one)[0])) for one in records[: arguments.slices]]
    pace = {tool: [timed(tool, cut) for cut in cuts] for pair in PAIRS.values() for tool in pair}
    if "speed" in arguments.parts:
        publish(
            "explain-speed",
            "Speed of LIME and SHAP, compared with the packages",
            speed(cuts, pace),
            write=arguments.write,
        )
    if "agreement" in arguments.parts:
        lines = agreement(cuts, pace, arguments.reference, arguments.seeds)
        publish("explain-agreement", "How many samples LIME and SHAP need", lines, write=arguments.write)
    if "memory" in arguments.parts:
        lines = memory(predictor, records)
        publish("explain-memory", "Memory over many explanations", lines, write=arguments.write)


def our_lime(cut: Superpixels, samples: int, seed: int) -> Worth:
    kept = balanced_pairs(samples, cut.count, np.random.default_rng(seed))
    return linear_model(kept, cut.answers(kept), kernel(kept))


def our_shap(cut: Superpixels, samples: int, seed: int) -> Worth:
    kept, weights = sized_pairs(samples - 2, cut.count, np.random.default_rng(seed))
    ends = np.array([np.zeros(cut.count, np.bool_), np.ones(cut.count, np.bool_)])
    none, whole, *likely = cut.answers(np.concatenate([ends, kept])).tolist()
    return shapley_values(kept, np.array(likely), weights, (none, whole))


def their_lime(cut: Superpixels, samples: int, seed: int) -> Worth:
    """Run the package with our superpixels and fill; pixels outside the head are kept."""
    explainer = LimeImageExplainer(random_state=seed, verbose=False)
    colour, fill = (np.repeat(one[:, :, None], 3, axis=2) for one in (cut.subject.image.pixels, cut.without))
    segments = np.where(cut.labels < 0, cut.count, cut.labels)  # one more superpixel, whose fill is the image itself
    fill[segments == cut.count] = colour[segments == cut.count]

    def answer(pictures: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        return cut.subject.predict(np.stack(pictures)[..., 0])

    data, likely = explainer.data_labels(colour, fill, segments, answer, samples, batch_size=32)
    distances = 1 - data.sum(axis=1) / np.sqrt(np.maximum(data.sum(axis=1), 1) * data.shape[1])
    target = cut.subject.target
    _, weights, _, _ = explainer.base.explain_instance_with_data(
        data, likely, distances, target, data.shape[1], model_regressor=None, feature_selection="none"
    )
    return np.array([dict(weights)[piece] for piece in range(cut.count)])


def quick_lime(cut: Superpixels, samples: int, seed: int) -> Worth:
    """Return the package's map for its own random masks, without its slow rendering of images."""
    explainer = LimeImageExplainer(random_state=seed, verbose=False)
    data = np.random.RandomState(seed).randint(0, 2, samples * (cut.count + 1)).reshape(samples, cut.count + 1)
    data[0] = 1
    likely = cut.answers(data[:, :-1] > 0)[:, None]
    distances = 1 - data.sum(axis=1) / np.sqrt(np.maximum(data.sum(axis=1), 1) * data.shape[1])
    _, weights, _, _ = explainer.base.explain_instance_with_data(
        data, likely, distances, 0, data.shape[1], model_regressor=None, feature_selection="none"
    )
    return np.array([dict(weights)[piece] for piece in range(cut.count)])


def their_shap(cut: Superpixels, samples: int, seed: int) -> Worth:
    np.random.seed(seed)  # noqa: NPY002 - the package draws from numpy's own generator
    explainer = shap_package.KernelExplainer(lambda rows: cut.answers(rows > 0.5), np.zeros((1, cut.count)))
    values = explainer.shap_values(np.ones(cut.count), nsamples=samples, l1_reg=False, silent=True)
    return np.asarray(values, np.float64).ravel()


PAIRS: dict[str, tuple[Tool, Tool]] = {"lime": (our_lime, their_lime), "shap": (our_shap, their_shap)}
QUICK: dict[Tool, Tool] = {their_lime: quick_lime}


def timed(tool: Tool, cut: Superpixels) -> float:
    """Return the seconds for a map of SAMPLES samples."""
    start = time.perf_counter()
    tool(cut, SAMPLES, 0)
    return time.perf_counter() - start


def speed(cuts: Sequence[Superpixels], pace: dict[Tool, list[float]]) -> list[str]:
    """Return the table of seconds of both implementations for LIME and SHAP."""
    rows = []
    for method, (ours, theirs) in PAIRS.items():
        faster = statistics.median(their / our for our, their in zip(pace[ours], pace[theirs], strict=True))
        rows.append([method, "Gadolin", f"{statistics.median(pace[ours]):.2f}", f"{faster:.2f}"])
        rows.append([method, f"package {method}", f"{statistics.median(pace[theirs]):.2f}", "1.00"])
    pieces = statistics.median(cut.count for cut in cuts)
    return [
        *markdown(["method", "tool", f"s for {SAMPLES} samples", "times as fast"], rows),
        "",
        f"Medians over {len(cuts)} slices with a median of {pieces:.0f} superpixels. Both have the same model, "
        "runtime, superpixels and fill, and batches of 32.",
    ]


def agreement(cuts: Sequence[Superpixels], pace: dict[Tool, list[float]], reference: int, seeds: int) -> list[str]:
    """Return the table of rank correlations to the reference and between seeds, and the samples for AGREEMENTS."""
    lines = []
    for method, (ours, theirs) in PAIRS.items():
        references = [referred(QUICK.get(theirs, theirs), cut, reference) for cut in cuts]
        columns = [
            [alike(QUICK.get(tool, tool), cuts, references, samples, seeds) for samples in BUDGETS]
            for tool in (ours, theirs)
        ]
        rows = [
            [str(samples), *(f"{to:.3f}; {between:.3f}, {100 * same:.0f} %" for to, between, same in cells)]
            for samples, *cells in zip(BUDGETS, *columns, strict=True)
        ]
        each = [statistics.median(pace[tool]) / SAMPLES for tool in (ours, theirs)]
        for level in AGREEMENTS:
            needs = [needed([one[0] for one in column], level) for column in columns]
            rows.append([f"for {level}", *(f"{need:.0f}" if need else f"over {BUDGETS[-1]}" for need in needs)])
            seconds = ("" if need is None else f"{need * one:.1f} s" for need, one in zip(needs, each, strict=True))
            rows.append([f"time for {level}", *seconds])
        own = statistics.median(spearmanr(*halves).statistic for halves in references)
        lines += [*markdown([f"{method}: samples", "Gadolin", f"package {method}"], rows), ""]
        lines += [f"The two maps of the reference of {method} have a rank correlation of {own:.3f} (median).", ""]
    return [
        *lines,
        "Each cell has three figures. The first is the rank correlation (Spearman) with a reference map of the package "
        f"from {reference:,} samples (the mean of two maps with different seeds and half the samples each), as the "
        f"median over {len(cuts)} slices and {seeds} seeds. The second is the rank correlation between maps of two "
        "seeds, the third how often both have the same hottest superpixel. The rows that begin with “for” have the "
        "number of samples for which the first figure reaches that value, interpolated, and the time for them.",
    ]


def referred(tool: Tool, cut: Superpixels, samples: int) -> tuple[Worth, Worth]:
    """Return the package's maps of two seeds with half the samples each."""
    first, second = (tool(cut, samples // 2, seed) for seed in (98, 99))
    print(f"{tool.__name__}: halves of {samples} agree to {spearmanr(first, second).statistic:.3f}", flush=True)
    return first, second


def alike(
    tool: Tool, cuts: Sequence[Superpixels], references: Sequence[tuple[Worth, Worth]], samples: int, seeds: int
) -> tuple[float, float, float]:
    """Return the median correlation to the references and between seeds, and how often seeds share the maximum."""
    to, between, same = [], [], []
    for cut, halves in zip(cuts, references, strict=True):
        worths = [tool(cut, samples, seed) for seed in range(seeds)]
        to += [float(spearmanr(worth, sum(halves)).statistic) for worth in worths]
        for one, other in combinations(worths, 2):
            between.append(float(spearmanr(one, other).statistic))
            same.append(bool(one.argmax() == other.argmax()))
    found = statistics.median(to), statistics.median(between), statistics.fmean(same)
    print(f"{tool.__name__}, {samples} samples: {found}", flush=True)
    return found


def needed(reached: Sequence[float], level: float) -> float | None:
    """Return the number of samples for a level, interpolated between the budgets; None if none reaches it."""
    for place, value in enumerate(reached):
        if value >= level:
            if not place:
                return float(BUDGETS[0])
            share = (level - reached[place - 1]) / (value - reached[place - 1])
            return math.exp(math.log(BUDGETS[place - 1]) * (1 - share) + math.log(BUDGETS[place]) * share)
    return None


def memory(predictor: Predictor, records: Sequence[Record]) -> list[str]:
    """Return the resident memory of the process during many explanations."""
    images = [slice_and_mask(record)[0] for record in records[:20]]
    held = []
    for turn in range(EXPLANATIONS + len(images)):
        method = ("lime", "shap", "evidence")[turn % 3]
        explain(predictor, images[turn % len(images)], method=method, options=Options(samples=100))
        if turn >= len(images):
            held.append(resident())
    rows = [[str(count), f"{held[count - 1]:.0f}"] for count in (1, EXPLANATIONS // 2, EXPLANATIONS)]
    return [
        *markdown(["explanations", "memory, MiB"], rows),
        "",
        "Memory of the process after so many explanations by lime, shap and evidence in turn, of which the first came "
        f"after {len(images)} others.",
    ]


def resident() -> float:
    """Return the resident memory of this process in MiB (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20
