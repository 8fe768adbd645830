"""From uploaded files to the JSON documents of the API, which have the fields of the command line."""

from __future__ import annotations

import asyncio
import base64
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from gadolin.errors import DataError
from gadolin.explanations.explained_slice import onto_slice
from gadolin.explanations.trust import no_evidence_note
from gadolin.files.folder_walk import failures_json, housekeeping_in
from gadolin.models.decision import class_probabilities
from gadolin.models.predictor import Inspected, Predictor
from gadolin.models.runtime import NetworkOutput
from gadolin.preprocessing.prepare import find_frame
from gadolin.readers.contents import Place
from gadolin.readers.file_types import HEAD, is_other
from gadolin.readers.series import by_place
from gadolin.records import JSON_FORMAT, NOTICE, Failure, Prediction, Slice
from gadolin.server.archives import unpacked
from gadolin.server.batcher import Batcher
from gadolin.server.decoder_pool import Decoders
from gadolin.server.decoding import Damaged, Decoded, DecodeRequest, Found
from gadolin.server.problems import ProblemError, problem_of
from gadolin.server.settings import Limits
from gadolin.server.uploads import Upload

__all__ = ["Engine", "PredictRequest", "failures_of", "heat_json", "is_left_out", "picture_json", "verdict"]

_MAX_PICTURES = 64
_MIN_AREA = 12  # pixels; smaller outlines are not drawn


@dataclass(frozen=True, slots=True)
class PredictRequest:
    """A slice of an upload: the name of its file, and the decoded slice or its error.

    ``left_out``: the file is left out of a folder or archive, as on the command line.
    """

    path: str
    found: Found | Damaged
    left_out: bool = False

    @property
    def failure(self) -> Failure | None:
        """The failure of an undecodable slice or a left-out file; else None."""
        return Failure(self.path, self.found.error, self.found.frame) if isinstance(self.found, Damaged) else None


@dataclass(frozen=True, slots=True)
class Engine:
    """One model with its decoding processes, explanation threads and request limits.

    The network runs only through the batcher. ``trust`` maps each class to a sentence on the reliability of its
    evidence maps.
    """

    predictor: Predictor
    decoders: Decoders
    batcher: Batcher
    explainers: Executor
    limits: Limits
    trust: Mapping[str, str]

    async def slices(self, files: Sequence[Upload], request: DecodeRequest, only: str = "") -> list[PredictRequest]:
        """Decode the files of a request, or ``only`` the file of that name; a DICOM series is in anatomical order.

        Raises ProblemError if there are no files or too many slices, or if no file can be read.
        """
        chosen, left_out = await self.unpacked(files, only)
        decoded = await asyncio.gather(*(self.decoded(upload, request) for upload in chosen))
        _refuse_all_bad(decoded)
        requests = [
            PredictRequest(upload.name, one, left_out=is_left_out(upload, file))
            for upload, file in _in_order(chosen, decoded)
            for one in ((Damaged(None, file.error),) if file.error is not None else file.slices)
        ]
        self.require_few(sum(not one.left_out for one in requests))
        return [*requests, *left_out]

    async def unpacked(self, files: Sequence[Upload], only: str = "") -> tuple[list[Upload], list[PredictRequest]]:
        """Unpack the archives of a request; return its files, or ``only`` the one of that name, and those left out.

        Raises ProblemError if there are no files.
        """
        found = await asyncio.to_thread(unpacked, list(files), self.limits)
        chosen = [one for one in found if not only or one.name == only]
        skipped = {} if only else {one.name: error for one in chosen if (error := _housekeeping(one.name)) is not None}
        chosen = [one for one in chosen if one.name not in skipped]
        if not chosen:
            raise ProblemError(
                422,
                code="no_files",
                rule="a request must hold one file or more in the field 'files'",
                got="this one holds none",
                remedy="send one",
            )
        return chosen, [PredictRequest(name, Damaged(None, error), left_out=True) for name, error in skipped.items()]

    async def decoded(self, upload: Upload, request: DecodeRequest) -> Decoded:
        """Decode a file; the error of a decoder that died becomes the error of its file."""
        try:
            return await asyncio.wrap_future(self.decoders.submit(upload.content, request))
        except ProblemError as problem:
            return Decoded(error=problem)

    def require_few(self, slices: int) -> None:
        """Raise ProblemError (413) for more slices than a request may hold."""
        if slices > self.limits.max_slices:
            raise ProblemError(
                413,
                code="too_many_slices",
                rule=f"a request may hold {self.limits.max_slices} slices",
                got=f"these files hold {slices}",
                remedy="send fewer",
            )

    async def predict(
        self, requests: Sequence[PredictRequest], include: frozenset[str] = frozenset()
    ) -> dict[str, Any]:
        """Return the document of ``gadolin predict --json``, with pictures and evidence on request."""
        good = [(one.path, one.found) for one in requests if isinstance(one.found, Found)]
        if include and len(good) > _MAX_PICTURES:
            raise ProblemError(
                422,
                code="too_many_pictures",
                rule=f"pictures and evidence are sent for at most {_MAX_PICTURES} slices",
                got=f"got {len(good)}",
                remedy="request fewer",
            )
        waiting = [asyncio.wrap_future(self.batcher.submit(found.prepared)) for _, found in good]
        documents = [
            self._document(verdict(self.predictor, output, found, path), found, output, include)
            for (path, found), output in zip(good, await asyncio.gather(*waiting), strict=True)
        ]
        head = {"format": JSON_FORMAT, "notice": NOTICE, "model": self.predictor.bundle.digest}
        return head | {"predictions": documents} | failures_of(requests)

    def _document(
        self, prediction: Prediction, found: Found, output: NetworkOutput, include: frozenset[str]
    ) -> dict[str, Any]:
        document = prediction.as_json()
        if found.picture is None:
            return document
        if "picture" in include:
            document["picture"] = picture_json(found.picture)
        if "evidence" in include:
            probabilities = class_probabilities(output.logits, self.predictor.bundle, self.predictor.sequences(output))[
                0
            ]
            best = int(probabilities.argmax())
            box = find_frame(found.picture, self.predictor.bundle.preparation).box
            heat = onto_slice(output.evidence[0, best], box, found.picture.pixels.shape)
            label = self.predictor.bundle.classes[best]
            trusted = self.trust[label] if heat.any() else no_evidence_note("evidence", label)
            document["evidence"] = {"class": label, **heat_json(heat), "outline": _outline(heat), "trust": trusted}
        return document


def failures_of(requests: Sequence[PredictRequest]) -> dict[str, Any]:
    """Return errors and left-out files in the JSON of the command line."""
    failures = [(one.failure, one.left_out) for one in requests if one.failure is not None]
    return failures_json(
        [failure for failure, left_out in failures if not left_out],
        [failure for failure, left_out in failures if left_out],
    )


def verdict(predictor: Predictor, output: NetworkOutput, found: Found, path: str) -> Prediction:
    """Return the prediction for a slice from the network's output and the decoded slice."""
    declined = predictor.decline_reason(colour=found.colour, several=found.several)
    (prediction,) = predictor.decide(output, [Inspected(found.prepared, declined, found.header)], [path])
    return replace(prediction, frame=found.frame)


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
    """Return heat (H, W) as bytes from -127 to 127, base64, and ``scale``, the heat of 127."""
    scale = float(np.abs(heat).max())
    height, width = heat.shape
    data = np.rint(heat * (127 / max(scale, 1e-12))).astype(np.int8)
    encoded = base64.b64encode(data.tobytes()).decode("ascii")
    return {"height": height, "width": width, "scale": scale, "data": encoded}


def _outline(heat: NDArray[np.float32]) -> list[list[list[int]]]:
    """Return the outlines of the regions with heat above 0, as polygons of [x, y]."""
    found, _ = cv2.findContours((heat > 0).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return [line[:, 0].tolist() for line in found if cv2.contourArea(line) >= _MIN_AREA]


def _refuse_all_bad(decoded: Sequence[Decoded]) -> None:
    """Raise the ProblemError of the first file if no file can be read."""
    errors = [one.error for one in decoded if one.error is not None]
    if len(errors) == len(decoded):
        raise problem_of(errors[0])


def _housekeeping(name: str) -> DataError | None:
    """Return why a file in a folder is housekeeping, or None; the name of the folder itself is ignored."""
    return housekeeping_in(name.partition("/")[2])


def is_left_out(upload: Upload, file: Decoded) -> bool:
    """Return whether a file is left out of its folder or archive, as on the command line."""
    foreign = file.omit or (file.error is not None and is_other(upload.name, upload.content[:HEAD]))
    return "/" in upload.name and foreign


def _in_order(files: Sequence[Upload], decoded: Sequence[Decoded]) -> list[tuple[Upload, Decoded]]:
    """Return uploads with their decoded files; DICOM files come series by series, each in anatomical order.

    Series come in order of appearance, and take the places of the DICOM files; other files keep theirs.
    """
    pairs = list(zip(files, decoded, strict=True))
    series: dict[str, list[tuple[Place, tuple[Upload, Decoded]]]] = defaultdict(list)
    for pair in pairs:
        if (place := pair[1].place) is not None:
            series[place.series].append((place, pair))
    ordered = iter([own[row][1] for own in series.values() for row in by_place([place for place, _ in own])])
    return [pair if pair[1].place is None else next(ordered) for pair in pairs]
