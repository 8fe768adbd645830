from __future__ import annotations

import cv2
import numpy as np
import pytest

from gadolin.records import Slice


@pytest.fixture(scope="session")
def head():
    """A slice of 90 x 140 with an off-centre oval head that holds only noise."""
    pixels = np.zeros((90, 140), np.float32)
    mask = np.zeros(pixels.shape, np.uint8)
    cv2.ellipse(mask, (85, 45), (38, 32), 0, 0, 360, 1, -1)
    grain = cv2.GaussianBlur(np.random.default_rng(0).normal(0, 40, pixels.shape), (0, 0), 3)
    pixels[mask > 0] = (110 + grain)[mask > 0]
    return Slice(np.clip(pixels, 0, 255).astype(np.float32))


@pytest.fixture(scope="session")
def square():
    """The square that ``looks_at_square`` depends on: rows and columns of the slice."""
    return slice(34, 46), slice(96, 108)


@pytest.fixture(scope="session")
def looks_at_square(head, square):
    """A model whose probability of class 0 falls with the change of the square."""

    def predict(pixels):
        change = np.abs(pixels[(slice(None), *square)] - head.pixels[square]).mean(axis=(1, 2))
        likely = 0.95 * np.exp(-change / 10)
        return np.stack([likely, 1 - likely], axis=1).astype(np.float32)

    return predict


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory, write_run):
    """A run folder as training writes it, with an untrained network."""

    import torch
    from safetensors.torch import save

    from gadolin.datasets.manifest import file_digest
    from gadolin.models.bundle import Bundle, write_bundle
    from gadolin.networks import MirrorAverage, build_classifier
    from gadolin.preprocessing.prepare import Preparation
    from gadolin.recipe import Network, Recipe
    from gadolin.training.export import export_graph

    folder = tmp_path_factory.mktemp("run")
    config = Network(input_size=64, evidence="map")
    torch.manual_seed(0)
    network = build_classifier(config, 3).eval()
    torch.nn.init.normal_(network.head.linear.weight, std=0.5)
    (folder / "bundle").mkdir()
    (folder / "bundle" / "weights.safetensors").write_bytes(save(network.state_dict()))
    slices = np.random.default_rng(0).integers(0, 256, (2, 256, 256), dtype=np.uint8)
    digest = export_graph(MirrorAverage(network), slices, folder / "bundle" / "model.onnx")
    weights = file_digest(folder / "bundle" / "weights.safetensors")
    names = ("glioma", "meningioma", "pituitary")
    write_bundle(Bundle(folder / "bundle", names, Preparation(), digest, weights_digest=weights))
    return write_run(folder, recipe=Recipe("made", network=config).as_json())
