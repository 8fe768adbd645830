"""Out-of-distribution scores compared.

    python -m benchmarks run unlike DATA RUN [--write]

RUN is a finished run of ``travel``. The threshold of each score declines 2 % of the validation slices. Scored are the
test slices, as they are and shrunk to 64 pixels, and every second image of each folder of DATA/other and of the CT in
notumor. The scores: distance to the nearest class, or class and sequence (Mahalanobis; Lee et al. 2018), distance to
the fifth neighbour by angle or Euclidean (Sun et al. 2022), energy (Liu et al. 2020), density of a Gaussian mixture,
and the package's detector, which is also fitted to the other half of the images, without and with shrunk slices.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import NearestNeighbors

from benchmarks.foreign import ct_of_notumor, halves, with_views
from benchmarks.publish import markdown, publish
from gadolin.datasets.manifest import read_manifest
from gadolin.models.predictor import Predictor
from gadolin.models.run_folder import RunFolder
from gadolin.models.runtime import NetworkOutput
from gadolin.preprocessing.cache import prepared_slices
from gadolin.preprocessing.prepare import Preparation, prepare
from gadolin.readers import read
from gadolin.records import Record
from gadolin.training.ood import fit_ood_detector, fit_ood_threshold

DECLINED = 0.02
NEIGHBOURS = 5
EVERY = 3  # take every third training slice for the neighbours
COARSE = 64
WIDTH, PARTS = 64, 16  # dimensions and components of the mixture

Score = Callable[[NetworkOutput], NDArray[np.floating]]
Slices = NDArray[np.uint8]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("--write", action="store_true", help="store the result and render docs/")
    arguments = parser.parse_args()
    predictor = Predictor.load(arguments.run)
    preparation = predictor.bundle.preparation
    records = read_manifest(RunFolder(arguments.run).manifest, verify=False)
    parts = {name: [one for one in records if one.split == name] for name in ("train", "validation", "test")}
    slices = {name: prepared_slices(own, preparation).slices for name, own in parts.items()}
    shown, tested = pictures(arguments.data, preparation)
    tested |= {"slices": slices["test"], "slices shrunk to 64 pixels": shrunk(slices["test"])}
    learned, known = predictor.run_network(slices["train"]), predictor.run_network(slices["validation"])
    foreign = predictor.run_network(with_views(shown))
    coarse = predictor.run_network(shrunk(slices["train"][::8]))
    scores = feature_scores(parts["train"], learned, known) | {
        "energy": energy,
        "distance, shown pictures": gate(parts["train"], learned, known, foreign),
        "distance, shown pictures and shrunk slices": gate(parts["train"], learned, known, foreign, coarse),
    }
    output = {name: predictor.run_network(own) for name, own in tested.items()}
    rows = []
    for name, score in scores.items():
        most = fit_ood_threshold(score(known), DECLINED)
        rows.append([name, *(f"{100 * float((score(one) > most).mean()):.0f} %" for one in output.values())])
    head = ["score", *(f"{name} ({len(own)})" for name, own in tested.items())]
    note = (
        f"The threshold of each score declines {100 * DECLINED:.0f} % of the validation slices; the last two columns "
        "are test slices. Distance: Mahalanobis distance to the nearest class, or class and sequence. Fifth "
        "neighbour: distance to the fifth nearest training slice. Density: of a mixture of Gaussians. Energy: of the "
        "logits. The last two rows are the detector of Gadolin, which is also fitted on examples of such pictures, "
        "without and with shrunk slices."
    )
    lines = [*markdown(head, rows), "", note]
    publish("unlike", "Out-of-distribution scores compared", lines, write=arguments.write)


def pictures(data: Path, preparation: Preparation) -> tuple[Slices, dict[str, Slices]]:
    """Return the prepared half for fitting, and the half for testing by kind."""
    shown, tested = halves(data / "other")
    scans = ct_of_notumor(data)
    kinds = {path.parent.name.replace("_", " "): path.parent for path in tested}
    paths = {name: [path for path in tested if path.parent == folder] for name, folder in kinds.items()}
    paths["CT of notumor"] = scans[1::2]

    def every(some: Sequence[Path]) -> Slices:
        return np.stack([prepare(read(path), preparation) for path in some])

    return every([*shown, *scans[::2]]), {name: every(some) for name, some in paths.items()}


def feature_scores(records: Sequence[Record], learned: NetworkOutput, known: NetworkOutput) -> dict[str, Score]:
    """Return the scores that are fitted to training slices alone."""
    sequences = [f"{one.label} {one.sequence}" for one in records]
    few = learned.features[::EVERY]
    narrow = PCA(WIDTH, random_state=0).fit(learned.features)
    mixture = GaussianMixture(PARTS, reg_covar=1e-3, random_state=0).fit(narrow.transform(learned.features))
    return {
        "distance to the class": gate(records, learned, known, by=[one.label for one in records]),
        "distance to class and sequence": gate(records, learned, known, by=sequences),
        "fifth neighbour, by angle": neighbour(few, "cosine"),
        "fifth neighbour, by distance": neighbour(few, "euclidean"),
        "density": lambda output: -mixture.score_samples(narrow.transform(output.features)),
    }


def gate(
    records: Sequence[Record],
    learned: NetworkOutput,
    known: NetworkOutput,
    foreign: NetworkOutput | None = None,
    coarse: NetworkOutput | None = None,
    *,
    by: Sequence[str] | None = None,
) -> Score:
    """Return the OOD score of the package, with clusters by label and sequence, or by ``by`` (N,)."""
    names = by or [f"{one.label} {one.sequence}" for one in records]
    clusters = np.unique(names, return_inverse=True)[1]
    shown, small = (None if one is None else one.features for one in (foreign, coarse))
    fitted = fit_ood_detector(learned.features, clusters, known.features, shown, small)
    return lambda output: fitted.ood_score(output.features)


def energy(output: NetworkOutput) -> NDArray[np.floating]:
    return np.asarray(-logsumexp(output.logits, axis=1))


def neighbour(known: NDArray[np.floating], metric: str) -> Score:
    """Return the score by distance to the fifth neighbour among the features ``known`` (M, F)."""
    fitted = NearestNeighbors(n_neighbors=NEIGHBOURS, metric=metric).fit(known)
    return lambda output: fitted.kneighbors(output.features)[0][:, -1]


def shrunk(slices: Slices) -> Slices:
    """Return slices (N, H, H) uint8, shrunk to ``COARSE`` pixels a side and enlarged again."""
    size = slices.shape[1:]
    return np.stack(
        [cv2.resize(cv2.resize(one, (COARSE, COARSE), interpolation=cv2.INTER_AREA), size) for one in slices]
    )
