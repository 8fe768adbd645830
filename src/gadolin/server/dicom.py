"""``POST /v1/dicom``: predictions for an uploaded series as DICOM objects, the same as those of ``gadolin results``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, TypeVar

import numpy as np
from fastapi import FastAPI, Request
from numpy.typing import NDArray
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from gadolin.dicom_results.identity import Identity, require_one
from gadolin.dicom_results.series_answers import (
    MOST_SLICES,
    duplicate_instance,
    nothing_to_answer,
    outlined_classes,
    predicted_lesion,
    too_many_slices,
)
from gadolin.errors import GadolinError, MissingExtraError
from gadolin.explanations import Explanation
from gadolin.explanations.explain import predicted_outline
from gadolin.explanations.explained_slice import reuse_output
from gadolin.files.folder_walk import failures_json
from gadolin.models.predictor import Inspected, Predictor
from gadolin.models.runtime import NetworkOutput
from gadolin.preprocessing.prepare import find_frame
from gadolin.records import JSON_FORMAT, NOTICE, Failure, Prediction, Slice
from gadolin.server.accept import prefers_related
from gadolin.server.decoding import Damaged, Decoded, DecodeRequest, Found, ImageHeader
from gadolin.server.dicom_response import related_response, zip_response
from gadolin.server.engine import Engine, is_left_out
from gadolin.server.monitoring import Metrics
from gadolin.server.object_maker import ImageAnswer, Made, ObjectMaker, SliceAnswer
from gadolin.server.openapi import DICOM
from gadolin.server.problems import ProblemError, invalid_field, problem_of
from gadolin.server.settings import Settings
from gadolin.server.uploads import Upload, form_of

__all__ = ["DicomWorkers", "add_dicom"]

_MOST_OVERLAYS = 64
_POLL_SECONDS = 0.5
_SLICES_AT_A_TIME = 8  # of a file with several
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, eq=False)
class _Read:
    """A file of the request as decoded, without pixels; its predictions, and the failures of its slices."""

    upload: Upload
    file: Decoded
    slices: tuple[SliceAnswer, ...] = ()
    failures: tuple[Failure, ...] = ()


@dataclass(slots=True)
class _Files:
    """The files of a request by what became of them.

    ``names`` are those of the images, ``earlier`` the data sets of earlier results.
    """

    images: list[ImageAnswer]
    names: list[str]
    earlier: list[bytes]
    failures: list[Failure]
    left_out: list[Failure]


class DicomWorkers:
    """Makes DICOM objects of uploads: one process makes them, and one thread finds and draws the lesions."""

    def __init__(self, settings: Settings) -> None:
        self.maker = ObjectMaker(settings.limits)
        self.turns = asyncio.Semaphore(settings.workers + 1)  # files that are held decoded
        self._making, self._drawing = ThreadPoolExecutor(1, "objects"), ThreadPoolExecutor(1, "lesions")

    def close(self) -> None:
        """End the process and the threads; requests in work fail."""
        self.maker.close()
        for threads in (self._making, self._drawing):
            threads.shutdown(cancel_futures=True)

    async def respond(
        self, engine: Engine, uploads: Sequence[Upload], metrics: Metrics, *, overlays: bool, related: bool
    ) -> Response:
        """Return the response to a request: a ZIP archive, or multipart/related.

        Raises GadolinError for no image, images of several series, and too many slices or overlays.
        """
        chosen, housekeeping = await engine.unpacked(uploads)
        files = await self._sorted(await _Answers(engine, self, overlays=overlays).of(chosen))
        files.left_out += [one.failure for one in housekeeping if one.failure is not None]
        predictions = [one.prediction for image in files.images for one in image.slices]
        digest = engine.predictor.bundle.digest
        made = await self.in_thread(self._making, self.maker.make, files.images, files.earlier, digest)
        metrics.count_predictions(one.label for one in predictions)
        files.failures += [Failure(files.names[number], error) for number, error in made.failures]
        document = _document(made, digest) | failures_json(files.failures, files.left_out)
        form = related_response if related else zip_response
        return await asyncio.to_thread(form, document, made.objects)

    async def draw(self, work: Callable[..., _T], *arguments: object) -> _T:
        """Call a function that finds or draws a lesion in the thread for that."""
        return await self.in_thread(self._drawing, work, *arguments)

    async def in_thread(self, threads: ThreadPoolExecutor, work: Callable[..., _T], *arguments: object) -> _T:
        """Call a function in a thread of ``threads``."""
        return await asyncio.get_running_loop().run_in_executor(threads, work, *arguments)

    async def _sorted(self, read: Sequence[_Read]) -> _Files:
        """Return the files by what became of them; raises GadolinError if there is no image."""
        files = _Files([], [], [], [], [])
        seen: set[str] = set()
        for one in read:
            error, header, name = one.file.error, one.file.header, one.upload.name
            if header is None:
                assert error is not None, "a file without an error has a header"
                if _may_be_result(one.file) and (known := await self._recognised(one.upload)) is not None:
                    files.earlier.append(known)
                else:
                    kind = files.left_out if is_left_out(one.upload, one.file) else files.failures
                    kind.append(Failure(name, error))
                continue
            if header.identity.instance in seen:
                files.failures.append(Failure(name, duplicate_instance()))
                continue
            seen.add(header.identity.instance)
            files.images.append(ImageAnswer(header, one.slices))
            files.names.append(name)
            files.failures += one.failures
        if not files.images:
            raise nothing_to_answer(files.failures or ([] if files.earlier else files.left_out))
        return files

    async def _recognised(self, upload: Upload) -> bytes | None:
        """Return the data set of an earlier result, or None for another file, also if it cannot be read."""
        try:
            return await self.in_thread(self._making, self.maker.recognise, upload.content)
        except GadolinError:
            return None


class _Answers:
    """Predicts the slices of one request, a few files at a time; their pixels are dropped after that."""

    def __init__(self, engine: Engine, results: DicomWorkers, *, overlays: bool) -> None:
        self._engine, self._results, self._overlays = engine, results, overlays
        limits = engine.limits
        self._request = DecodeRequest(most=limits.max_slices, max_pixels=limits.max_pixels, pictures=True, header=True)
        bundle = engine.predictor.bundle
        self._patient, self._outlined = Predictor(bundle, engine.batcher.patiently), outlined_classes(bundle)
        self._first: Identity | None = None
        self._slices = self._drawn = 0

    async def of(self, uploads: Sequence[Upload]) -> list[_Read]:
        """Return the predictions for each file; raises GadolinError if a limit is exceeded or the series differ."""
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._file(one)) for one in uploads]
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from errors
        return [one.result() for one in tasks]

    async def _file(self, upload: Upload) -> _Read:
        async with self._results.turns:
            file = await self._engine.decoded(upload, self._request)
            if file.header is None:
                return _Read(upload, file)
            self._check(file.header, len(file.slices))
            frames, slices = file.header.frames, [one for one in file.slices if isinstance(one, Found)]
            found: list[SliceAnswer] = []
            for start in range(0, len(slices), _SLICES_AT_A_TIME):
                chunk = slices[start : start + _SLICES_AT_A_TIME]
                found += await asyncio.gather(*(self._slice(one, frames[one.frame or 0]) for one in chunk))
            failures = [Failure(upload.name, one.error, one.frame) for one in file.slices if isinstance(one, Damaged)]
            return _Read(upload, Decoded(header=file.header), tuple(found), tuple(failures))

    def _check(self, header: ImageHeader, slices: int) -> None:
        self._first = self._first or header.identity
        require_one((self._first, header.identity))
        self._slices += slices
        self._engine.require_few(self._slices)
        if self._slices > MOST_SLICES:
            raise too_many_slices()

    async def _slice(self, found: Found, frame: int | None) -> SliceAnswer:
        predictor = self._engine.predictor
        output = await asyncio.wrap_future(self._engine.batcher.submit(found.prepared))
        declined = predictor.decline_reason(colour=found.colour, several=found.several)
        (prediction,) = predictor.decide(output, [Inspected(found.prepared, declined, found.header)], [""])
        if prediction.label not in self._outlined:
            return SliceAnswer(frame, prediction)
        if not self._overlays:
            outline = await self._results.draw(self._outline, found.picture, output, prediction.label)
            return SliceAnswer(frame, prediction, outline)
        lesion = await self._results.draw(self._lesion, found, output, prediction)
        if lesion is None:
            return SliceAnswer(frame, prediction)
        self._drawn += 1
        if self._drawn > _MOST_OVERLAYS:
            raise _too_many_overlays()
        return SliceAnswer(frame, prediction, lesion.outline, await self._results.draw(lesion.as_png))

    def _outline(self, image: Slice, output: NetworkOutput, label: str) -> NDArray[np.bool_] | None:
        """Return the outline of ``predicted_lesion``, without what a picture of it needs."""
        predictor = self._engine.predictor
        head = find_frame(image, predictor.bundle.preparation)
        return predicted_outline(predictor, output.evidence[0], head, label, image.pixels.shape)

    def _lesion(self, found: Found, output: NetworkOutput, prediction: Prediction) -> Explanation | None:
        assert found.picture is not None, "it is requested"
        reusing = reuse_output(self._patient, found.prepared, output)
        return predicted_lesion(reusing, found.picture, prediction)


def add_dicom(app: FastAPI) -> None:
    """Add the route; ``app.state`` has ``engine``, ``dicom`` and ``metrics``."""

    @app.post(
        "/v1/dicom",
        openapi_extra=DICOM,
        response_class=Response,
        tags=["predictions"],
        summary="Predictions as DICOM objects",
    )
    async def dicom(request: Request) -> Response:
        _require_extra()
        related = prefers_related(request.headers.get("accept", ""))
        state = request.app.state
        form = await form_of(request)
        overlays = _truth(form.fields.get("overlays", "false"))
        work = state.dicom.respond(state.engine, form.files, state.metrics, overlays=overlays, related=related)
        task = asyncio.create_task(work)
        try:
            while not (await asyncio.wait([task], timeout=_POLL_SECONDS))[0]:
                if await request.is_disconnected():
                    raise ClientDisconnect
            answer: Response = await task
            return answer
        finally:
            task.cancel()


def _require_extra() -> None:
    if find_spec("highdicom") is None:
        raise problem_of(MissingExtraError(package="highdicom", extra="hospital"))


def _truth(given: str) -> bool:
    if given.lower() not in ("true", "false"):
        raise invalid_field(rule="overlays must be true or false", got=given)
    return given.lower() == "true"


def _may_be_result(file: Decoded) -> bool:
    """Return whether a file without a slice may be a result: an object beside images, or of another modality."""
    return file.omit or (file.error is not None and file.error.code == "not_mr")


def _document(made: Made, digest: str) -> dict[str, Any]:
    return {
        "format": JSON_FORMAT,
        "notice": NOTICE,
        "model": digest,
        "slices": made.slices,
        "answered": made.answered,
        "lesions_without_segmentation": made.lesions_without_geometry,
    }


def _too_many_overlays() -> ProblemError:
    return ProblemError(
        422,
        code="too_many_overlays",
        rule=f"overlays are drawn for at most {_MOST_OVERLAYS} slices of a request",
        got="this one has more predicted lesions",
        remedy="leave out the overlays, or use gadolin results",
    )
