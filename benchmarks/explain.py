"""LIME and SHAP beside the packages lime and shap: the same model, runtime, superpixels and fill.

    python benchmarks/explain.py MODEL DATA [--slices 6] [--seeds 3] [--reference 20000] [--parts ...]

MODEL is a run folder or a bundle, DATA a manifest. Seconds of the same number of samples; how many samples, and
seconds, each needs for a median rank correlation of 0.95 with the package's map of ``--reference`` samples; how alike
maps of different seeds are; and memory over 200 explanations. ``--write`` puts the results into docs/results.md. The
needed extras are explain and dev.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from gadolin.evaluate.assess import tested_records
from gadolin.explanations import Options, explain
from gadolin.explanations.lime import kernel, linear_model
from gadolin.explanations.sampling import balanced_pairs, sized_pairs
from gadolin.explanations.shapley import shapley_values
from gadolin.explanations.subject import subject
from gadolin.explanations.superpixels import Superpixels, superpixels
from gadolin.outlines import slice_and_mask
from gadolin.predictor import Predictor
from gadolin.records import Record
from gadolin.sources import scan
from publish import markdown, publish

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import shap as shap_package
    from lime.lime_image import LimeImageExplainer

PARTS = ("speed", "stability", "memory")
SAMPLES = 1000
BUDGETS = (64, 128, 256, 512, 1024, 2048, 4096, 8192)
STABLE = (128, 256, 512, 1000, 2000)
AGREEMENT = 0.95
EXPLANATIONS = 200

Worth = NDArray[np.float64]
Tool = Callable[[Superpixels, int, int], Worth]  # superpixels, samples, seed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--slices", type=int, default=6)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--reference", type=int, default=20_000, help="0 asks for seconds alone")
    parser.add_argument("--parts", nargs="+", default=PARTS, choices=PARTS)
    parser.add_argument("--write", action="store_true", help="put the result into docs/results.md")
    arguments = parser.parse_args()
    predictor = Predictor.load(arguments.model)
    records = turn_about([record for record in tested_records(scan(arguments.data).records) if record.outlined])
    if "speed" in arguments.parts:
        lines = speed(predictor, records[: arguments.slices], arguments.reference, arguments.seeds)
        publish("explain-speed", "LIME and SHAP beside the packages", lines, write=arguments.write)
    if "stability" in arguments.parts:
        lines = stability(predictor, records[: arguments.slices], arguments.seeds)
        publish("explain-stability", "LIME and SHAP from seed to seed", lines, write=arguments.write)
    if "memory" in arguments.parts:
        lines = memory(predictor, records)
        publish("explain-memory", "Memory over many explanations", lines, write=arguments.write)


def turn_about(records: Sequence[Record]) -> list[Record]:
    """Return the records, class after class in turn, patients mixed."""
    order = np.random.default_rng(0).permutation(len(records)).tolist()
    classes: dict[str, Iterator[Record]] = {
        label: iter([records[place] for place in order if records[place].label == label])
        for label in sorted({record.label for record in records})
    }
    turns = [next(classes[label], None) for _ in range(len(records)) for label in classes]
    return [record for record in turns if record is not None]


def our_lime(cut: Superpixels, samples: int, seed: int) -> Worth:
    kept = balanced_pairs(samples, cut.count, np.random.default_rng(seed))
    return linear_model(kept, cut.answers(kept), kernel(kept))


def our_shap(cut: Superpixels, samples: int, seed: int) -> Worth:
    kept, weights = sized_pairs(samples - 2, cut.count, np.random.default_rng(seed))
    ends = np.array([np.zeros(cut.count, np.bool_), np.ones(cut.count, np.bool_)])
    none, whole = cut.answers(ends).tolist()
    return shapley_values(kept, cut.answers(kept), weights, (none, whole))


def their_lime(cut: Superpixels, samples: int, seed: int) -> Worth:
    """Ask the package with our superpixels and fill in place of its own; what lies outside the head stays."""
    explainer = LimeImageExplainer(random_state=seed, verbose=False)
    colour, fill = (np.repeat(one[:, :, None], 3, axis=2) for one in (cut.subject.image.pixels, cut.without))
    segments = np.where(cut.labels < 0, cut.count, cut.labels)  # a piece more, which shows the same with and without
    fill[segments == cut.count] = colour[segments == cut.count]

    def answer(pictures: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        return cut.subject.predict(np.stack(pictures)[..., 0])

    data, likely = explainer.data_labels(colour, fill, segments, answer, samples, batch_size=32)
    distances = 1 - data.sum(axis=1) / np.sqrt(np.maximum(data.sum(axis=1), 1) * data.shape[1])
    target = cut.subject.target
    _, told, _, _ = explainer.base.explain_instance_with_data(
        data, likely, distances, target, data.shape[1], model_regressor=None, feature_selection="none"
    )
    return np.array([dict(told)[piece] for piece in range(cut.count)])


def quick_lime(cut: Superpixels, samples: int, seed: int) -> Worth:
    """Return the package's map for the masks that the package draws, asked for without its slow drawing of pictures."""
    explainer = LimeImageExplainer(random_state=seed, verbose=False)
    data = np.random.RandomState(seed).randint(0, 2, samples * (cut.count + 1)).reshape(samples, cut.count + 1)
    data[0] = 1
    likely = cut.answers(data[:, :-1] > 0)[:, None]
    distances = 1 - data.sum(axis=1) / np.sqrt(np.maximum(data.sum(axis=1), 1) * data.shape[1])
    _, told, _, _ = explainer.base.explain_instance_with_data(
        data, likely, distances, 0, data.shape[1], model_regressor=None, feature_selection="none"
    )
    return np.array([dict(told)[piece] for piece in range(cut.count)])


def their_shap(cut: Superpixels, samples: int, seed: int) -> Worth:
    np.random.seed(seed)  # noqa: NPY002 - the package draws from numpy's own generator
    explainer = shap_package.KernelExplainer(lambda rows: cut.answers(rows > 0.5), np.zeros((1, cut.count)))
    told = explainer.shap_values(np.ones(cut.count), nsamples=samples, l1_reg=False, silent=True)
    return np.asarray(told, np.float64).ravel()


PAIRS: dict[str, tuple[Tool, Tool]] = {"lime": (our_lime, their_lime), "shap": (our_shap, their_shap)}


class Need(NamedTuple):
    """The samples and seconds that a tool needed for AGREEMENT; None where none of BUDGETS was enough."""

    samples: int | None
    seconds: float | None


def speed(predictor: Predictor, records: Sequence[Record], reference: int, seeds: int) -> list[str]:
    """Return the table of both tools for both methods."""
    cuts = [superpixels(subject(predictor, slice_and_mask(record)[0])) for record in records]
    rows = []
    for method, (ours, theirs) in PAIRS.items():
        truths = []
        for place, cut in enumerate(cuts if reference else ()):
            truths.append(theirs(cut, reference, 99))
            print(f"{method}: the package's map of {reference} samples, slice {place + 1} of {len(cuts)}", flush=True)
        needs = [needed(tool, cuts, truths, seeds) if truths else Need(None, None) for tool in (ours, theirs)]
        seconds = [[timed(tool, cut, SAMPLES) for cut in cuts] for tool in (ours, theirs)]
        ratio = statistics.median(their / our for our, their in zip(*seconds, strict=True))
        for name, need, took, faster in zip(
            ("Gadolin", f"package {method}"), needs, seconds, (ratio, 1.0), strict=True
        ):
            enough = f"{need.samples}" if need.samples else "more than tried" if truths else "not asked"
            sooner = (
                "" if needs[1].seconds is None or need.seconds is None else f"{needs[1].seconds / need.seconds:.1f}"
            )
            rows.append(
                [
                    method,
                    name,
                    f"{statistics.median(took):.2f}",
                    f"{faster:.2f}",
                    enough,
                    "" if need.seconds is None else f"{need.seconds:.2f}",
                    sooner,
                ]
            )
    head = [
        "method",
        "tool",
        f"s for {SAMPLES} samples",
        "times as fast",
        "samples needed",
        "s needed",
        "times as fast",
    ]
    pieces = statistics.median(cut.count for cut in cuts)
    return [
        *markdown(head, rows),
        "",
        f"{len(cuts)} slices, {pieces:.0f} superpixels in the middle, the same model, runtime, superpixels and fill "
        f"for both, batches of 32. “Needed”: for a median rank correlation (Spearman) of {AGREEMENT} with the "
        f"package's own map of {reference:,} samples, over the slices and {seeds} seeds; twice as many samples "
        "were tried each time, and what lies between was interpolated.",
    ]


def needed(tool: Tool, cuts: Sequence[Superpixels], truths: Sequence[Worth], seeds: int) -> Need:
    """Try more and more samples until the maps agree with the reference; between two budgets, interpolate."""
    before, below = 0, 0.0
    for samples in BUDGETS:
        if samples < max(cut.count for cut in cuts) + 2:
            continue
        seconds, agreement = [], []
        for cut, truth in zip(cuts, truths, strict=True):
            for seed in range(seeds):
                start = time.perf_counter()
                worth = tool(cut, samples, seed)
                seconds.append(time.perf_counter() - start)
                agreement.append(float(spearmanr(worth, truth).statistic))
        reached = statistics.median(agreement)
        print(f"{tool.__name__}, {samples} samples: {reached:.3f}", flush=True)
        if reached >= AGREEMENT:
            share = (AGREEMENT - below) / (reached - below) if before else 1.0
            enough = round(math.exp(math.log(before or samples) * (1 - share) + math.log(samples) * share))
            return Need(enough, statistics.median(seconds) * enough / samples)
        before, below = samples, reached
    return Need(None, None)


def timed(tool: Tool, cut: Superpixels, samples: int) -> float:
    start = time.perf_counter()
    tool(cut, samples, 0)
    return time.perf_counter() - start


def stability(predictor: Predictor, records: Sequence[Record], seeds: int) -> list[str]:
    """Return the table of how alike the maps of different seeds are, for more and more samples."""
    cuts = [superpixels(subject(predictor, slice_and_mask(record)[0])) for record in records]
    rows = []
    for samples in STABLE:
        cells = [str(samples)]
        for ours, theirs in PAIRS.values():
            for tool in (ours, theirs):
                alike, same = [], []
                for cut in cuts:
                    worths = [tool(cut, samples, seed) for seed in range(seeds)]
                    for one, other in combinations(worths, 2):
                        alike.append(float(spearmanr(one, other).statistic))
                        same.append(one.argmax() == other.argmax())
                cells.append(f"{statistics.median(alike):.3f}, {100 * statistics.fmean(same):.0f} %")
        print(*cells, flush=True)
        rows.append(cells)
    tools = [f"{name}, {whose}" for name in PAIRS for whose in ("Gadolin", "package")]
    return [
        *markdown(["samples", *tools], rows),
        "",
        f"Median rank correlation (Spearman) between two of {seeds} seeds, and how often both name the same superpixel "
        f"first, over {len(cuts)} slices.",
    ]


def memory(predictor: Predictor, records: Sequence[Record]) -> list[str]:
    """Return how much memory the process holds before and after many explanations."""
    images = [slice_and_mask(record)[0] for record in records[:20]]
    held = []
    for turn in range(EXPLANATIONS + len(images)):
        method = ("lime", "shap", "evidence")[turn % 3]
        explain(predictor, images[turn % len(images)], method=method, options=Options(samples=100))
        if turn >= len(images):
            held.append(resident())
    rows = [[str(count), f"{held[count - 1]:.0f}"] for count in (1, EXPLANATIONS // 2, EXPLANATIONS)]
    return [
        *markdown(["explanations", "MiB held"], rows),
        "",
        f"After {len(images)} to warm up; lime, shap and evidence in turn.",
    ]


def resident() -> float:
    """Return the memory that this process holds, in MiB (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


if __name__ == "__main__":
    main()
