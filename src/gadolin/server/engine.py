"""From uploaded files to the documents of the API: the same fields as the command line and Python."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from gadolin.errors import DataError
from gadolin.explanations.explained_slice import onto_slice
from gadolin.explanations.trust import nothing
from gadolin.files.folder_walk import failures_json, housekeeping_in
from gadolin.models.decision import class_probabilities
from gadolin.models.predictor import Inspected, Predictor
from gadolin.models.runtime import NetworkOutput
from gadolin.preprocessing.prepare import find_frame
from gadolin.readers.file_types import HEAD, is_other
from gadolin.readers.series import by_place
from gadolin.records import JSON_FORMAT, NOTICE, Failure, Prediction, Slice
from gadolin.server.archives import unpacked
from gadolin.server.batcher import Batcher
from gadolin.server.decoder_pool import Decoders
from gadolin.server.decoding import Damaged, Decoded, Found, Wanted
from gadolin.server.problems import ProblemError, problem_of
from gadolin.server.settings import Limits
from gadolin.server.uploads import Upload

__all__ = ["Engine", "PredictRequest", "failures_of", "heat_json", "picture_json", "verdict"]

_MOST_PICTURES = 64
_LOWEST_AREA = 12  # pixels of an outline that is worth drawing


@dataclass(frozen=True, slots=True)
class PredictRequest:
    """A slice of an upload: its file's name, and what was found in its place.

    ``left_out``: the file is skipped in a folder or archive, as on the command line.
    """

    path: str
    found: Found | Damaged
    left_out: bool = False

    @property
    def failure(self) -> Failure | None:
        """The failure of a slice that cannot be decoded, or of a file that is left out; else None."""
        return Failure(self.path, self.found.error, self.found.frame) if isinstance(self.found, Damaged) else None


@dataclass(frozen=True, slots=True)
class Engine:
    """One model, the processes that decode for it, the threads that explain, and the limits of a request.

    The network runs only through the batcher. ``trust`` gives for each class how far the evidence for it can be
    trusted.
    """

    predictor: Predictor
    decoders: Decoders
    batcher: Batcher
    explainers: Executor
    limits: Limits
    trust: Mapping[str, str]

    async def slices(self, files: Sequence[Upload], wanted: Wanted, only: str = "") -> list[PredictRequest]:
        """Decode the files of a request, the DICOM files of one series in anatomical order; ``only`` the one so named.

        Raises ProblemError where there are no files, where there are too many slices, or where no file can be read.
        """
        files = await asyncio.to_thread(unpacked, list(files), self.limits)
        chosen = [one for one in files if not only or one.name == only]
        kept = {} if only else {one.name: why for one in chosen if (why := _housekeeping(one.name)) is not None}
        files = [one for one in chosen if one.name not in kept]
        if not files:
            raise ProblemError(
                422,
                code="no_files",
                rule="a request must hold one file or more in the field 'files'",
                got="this one holds none",
                remedy="send one",
            )
        jobs = [_decoded(self.decoders.submit(upload.content, wanted)) for upload in files]
        decoded = await asyncio.gather(*jobs)
        _refuse_all_bad(decoded)
        asked = [
            PredictRequest(upload.name, one, left_out=_left_out(upload, told))
            for upload, told in _in_order(files, decoded)
            for one in ((Damaged(None, told.error),) if told.error is not None else told.slices)
        ]
        if sum(not one.left_out for one in asked) > self.limits.max_slices:
            raise ProblemError(
                413,
                code="too_many_slices",
                rule=f"a request may hold {self.limits.max_slices} slices",
                got=f"these files hold {len(asked)}",
                remedy="send fewer",
            )
        return [*asked, *(PredictRequest(name, Damaged(None, why), left_out=True) for name, why in kept.items())]

    async def predict(self, asked: Sequence[PredictRequest], include: frozenset[str] = frozenset()) -> dict[str, Any]:
        """Return the document of ``gadolin predict --json``, with pictures and evidence where they are wanted."""
        good = [(one.path, one.found) for one in asked if isinstance(one.found, Found)]
        if include and len(good) > _MOST_PICTURES:
            raise ProblemError(
                422,
                code="too_many_pictures",
                rule=f"pictures and evidence are sent of {_MOST_PICTURES} slices at most",
                got=f"got {len(good)}",
                remedy="ask for fewer",
            )
        waiting = [asyncio.wrap_future(self.batcher.submit(found.prepared)) for _, found in good]
        told = [
            self._document(verdict(self.predictor, said, found, path), found, said, include)
            for (path, found), said in zip(good, await asyncio.gather(*waiting), strict=True)
        ]
        answered = {"format": JSON_FORMAT, "notice": NOTICE, "model": self.predictor.bundle.digest, "predictions": told}
        return answered | failures_of(asked)

    def _document(
        self, answer: Prediction, found: Found, said: NetworkOutput, include: frozenset[str]
    ) -> dict[str, Any]:
        told = answer.as_json()
        if found.picture is None:
            return told
        if "picture" in include:
            told["picture"] = picture_json(found.picture)
        if "evidence" in include:
            likely = class_probabilities(said.logits, self.predictor.bundle, self.predictor.sequences(said))[0]
            best = int(likely.argmax())
            box = find_frame(found.picture, self.predictor.bundle.preparation).box
            heat = onto_slice(said.evidence[0, best], box, found.picture.pixels.shape)
            label = self.predictor.bundle.classes[best]
            trusted = self.trust[label] if heat.any() else nothing("evidence", label)
            told["evidence"] = {"class": label, **heat_json(heat), "outline": _outline(heat), "trust": trusted}
        return told


def failures_of(asked: Sequence[PredictRequest]) -> dict[str, Any]:
    """Return the errors and the files that are left out, in the JSON of the command line."""
    failures = [(one.failure, one.left_out) for one in asked if one.failure is not None]
    return failures_json(
        [failure for failure, left_out in failures if not left_out],
        [failure for failure, left_out in failures if left_out],
    )


def verdict(predictor: Predictor, said: NetworkOutput, found: Found, path: str) -> Prediction:
    """Return the prediction for a slice from the network's output and what its decoder found."""
    declined = predictor.decline_reason(colour=found.colour, several=found.several)
    (answer,) = predictor.decide(said, [Inspected(found.prepared, declined, found.sequence)], [path])
    return replace(answer, frame=found.frame)


def picture_json(image: Slice) -> dict[str, Any]:
    """Return a slice as 16-bit levels between its darkest and brightest pixel, base64."""
    low, high = float(image.pixels.min()), float(image.pixels.max())
    levels = np.rint((image.pixels - low) * (65535 / max(high - low, 1e-12))).astype("<u2")
    height, width = image.pixels.shape
    return {
        "height": height,
        "width": width,
        "low": low,
        "high": high,
        "window": image.window,
        "spacing_mm": image.spacing_mm,
        "data": base64.b64encode(levels.tobytes()).decode("ascii"),
    }


def heat_json(heat: NDArray[np.float32]) -> dict[str, Any]:
    """Return heat (H, W) as bytes from -127 to 127, base64, and what 127 stands for."""
    scale = float(np.abs(heat).max())
    height, width = heat.shape
    data = np.rint(heat * (127 / max(scale, 1e-12))).astype(np.int8)
    encoded = base64.b64encode(data.tobytes()).decode("ascii")
    return {"height": height, "width": width, "scale": scale, "data": encoded}


def _outline(heat: NDArray[np.float32]) -> list[list[list[int]]]:
    """Return the outlines of where heat is above 0, as polygons of [x, y]."""
    found, _ = cv2.findContours((heat > 0).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return [line[:, 0].tolist() for line in found if cv2.contourArea(line) >= _LOWEST_AREA]


async def _decoded(answer: Future[Decoded]) -> Decoded:
    """Return what a file holds; a decoder that died over it is told in its place, and the rest go on."""
    try:
        return await asyncio.wrap_future(answer)
    except ProblemError as problem:
        return Decoded(error=problem)


def _refuse_all_bad(decoded: Sequence[Decoded]) -> None:
    """Raise ProblemError where not one file can be read: for the reason of the first."""
    errors = [one.error for one in decoded if one.error is not None]
    if len(errors) == len(decoded):
        raise problem_of(errors[0])


def _housekeeping(name: str) -> DataError | None:
    """Return why a file of a folder is housekeeping, or None; the name of the folder itself does not matter."""
    return housekeeping_in(name.partition("/")[2])


def _left_out(upload: Upload, told: Decoded) -> bool:
    """Return whether a folder, or an archive, is answered for without this file, as on the command line."""
    foreign = told.omit or (told.error is not None and is_other(upload.name, upload.content[:HEAD]))
    return "/" in upload.name and foreign


def _in_order(files: Sequence[Upload], decoded: Sequence[Decoded]) -> list[tuple[Upload, Decoded]]:
    """Return files and what they hold; where their DICOM files are of one series, these in anatomical order."""
    pairs = list(zip(files, decoded, strict=True))
    placed = {Path(f"{row:06d}"): told.place for row, (_, told) in enumerate(pairs) if told.place is not None}
    if len({place.series for place in placed.values()}) != 1:
        return pairs
    turn = iter([pairs[int(path.name)] for path in by_place(placed)])
    return [next(turn) if Path(f"{row:06d}") in placed else pair for row, pair in enumerate(pairs)]
