from __future__ import annotations

import hashlib
import io
import json
import zipfile

import numpy as np
import pytest

from stub_server import Answer, serving

LABELS = {"meningioma": 1, "glioma": 2, "pituitary": 3}


@pytest.fixture
def stub(loopback, monkeypatch):
    """Serve on 127.0.0.1; tests put an Answer for each path into ``stub.answers``."""
    monkeypatch.setenv("no_proxy", "*")
    with serving() as server:
        yield server


@pytest.fixture
def zipped():
    """Return the bytes of a zip archive of bytes by name."""

    def pack(files, method=zipfile.ZIP_DEFLATED):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", method) as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        return out.getvalue()

    return pack


@pytest.fixture
def mat():
    """Return the bytes of a slice in Figshare's MATLAB layout."""
    h5py = pytest.importorskip("h5py")

    def make(label="glioma", patient="100360", size=32, value=7):
        out = io.BytesIO()
        with h5py.File(out, "w", userblock_size=512) as file:
            group = file.create_group("cjdata")
            group["image"] = np.full((size, size), value, np.int16)
            group["label"] = np.array([[float(LABELS[label])]])
            group["PID"] = np.array([[ord(letter)] for letter in patient], np.uint16)
            mask = np.zeros((size, size), np.uint8)
            mask[8:16, 8:16] = 1
            group["tumorMask"] = mask
            group["tumorBorder"] = np.array([[8.0, 8.0, 8.0, 15.0, 15.0, 15.0, 15.0, 8.0]])
        return b"MATLAB 7.3 MAT-file, made up for a test".ljust(128) + out.getvalue()[128:]

    return make


@pytest.fixture
def folds_file():
    """Return the bytes of a cvind.mat with these folds."""
    h5py = pytest.importorskip("h5py")

    def make(folds, name="cvind"):
        out = io.BytesIO()
        with h5py.File(out, "w") as file:
            file[name] = np.array([folds], np.float64)
        return out.getvalue()

    return make


@pytest.fixture
def listed(stub):
    """Serve files and Figshare's listing of them; return the listing, which tests may change and serve again."""

    def serve(files):
        listing = []
        for number, (name, content) in enumerate(files.items(), start=1):
            stub.answers[f"/files/{number}"] = Answer(content)
            listing.append(
                {
                    "id": number,
                    "name": name,
                    "size": len(content),
                    "is_link_only": False,
                    "download_url": f"{stub.url}/files/{number}",
                    "supplied_md5": hashlib.md5(content).hexdigest(),
                    "computed_md5": hashlib.md5(content).hexdigest(),
                    "mimetype": "application/zip",
                }
            )
        stub.answers["/v2/articles/1512427/files"] = Answer(json.dumps(listing).encode())
        return listing

    return serve
