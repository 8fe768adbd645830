"""Tests of sources from kagglehub: the pinned version, counted, and complete or absent."""

from __future__ import annotations

import base64
import errno
import hashlib
import io
import json
import logging
import os
import shutil
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from gadolin.datasets import SOURCES, fetch, scan
from gadolin.datasets.manifest import read_manifest
from gadolin.datasets.releases import br35h, kaggle, sartaj
from gadolin.errors import DataError, DownloadError, MissingExtraError, OutputError
from stub_server import Answer

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings(  # kagglehub leaves its connection open after a failed download
        "ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning"
    ),
]

PATH = "/v1/datasets.DatasetApiService/DownloadDataset"
CLASSES = ("glioma", "meningioma", "notumor", "pituitary")
COUNTS = {("train", name): 2 for name in CLASSES} | {("test", name): 1 for name in CLASSES}
SMALL = replace(kaggle.RELEASE_7023, counts=COUNTS)


def picture(value):
    out = io.BytesIO()
    Image.fromarray(np.full((16, 16), value % 256, np.uint8)).save(out, "PNG")
    return out.getvalue()


def layout(counts, folders):
    """Return images by path, ``counts`` of each split and class."""
    names = [
        f"{folders[part]}{folders.get(name, name)}/{number}.png"
        for (part, name), count in counts.items()
        for number in range(count)
    ]
    return {name: picture(value) for value, name in enumerate(names)}


FILES = layout(COUNTS, {"train": "Training/", "test": "Testing/"})


@pytest.fixture
def hub(stub, monkeypatch, tmp_path):
    """Point kagglehub to the stub, with a temporary cache; serve an archive."""
    pytest.importorskip("kagglehub")
    from kagglesdk import kaggle_env

    monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.PROD, stub.url)
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path / "cache"))
    for name in ("KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_API_TOKEN", "KAGGLE_API_ENVIRONMENT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TQDM_DISABLE", "1")

    def serve(content, **answer):
        md5 = base64.b64encode(hashlib.md5(content).digest()).decode()
        headers = {"Content-Type": "application/octet-stream", "X-Goog-Hash": f"md5={md5}"}
        stub.answers[PATH] = Answer(content, **({"headers": headers} | answer))
        return stub.answers[PATH]

    return serve


@pytest.fixture
def get(tmp_path):
    def run(release=SMALL, folders=("Training", "Testing"), **options):
        return kaggle.fetch_pinned("kaggle", release, tmp_path / "out", folders, **options)

    return run


@pytest.fixture
def refused(get, tmp_path):
    def run(kind=DownloadError, **options):
        with pytest.raises(kind) as caught:
            get(**options)
        with pytest.raises(DataError) as unfinished:
            scan(tmp_path / "out")
        assert unfinished.value.code == "fetch_unfinished"
        return str(caught.value)

    return run


def test_the_pinned_version_arrives_and_is_named(hub, zipped, get, tmp_path, capsys):
    hub(zipped(FILES))
    found = get()
    out = tmp_path / "out"
    assert sorted(path.name for path in out.iterdir()) == ["Testing", "Training", "manifest.csv", "source.json"]
    assert read_manifest(out / "manifest.csv") == list(found.records)
    assert {record.source for record in found.records} == {"kaggle-7023"}
    assert found.release.holds(found.records)
    assert json.loads((out / "source.json").read_text()) == SMALL.as_json()
    assert scan(out).release == kaggle.RELEASE_7023
    assert capsys.readouterr().out == ""
    assert (tmp_path / "cache/datasets/masoudnickparvar/brain-tumor-mri-dataset/versions/1").is_dir()


def test_progress_tells_what_is_done(hub, zipped, get):
    hub(zipped(FILES))
    told = []
    get(progress=lambda *each: told.append(each))
    assert told[:2] == [(1, 2, "copying Training"), (2, 2, "copying Testing")]
    assert told[-1] == (12, 12, "scanning")


def test_a_folder_around_the_parts_does_not_matter(hub, zipped, get):
    hub(zipped({f"data/{name}": content for name, content in FILES.items()}))
    assert len(get().records) == 12


def test_a_broken_download_goes_on_where_it_stopped(hub, zipped, get, refused):
    answer = hub(zipped(FILES | {"long.bin": os.urandom(3 << 20)}), break_after=[2_500_000, None])
    assert "versions/1 must be downloaded from Kaggle, the download failed (" in refused()
    assert len(get().records) == 12
    assert answer.asked[-1] == f"bytes={2 << 20}-"


def test_a_server_that_refuses_is_told_with_the_page(hub, refused):
    hub(b"{}", status=[403])
    text = refused()
    assert "403 Client Error" in text
    assert text.endswith(
        "run the same command again to resume, or check "
        "https://www.kaggle.com/datasets/masoudnickparvar/brain-tumor-mri-dataset"
    )
    assert "\n" not in text


def test_a_wrong_checksum_is_refused(hub, zipped, refused):
    hub(zipped(FILES), headers={"X-Goog-Hash": f"md5={base64.b64encode(bytes(16)).decode()}"})
    assert "MD5 checksum" in refused()


def test_another_data_set_is_refused_with_the_difference(hub, zipped, refused):
    hub(zipped({name: content for name, content in FILES.items() if name != "Testing/glioma/0.png"}))
    text = refused()
    assert "must hold the 12 slices of kaggle-7023, the download has test glioma 0 (not 1); clear" in text


def test_an_archive_without_the_folders_is_refused(hub, zipped, refused):
    hub(zipped({"x/readme.txt": b"x"}))
    assert "must hold the folders Training, Testing, the download does not" in refused()


def test_a_copy_that_broke_off_is_made_anew(hub, zipped, get, refused, monkeypatch):
    hub(zipped(FILES))
    with monkeypatch.context() as patch:

        def full(source, target, **_):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        patch.setattr(shutil, "copyfile", full)
        text = refused(OutputError)
    assert text.endswith(": [Errno 28] No space left on device; free space, then run the same command again")
    assert len(get().records) == 12


def test_a_disk_that_is_full_under_kagglehub_is_told(hub, refused, monkeypatch):
    import kagglehub

    def full(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(kagglehub, "dataset_download", full)
    assert refused(OutputError).startswith("cannot write kagglehub's cache: No space left on device; free space")


def test_kagglehub_keeps_its_own_level_of_messages(hub, zipped, get):
    log = logging.getLogger("kagglehub")
    before = log.level
    hub(zipped(FILES))
    get()
    assert log.level == before


def test_a_missing_kagglehub_is_told_before_anything_is_made(get, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    with pytest.raises(MissingExtraError) as caught:
        get()
    assert caught.value.code == "missing_package"
    assert "[fetch]" in caught.value.remedy
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "module", "field", "folders"),
    [
        ("kaggle", kaggle, "RELEASE_7023", {"train": "Training/", "test": "Testing/"}),
        ("kaggle-7200", kaggle, "RELEASE_7200", {"train": "Training/", "test": "Testing/"}),
        (
            "sartaj",
            sartaj,
            "RELEASE",
            {"train": "Training/", "test": "Testing/", "notumor": "no_tumor"}
            | {name: f"{name}_tumor" for name in CLASSES if name != "notumor"},
        ),
        ("br35h", br35h, "RELEASE", {"": "", "tumor": "yes", "notumor": "no"}),
    ],
)
def test_every_source_of_kaggle_is_fetched_by_its_name(
    name, module, field, folders, hub, zipped, monkeypatch, tmp_path, stub
):
    release = getattr(module, field)
    small = replace(release, counts={key: 1 + number for number, key in enumerate(release.counts)})
    monkeypatch.setattr(module, field, small)
    extras = {"pred/1.png": picture(1), "Br35H-Mask-RCNN/TRAIN/2.png": picture(2)} if name == "br35h" else {}
    hub(zipped(layout(small.counts, folders) | extras))
    found = fetch(name, tmp_path / "out")
    assert small.holds(found.records)
    assert scan(tmp_path / "out").release == release
    owner, _, rest = release.pinned.partition("/")
    assert (tmp_path / "cache" / "datasets" / owner / rest).is_dir()
    assert release == SOURCES[name].release
