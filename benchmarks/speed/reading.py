"""Speed of the readers against the bare decoders, on the same files.

    python -m benchmarks run reading [--files 12] [--rounds 9] [--write]

Reader and decoder alternate file by file. CPU time is measured, so that other load has little effect. The results are
medians over rounds, and the median of the ratios of each round.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import h5py
import nibabel
import numpy as np
import pydicom
from PIL import Image
from pydicom import uid
from scipy.ndimage import gaussian_filter

from benchmarks.publish import markdown, publish
from gadolin.phantoms.encode import DicomFacts, dicom_bytes, mat_bytes, nifti_bytes
from gadolin.readers import open_file

SIDE = 512  # pixels
DEPTH = 64  # slices of a volume
LEAST = 0.8


@dataclass(frozen=True)
class Peer:
    """Files of one format, and a function that reads one with the bare decoder."""

    name: str
    decoder: str
    paths: list[Path]
    bare: Callable[[Path], object]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=12, help="single-slice files of each format")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--only", help="formats whose name contains this text")
    parser.add_argument("--write", action="store_true", help="store the result and render docs/")
    arguments = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for peer in peers(Path(folder), arguments.files):
            if arguments.only and arguments.only not in peer.name:
                continue
            ours, theirs = turns(peer, arguments.rounds)
            ratio = statistics.median(mine / bare for mine, bare in zip(ours, theirs, strict=True))
            rates = [f"{statistics.median(each):.0f}" for each in (ours, theirs)]
            rows.append([peer.name, *rates, peer.decoder, f"{ratio:.2f}"])
            print(rows[-1], flush=True)
    head = ["format", "Gadolin, slices/s", "bare decoder, slices/s", "decoder", "ratio"]
    words = (
        f"Slices of {SIDE} x {SIDE} pixels, volumes of {DEPTH} of them. Slices opened and decoded per second of "
        f"processor time, medians of {arguments.rounds} rounds in alternation. The target of the ratio is {LEAST} or "
        "more."
    )
    publish(
        "reading",
        "Reading files, compared with bare decoders",
        [words, "", *markdown(head, rows)],
        write=arguments.write,
    )


def turns(peer: Peer, rounds: int) -> tuple[list[float], list[float]]:
    """Return the slices per second of reader and decoder in each round, after a warm-up round.

    The order alternates from file to file: the first of the two finds cold caches.
    """
    rates: tuple[list[float], list[float]] = ([], [])
    for turn in range(rounds + 1):
        seconds, slices = [0.0, 0.0], 0
        for number, path in enumerate(peer.paths):
            for who in (0, 1) if (number + turn) % 2 else (1, 0):
                start = time.process_time()
                if who:
                    peer.bare(path)
                else:
                    slices += read_all(path)
                seconds[who] += time.process_time() - start
        for rate, spent in zip(rates, seconds, strict=True):
            rate.append(slices / spent)
    return rates[0][1:], rates[1][1:]


def read_all(path: Path) -> int:
    opened = open_file(path)
    for number in range(opened.slices):
        opened.decode(number)
    return opened.slices


def peers(folder: Path, files: int) -> list[Peer]:
    """Write files of every format and return them with their decoders."""
    random = np.random.default_rng(0)
    deep = [head(random) for _ in range(files)]
    grey = [(each >> 4).astype(np.uint8) for each in deep]
    volume = np.stack([deep[number % files] for number in range(DEPTH)], axis=2).astype(np.int16)
    mask = deep[0] > 2000

    def saved(suffix: str, contents: list[bytes]) -> list[Path]:
        paths = [folder / f"{number:03}{suffix}" for number in range(len(contents))]
        for path, content in zip(paths, contents, strict=True):
            path.write_bytes(content)
        return paths

    found = []
    for form in ("JPEG", "PNG"):
        for number, each in enumerate(grey):
            Image.fromarray(each).save(folder / f"{number:03}.{form.lower()}", format=form)
        found.append(Peer(form, "Pillow", sorted(folder.glob(f"*.{form.lower()}")), picture))
    kinds = {
        "plain": uid.ExplicitVRLittleEndian,
        "RLE": uid.RLELossless,
        "JPEG lossless": uid.JPEGLosslessSV1,
        "JPEG 2000": uid.JPEG2000Lossless,
    }
    for name, syntax in kinds.items():
        facts = DicomFacts(syntax, bits_stored=12)
        paths = saved(f"-{name}.dcm", [dicom_bytes(each, facts) for each in deep])
        found.append(Peer(f"DICOM {name}", "pydicom", paths, dicom))
    for suffix, compress in ((".nii", False), (".nii.gz", True)):
        paths = saved(f"-volume{suffix}", [nifti_bytes(volume, compress=compress)])
        found.append(Peer(f"NIfTI {suffix}", "nibabel", paths, nifti))
    contents = [mat_bytes(each, mask, label=1, patient="1") for each in deep]
    return [*found, Peer("Figshare .mat", "h5py", saved(".mat", contents), matlab)]


def picture(path: Path) -> object:
    with Image.open(path) as image:
        return np.asarray(image.convert("L"))


def dicom(path: Path) -> object:
    return pydicom.dcmread(path).pixel_array


def nifti(path: Path) -> object:
    return np.asarray(nibabel.load(path, mmap=False).dataobj)


def matlab(path: Path) -> object:
    with h5py.File(path, "r") as file:
        return file["cjdata/image"][()], file["cjdata/tumorMask"][()], file["cjdata/label"][()]


def head(random: np.random.Generator) -> np.ndarray:
    """Return (SIDE, SIDE) uint16, 12 bits: a bright structured disc on a dark background, with noise."""
    down, across = np.mgrid[:SIDE, :SIDE] / SIDE - 0.5
    inside = down**2 * 1.2 + across**2 * 1.8 < 0.16
    structure = gaussian_filter(random.normal(0, 1, (SIDE, SIDE)), 6) * 4000
    noise = random.normal(0, 25, (SIDE, SIDE))
    return np.clip(np.where(inside, 1600 + structure, 40) + noise, 0, 4095).astype(np.uint16)
