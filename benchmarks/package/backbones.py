"""Ten backbone families: each trained on phantoms, exported, and explained by evidence and Grad-CAM.

    python -m benchmarks run backbones [NAME ...] [--epochs 2] [--input-size 96] [--write]

The network is a timm backbone with the outline decoder, from random weights. The table shows that each one works, not
its accuracy.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from benchmarks.publish import markdown, publish
from gadolin.datasets.manifest import read_manifest
from gadolin.explanations import explain
from gadolin.models.decision import softmax
from gadolin.models.predictor import Predictor
from gadolin.networks.backbones import backbone
from gadolin.networks.restore import restored
from gadolin.phantoms import PhantomPlan, write_phantoms
from gadolin.preprocessing.prepare import prepare
from gadolin.readers import read
from gadolin.recipe import named_recipe, with_settings
from gadolin.training.machine import Machine
from gadolin.training.plan import Plan
from gadolin.training.train import train_model

FAMILIES = (
    "resnet18",
    "resnet50",
    "tf_efficientnet_lite0",
    "mobilenetv3_large_100",
    "mobilenetv4_conv_small",
    "convnext_atto",
    "regnety_004",
    "repvit_m0_9",
    "edgenext_x_small",
    "efficientformerv2_s0",
)
RUNS = 15


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=list(FAMILIES))
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--input-size", type=int, default=96)
    parser.add_argument("--write", action="store_true", help="store the result and render docs/")
    arguments = parser.parse_args()
    head = ["backbone", "channels", "weights, millions", "graph, MB", "parity", "evidence", "Grad-CAM", "ms a slice"]
    with tempfile.TemporaryDirectory() as work:
        data = Path(work) / "phantoms"
        write_phantoms(data, PhantomPlan(patients=6, slices=2))
        rows = [row(name, data, Path(work) / name, arguments) for name in arguments.names]
    words = (
        f"Trained for {arguments.epochs} epochs on phantoms with their outlines, at {arguments.input_size} pixels. "
        "Channels: of the feature maps, by level. Parity is the largest difference in probability between torch and "
        "the exported graph, over the test phantoms (above 1e-4, the export is refused). Evidence and Grad-CAM: "
        "whether the map has the size of the slice, and is finite and not constant. Time: of the exported graph "
        "alone, for a slice and its mirror image, on one thread, median of 15 runs."
    )
    publish("backbones", "Ten families of backbones", [words, "", *markdown(head, rows)], write=arguments.write)


def row(name: str, data: Path, out: Path, arguments: argparse.Namespace) -> list[str]:
    settings = [
        f"network.backbone={name}",
        f"network.input_size={arguments.input_size}",
        f"epochs={arguments.epochs}",
        "network.evidence=outlines",
        "batch_size=8",
    ]
    train_model(Plan(data, out, with_settings(named_recipe("outlines"), settings), machine=Machine(seed=0)))
    predictor = Predictor.load(out)
    tested = [one for one in read_manifest(out / "manifest.csv") if one.split == "test"]
    images = [read(one.path) for one in tested]
    prepared = np.stack([prepare(image, predictor.bundle.preparation) for image in images])
    network = restored(predictor.bundle)
    with torch.no_grad():
        both = (network(torch.from_numpy(np.array(each))).logits.numpy() for each in (prepared, prepared[:, :, ::-1]))
        expected = softmax(sum(both) / 2)
    parity = float(np.abs(expected - softmax(predictor.logits(prepared))).max())
    maps = [explain(predictor, images[0], method=method, label=predictor.bundle.classes[0]).heat for method in METHODS]
    good = [
        "yes" if heat.shape == images[0].pixels.shape and np.isfinite(heat).all() and np.ptp(heat) > 0 else "no"
        for heat in maps
    ]
    channels = ", ".join(map(str, backbone(name).features))
    weights = sum(parameter.numel() for parameter in network.parameters()) / 1e6
    size = predictor.bundle.graph.stat().st_size / 1e6
    cells = [
        name,
        channels,
        f"{weights:.1f}",
        f"{size:.1f}",
        f"{parity:.1e}",
        *good,
        f"{milliseconds(out, prepared):.1f}",
    ]
    print(cells, flush=True)
    return cells


METHODS = ("evidence", "gradcam")


def milliseconds(out: Path, prepared: np.ndarray) -> float:
    predictor = Predictor.load(out, threads=1)
    times = []
    for _ in range(RUNS):
        began = time.perf_counter()
        predictor.logits(prepared[:1])
        times.append(1000 * (time.perf_counter() - began))
    return statistics.median(times)
