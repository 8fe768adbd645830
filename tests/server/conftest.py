from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from gadolin.models.predictor import Predictor
from gadolin.phantoms import draw_patient
from gadolin.preprocessing.prepare import Preparation

pytest.importorskip("fastapi")


@pytest.fixture(scope="session")
def predictor(make_bundle):
    """A predictor on the quadrant graph that crops to the head as real ones do."""
    return Predictor.load(make_bundle(preparation=Preparation(size=64)).folder, threads=1)


@pytest.fixture(scope="session")
def settings():
    from gadolin.server.settings import Limits, Settings

    limits = Limits(max_request_bytes=64 * 2**20, max_files=40, max_slices=60, max_unpacked_bytes=8 * 2**20, max_jobs=3)
    return Settings(workers=1, hosts=("testserver",), limits=limits)


@pytest.fixture(scope="session")
def make_client(predictor, settings):
    """Make clients of an in-process service; keywords replace fields of its settings."""
    from fastapi.testclient import TestClient

    from gadolin.server.app import create_app

    def make(**fields):
        limits = replace(settings.limits, **fields.pop("limits", {}))
        app = create_app(fields.pop("predictor", predictor), replace(settings, limits=limits, **fields))
        return TestClient(app, raise_server_exceptions=False)

    return make


@pytest.fixture(scope="module")
def client(make_client):
    with make_client() as made:
        yield made


@pytest.fixture(scope="session")
def png():
    """Return the bytes of a phantom slice as PNG."""

    def make(label="glioma", number=0, size=96):
        pixels = draw_patient(label, number, slices=3, size=size)[1].pixels
        out = io.BytesIO()
        Image.fromarray(np.asarray(pixels, np.uint8)).save(out, format="PNG")
        return out.getvalue()

    return make


@pytest.fixture(scope="session")
def sent():
    """Put named bytes into the form field of uploads."""
    return lambda *named: [("files", (name, content)) for name, content in named]
