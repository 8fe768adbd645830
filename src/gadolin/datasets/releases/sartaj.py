"""The SARTAJ set: 3,264 slices in Training and Testing, in folders named ``*_tumor``."""

from __future__ import annotations

from pathlib import Path

from gadolin.datasets.releases.kaggle import fetch_pinned
from gadolin.datasets.releases.release import SEE_THE_PAGE, Release
from gadolin.datasets.scan_result import Scan
from gadolin.progress import Progress

__all__ = ["RELEASE", "fetch"]

RELEASE = Release(
    name="sartaj",
    title="Brain Tumor Classification (MRI), version 2 (3,264 slices)",
    licence=SEE_THE_PAGE,
    citation="Sartaj Bhuvaji, Ankita Kadam, Prajakta Bhumkar, Sameer Dedge, Swati Kanchan. Brain Tumor Classification "
    "(MRI). Kaggle, 2020. doi:10.34740/KAGGLE/DSV/1183165",
    url="https://www.kaggle.com/datasets/sartajbhuvaji/brain-tumor-classification-mri",
    pinned="sartajbhuvaji/brain-tumor-classification-mri/versions/2",
    counts={
        ("train", "glioma"): 826, ("train", "meningioma"): 822, ("train", "notumor"): 395, ("train", "pituitary"): 827,
        ("test", "glioma"): 100, ("test", "meningioma"): 115, ("test", "notumor"): 105, ("test", "pituitary"): 74,
    },
)  # fmt: skip


def fetch(out: Path, *, progress: Progress | None = None) -> Scan:
    """Fetch the pinned version into ``out``; see ``kaggle.fetch_pinned``."""
    return fetch_pinned("sartaj", RELEASE, out, ("Training", "Testing"), progress=progress)
