"""Fixtures and markers of all tests: no network, fixed seeds, a temporary cache, synthetic data."""

from __future__ import annotations

import random
import shutil
import socket
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import settings
from PIL import Image

from gadolin.datasets.manifest import file_digest, read_manifest, write_manifest
from gadolin.models.bundle import Bundle, write_bundle
from gadolin.models.run_folder import Provenance, RunFolder
from gadolin.phantoms import CLASSES, PhantomPlan, write_phantoms
from gadolin.preprocessing.prepare import Preparation
from gadolin.readers import open_file, read_records
from gadolin.records import Record, Slice

settings.register_profile("gadolin", deadline=None, derandomize=True, database=None, max_examples=30)
settings.load_profile("gadolin")

TESTS = Path(__file__).parent
GAIN = 8.0
LOOPBACK = "127.0.0.1"
LET_THROUGH: set[str] = set()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Mark tests in training/ and tests of a trained run as ``train``, those in browser/ as ``browser``."""
    for item in items:
        folder = item.path.relative_to(TESTS).parts[0]
        if folder == "training" or "trained" in item.fixturenames:
            item.add_marker("train")
        elif folder == "browser":
            item.add_marker("browser")


@pytest.fixture(autouse=True, scope="session")
def offline():
    """Make every attempt to reach the network fail, also in session fixtures."""

    def refusing(reach):
        def refuse(*args, **kwargs):
            where = next((each for each in args if isinstance(each, str | tuple)), "")
            if LOOPBACK in LET_THROUGH and (where if isinstance(where, str) else where[0]) == LOOPBACK:
                return reach(*args, **kwargs)
            if LOOPBACK in LET_THROUGH and args[0] is None:  # this computer, to bind a socket
                return reach(*args, **kwargs)
            msg = f"tests must not reach the network, this one tried to ({args[-1:]})"
            raise AssertionError(msg)

        return refuse

    with pytest.MonkeyPatch.context() as patch:
        for name in ("connect", "connect_ex", "sendto"):
            patch.setattr(socket.socket, name, refusing(getattr(socket.socket, name)))
        for name in ("getaddrinfo", "gethostbyname", "create_connection"):
            patch.setattr(socket, name, refusing(getattr(socket, name)))
        yield


@pytest.fixture
def loopback(offline):
    """Allow connections to a test server on 127.0.0.1."""
    LET_THROUGH.add(LOOPBACK)
    yield
    LET_THROUGH.clear()


@pytest.fixture(autouse=True, scope="session")
def cache_folder(tmp_path_factory):
    """Use a temporary cache of prepared slices, not the user's."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GADOLIN_CACHE", str(folder))
        yield folder


@pytest.fixture(autouse=True, scope="session")
def patient_key(tmp_path_factory):
    """Use a temporary patient key, not the user's."""
    path = tmp_path_factory.mktemp("key") / "patients.key"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GADOLIN_PATIENT_KEY", str(path))
        yield path


@pytest.fixture(autouse=True)
def fixed_seeds():
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002  # other packages draw from the global generator


@pytest.fixture(scope="session")
def write_run():
    """Write a made-up run record to a folder; keywords replace its fields. Return the folder."""

    def write(folder, **changes):
        facts = {
            "recipe_name": "tiny", "recipe": {}, "data": "data", "manifest_digest": "", "counts": {}, "patients": 0,
            "seed": 0, "precision": "float32", "device": "cpu", "threads": 1, "accumulate": 1, "processes": 1,
            "validation": 0.1, "test": 0.2, "python": "3.11", "versions": {}, "finished": True,
        }  # fmt: skip
        RunFolder(folder).write(Provenance(**facts | changes))
        return folder

    return write


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def small_phantoms(tmp_path_factory):
    """Write a small data set of phantoms once: 4 classes x 4 patients x 2 slices. Tests must not change it."""
    folder = tmp_path_factory.mktemp("phantoms")
    write_phantoms(folder, PhantomPlan(patients=4, slices=2, size=96, seed=1))
    return folder


def _tissue(rng):
    """Return a tissue texture: (256, 256), mean 0, standard deviation 1."""
    field = sum(
        share * cv2.GaussianBlur(rng.normal(0, 2 * width, (256, 256)), (0, 0), width)
        for width, share in ((6, 2), (3, 1))
    )
    return (field - field.mean()) / field.std()


@pytest.fixture(scope="session")
def draw_stack():
    """Draw one head in ``count`` slices (256, 256) uint8; ``likeness`` is the correlation of neighbours' tissue."""

    def draw(count, likeness, seed=0):
        rng = np.random.default_rng(seed)
        head = np.zeros((256, 256), np.float32)
        cv2.ellipse(head, (128, 128), (90, 115), 0, 0, 360, 1.0, -1)
        head = cv2.GaussianBlur(head, (7, 7), 0)
        tissue = _tissue(rng)
        drawn = []
        for _ in range(count):
            drawn.append(np.clip(np.rint(head * (110 + 40 * tissue)), 0, 255).astype(np.uint8))
            tissue = likeness * tissue + np.sqrt(1 - likeness**2) * _tissue(rng)
        return np.stack(drawn)

    return draw


@pytest.fixture(scope="session")
def leaky_data(small_phantoms, draw_stack, tmp_path_factory):
    """Write phantoms whose test split shares slices with training in every way; tests must not change it.

    The test split has a mirrored, a rescaled and a plain copy; B and C of a chain A, B, C (A-B and B-C are verified
    pairs, A-C is not); a new slice of a training patient; and eight slices of new patients.
    """
    folder = shutil.copytree(small_phantoms, tmp_path_factory.mktemp("leaky") / "data")
    first, second, third = draw_stack(3, 0.965)
    (other,) = draw_stack(1, 0.965, seed=9)
    copied = {
        label: np.asarray(Image.open(folder / "Training" / label / f"s1p000{number}-00.png"))
        for number, label in enumerate(CLASSES)
    }
    added = {
        "Training/glioma/a.png": (first, "q0"),
        "Testing/glioma/b.png": (second, ""),
        "Testing/glioma/c.png": (third, ""),
        "Testing/glioma/new.png": (other, "s1p0000"),
        "Testing/meningioma/mirrored.png": (copied["meningioma"][:, ::-1], ""),
        "Testing/notumor/rescaled.png": (cv2.resize(copied["notumor"], None, fx=1.5, fy=1.5), ""),
        "Testing/pituitary/again.png": (copied["pituitary"], "s1p0003"),
    }
    records = read_manifest(folder / "manifest.csv")
    for name, (pixels, patient) in added.items():
        Image.fromarray(pixels).save(folder / name)
        part, label, _ = name.split("/")
        split = "test" if part == "Testing" else "train"
        records.append(Record(folder / name, label, patient, split=split, digest=file_digest(folder / name)))
    write_manifest(folder / "manifest.csv", records)
    return folder


@cache
def quadrant_graph(size):
    """Return an ONNX network whose logits are GAIN times the mean brightness (0 to 1) of each quadrant.

    Input: "slices", (N, size, size) uint8. Outputs: logits (N, 4) for top left, top right, bottom left, bottom right;
    features (N, 4), the four means; evidence (N, 4, 2, 2), which sums to the logits.
    """
    from onnx import TensorProto, checker, helper, numpy_helper

    half = size // 2
    own = np.zeros((1, 4, 2, 2), np.float32)
    for quadrant in range(4):
        own[0, quadrant, quadrant // 2, quadrant % 2] = GAIN
    constants = {
        "full": np.float32(255),
        "channel": np.array([1], np.int64),
        "plane": np.array([2, 3], np.int64),
        "own": own,
    }
    nodes = [
        helper.make_node("Cast", ["slices"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["floats", "full"], ["unit"]),
        helper.make_node("Unsqueeze", ["unit", "channel"], ["pictures"]),
        helper.make_node("AveragePool", ["pictures"], ["means"], kernel_shape=[half, half], strides=[half, half]),
        helper.make_node("Flatten", ["means"], ["features"]),
        helper.make_node("Mul", ["means", "own"], ["evidence"]),
        helper.make_node("ReduceSum", ["evidence", "plane"], ["logits"], keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "quadrants",
        [helper.make_tensor_value_info("slices", TensorProto.UINT8, ["N", size, size])],
        [
            helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 4]),
            helper.make_tensor_value_info("features", TensorProto.FLOAT, ["N", 4]),
            helper.make_tensor_value_info("evidence", TensorProto.FLOAT, ["N", 4, 2, 2]),
        ],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    checker.check_model(model)
    return model.SerializeToString()


@pytest.fixture(scope="session")
def make_bundle(tmp_path_factory):
    """Make a bundle around ``quadrant_graph``; keywords replace its fields. Needs no torch."""

    def make(folder: Path | None = None, **fields) -> Bundle:
        folder = folder or tmp_path_factory.mktemp("bundle")
        folder.mkdir(parents=True, exist_ok=True)
        preparation = fields.pop("preparation", Preparation(size=64, crop=False))
        graph = folder / "model.onnx"
        graph.write_bytes(quadrant_graph(preparation.size))
        bundle = Bundle(folder, CLASSES, preparation, **({"graph_digest": file_digest(graph)} | fields))
        write_bundle(bundle)
        return bundle

    return make


@pytest.fixture(scope="session")
def lit_quadrant():
    """Make an 8-bit slice with one bright quadrant: 0 top left, 1 top right, 2 bottom left, 3 bottom right."""

    def make(quadrant: int, value: int = 255, size: int = 64, **fields) -> Slice:
        pixels = np.zeros((size, size), np.float32)
        half = size // 2
        row, column = divmod(quadrant, 2)
        pixels[row * half : (row + 1) * half, column * half : (column + 1) * half] = value
        return Slice(pixels, **fields)

    return make


@pytest.fixture(scope="session")
def save_slice():
    """Save a slice as an 8-bit PNG and return its path."""

    def save(image: Slice, path: Path) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image.pixels.astype(np.uint8)).save(path, format="PNG")
        return path

    return save


@pytest.fixture
def files_opened(monkeypatch):
    """The files that are opened to read records, in order."""
    seen = []

    def opening(path):
        seen.append(path)
        return open_file(path)

    monkeypatch.setattr(read_records, "open_file", opening)
    return seen
