"""Sanity check of explanations: cascading randomisation of the network's weights.

    python -m benchmarks run explain_sanity RUN DATA [--slices 24] [--samples 400] [--write]

RUN is a run folder, DATA a manifest. From the head down to the stem, one stage after another gets the weights of an
untrained network, and each method explains the same slices for the class that the trained network predicted (Adebayo et
al., "Sanity checks for saliency maps", NeurIPS 2018). A map that does not change does not depend on the weights. Needs
the extras train and explain.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from scipy.stats import spearmanr
from torch import Tensor, nn

from benchmarks.explanations.outlined import outlined_records
from benchmarks.publish import markdown, publish
from gadolin.datasets.manifest import file_digest
from gadolin.explanations import METHODS, Options, explain
from gadolin.explanations.baselines import head_mask
from gadolin.explanations.explained_slice import subject
from gadolin.models.bundle import Bundle, write_bundle
from gadolin.models.predictor import Predictor
from gadolin.models.run_folder import RunFolder
from gadolin.networks import MirrorAverage
from gadolin.networks.restore import restored
from gadolin.preprocessing.cache import prepared_slices
from gadolin.preprocessing.outlines import slice_and_mask
from gadolin.recipe import Recipe
from gadolin.records import Slice
from gadolin.training.export import export_graph


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--slices", type=int, default=24)
    parser.add_argument("--samples", type=int, default=400, help="samples of LIME and SHAP")
    parser.add_argument("--write", action="store_true", help="store the result and render docs/")
    arguments = parser.parse_args()
    trained = Predictor.load(arguments.run)
    records = outlined_records(arguments.data)[: arguments.slices]
    images = [slice_and_mask(record)[0] for record in records]
    with tempfile.TemporaryDirectory() as temporary:
        examples = np.asarray(prepared_slices(records, trained.bundle.preparation, Path(temporary)).slices)
        lines = cascade(arguments.run, trained, images, examples, Options(samples=arguments.samples), Path(temporary))
    publish("explain-sanity", "Explanations after weight randomisation", lines, write=arguments.write)


def cascade(
    run: Path, trained: Predictor, images: Sequence[Slice], examples: NDArray[np.uint8], options: Options, work: Path
) -> list[str]:
    """Return the table of rank correlations with the maps of the trained network."""
    network = restored(trained.bundle)
    fresh = untrained(network)
    labels = [subject(trained, image).label for image in images]
    heads = [head_mask(image, subject(trained, image).frame) for image in images]
    before = {name: maps(trained, images, labels, name, options) for name in METHODS}
    state, stages = dict(network.state_dict()), stages_of(network)
    columns: dict[str, list[float]] = {name: [] for name in METHODS}
    for number, stage in enumerate(stages):
        state |= {key: tensor for key, tensor in fresh.items() if key.startswith(stage)}
        changed = with_weights(run, trained.bundle, network, state, examples, work / str(number))
        for name in METHODS:
            after = maps(changed, images, labels, name, options)
            columns[name].append(statistics.median(map(alike, before[name], after, heads)))
            print(f"down to {stage}: {name} {columns[name][-1]:.3f}", flush=True)
    rows = [[name, *(f"{value:.2f}" for value in values)] for name, values in columns.items()]
    return [
        *markdown(["weights randomised down to", *(stage.rstrip(".") for stage in stages)], rows),
        "",
        f"Median rank correlation (Spearman) over {len(images)} slices between the maps of the trained network and "
        "those after randomisation, for the same class, over the pixels of the patient's head. The columns randomise "
        "more and more of the network: first its last layers (also called head), then one stage of the backbone after "
        f"the other. A method passes if the correlation falls to about 0. LIME and SHAP used {options.samples} "
        "samples.",
    ]


def maps(
    model: Predictor, images: Sequence[Slice], labels: Sequence[str], name: str, options: Options
) -> list[NDArray[np.float32]]:
    return [
        explain(model, image, method=name, label=label, options=options).heat
        for image, label in zip(images, labels, strict=True)
    ]


def alike(one: NDArray[np.float32], other: NDArray[np.float32], head: NDArray[np.bool_]) -> float:
    """Return the rank correlation of two maps (H, W) within the head; 0 if one of them is constant."""
    first, second = one[head], other[head]
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return 0.0
    return float(spearmanr(first, second).statistic)


def stages_of(network: nn.Module) -> list[str]:
    """Return the state-dict prefixes of the stages from the head down to the stem."""
    parts = []
    for key in network.state_dict():
        path = key.split(".")
        parts.append(".".join(path[:3] if path[1] == "stages" else path[:2]) if path[0] == "backbone" else path[0])
    return [f"{part}." for part in reversed(dict.fromkeys(parts))]


def untrained(network: nn.Module) -> dict[str, Tensor]:
    """Return a state dict with freshly initialised weights, by ``reset_parameters`` of each module."""
    torch.manual_seed(0)
    state = {}
    for path, module in network.named_modules():
        own = dict(module.named_parameters(recurse=False)) | dict(module.named_buffers(recurse=False))
        if own and hasattr(module, "reset_parameters"):
            kept = {name: tensor.detach().clone() for name, tensor in own.items()}
            module.reset_parameters()
            state |= {f"{path}.{name}": tensor.detach().clone() for name, tensor in own.items()}
            with torch.no_grad():
                for name, tensor in own.items():
                    tensor.copy_(kept[name])
    return state


def with_weights(
    run: Path, bundle: Bundle, network: nn.Module, state: dict[str, Tensor], examples: NDArray[np.uint8], out: Path
) -> Predictor:
    """Write a run folder of the network with the weights ``state``; return its predictor."""
    folder = out / "bundle"
    folder.mkdir(parents=True)
    RunFolder(out).write(RunFolder(run).read())
    kept = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, folder / "weights.safetensors")
    network.load_state_dict(state)
    both = Recipe.from_run(run).network.mirror_average
    digest = export_graph(MirrorAverage(network) if both else network, examples[:8], folder / "model.onnx")
    network.load_state_dict(kept)
    write_bundle(
        replace(bundle, folder=folder, graph_digest=digest, weights_digest=file_digest(folder / "weights.safetensors"))
    )
    return Predictor.load(out)
