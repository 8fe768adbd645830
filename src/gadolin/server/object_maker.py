"""DICOM objects of results, made in a sandbox: the service itself parses no header of an upload.

The sandbox gets the headers of the images as bytes, and returns whole objects.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gadolin.dicom_results.entry import ResultEntry
from gadolin.errors import DecoderError, GadolinError, TooLargeError, error_from_json
from gadolin.readers.sandbox.child import Handle
from gadolin.readers.sandbox.messages import Message
from gadolin.readers.sandbox.sandbox import Bounds, Sandbox
from gadolin.records import Prediction, Series
from gadolin.server.decoding import ImageHeader
from gadolin.server.problems import ProblemError
from gadolin.server.settings import Limits

if TYPE_CHECKING:
    from gadolin.dicom_results.slices import SliceResult

__all__ = ["ImageAnswer", "Made", "MadeObject", "ObjectMaker", "SliceAnswer", "making"]

_SECONDS = 300.0  # of a request to the process, by the clock
_SECONDS_EACH = 0.2  # of processor time for a slice, in addition to the time for a file
_REQUESTS = 200  # of one process
_UID = re.compile(r"[0-9.]{1,64}")
_KINDS = ("report", "lesions", "overlay", "rejection")


@dataclass(frozen=True, slots=True, eq=False)
class SliceAnswer:
    """The prediction for one slice of an image.

    ``frame`` is its number as stored, from 1, or None in a file with one image. ``outline`` (H, W) bool is the
    predicted lesion, ``overlay`` the picture of the evidence as PNG; both may be None.
    """

    frame: int | None
    prediction: Prediction
    outline: NDArray[np.bool_] | None = None
    overlay: bytes | None = None


@dataclass(frozen=True, slots=True, eq=False)
class ImageAnswer:
    """The header of an image, and the predictions for its slices."""

    header: ImageHeader
    slices: tuple[SliceAnswer, ...]


class MadeObject(NamedTuple):
    """A DICOM object of the results: its entry, whose path is its file name, and its bytes."""

    entry: ResultEntry
    content: bytes


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """The objects of a series, with the numbers of slices in them, of those that are answered, and of lesions.

    ``lesions_without_geometry`` are in no segmentation. ``failures`` are the images whose headers allow no objects, by
    their number in the request.
    """

    objects: tuple[MadeObject, ...]
    slices: int
    answered: int
    lesions_without_geometry: int
    failures: tuple[tuple[int, GadolinError], ...]


class ObjectMaker:
    """The process that makes objects, started by the first request; safe to call from several threads, one at a time.

    All methods raise DecoderError if it died or took too long, and other errors of Gadolin for content that it refuses.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        bounds = Bounds(limits.max_memory_bytes, max(_SECONDS, limits.max_seconds), _REQUESTS)
        self._sandbox = Sandbox("gadolin.server.object_maker:making", bounds=bounds)

    @property
    def pid(self) -> int | None:
        """The id of the process, or None if none is running."""
        return self._sandbox.pid

    def recognise(self, content: bytes) -> bytes | None:
        """Return the data set of a file without pixels if it is a result of Gadolin, else None."""
        reply = self._sandbox.run({"what": "recognise"}, content, cpu_seconds=self._limits.max_seconds)
        return reply.arrays[0].tobytes() if reply.arrays else None

    def make(self, images: Sequence[ImageAnswer], earlier: Sequence[bytes], model: str) -> Made:
        """Return the objects of a series that the model with the digest ``model`` answered.

        ``earlier`` are the data sets of earlier results; a note rejects those that the new ones replace.
        """
        parts: list[bytes] = []
        facts = {
            "what": "make",
            "model": model,
            "images": [_image_facts(one, parts) for one in images],
            "earlier": [_put(one, parts) for one in earlier],
            "most_bytes": self._limits.max_unpacked_bytes,
        }
        slices = sum(len(one.slices) for one in images)
        seconds = self._limits.max_seconds + _SECONDS_EACH * slices
        try:
            made = _made(self._sandbox.run(facts, b"".join(parts), cpu_seconds=seconds))
            _require_numbers(made, len(images))
            return made
        except DecoderError as error:
            raise _not_made() from error
        except GadolinError:
            raise
        except (ValueError, KeyError, TypeError) as error:
            self._sandbox.close()
            raise _not_made() from error

    def close(self) -> None:
        """End the process; its request fails."""
        self._sandbox.kill()
        self._sandbox.close()


def _not_made() -> ProblemError:
    return ProblemError(
        503,
        code="results_not_made",
        rule="the process that makes DICOM objects must return them",
        got="it died or took too long",
        remedy="send fewer slices",
        retry_seconds=1,
    )


def _image_facts(image: ImageAnswer, parts: list[bytes]) -> dict[str, Any]:
    """Return what the sandbox needs of an image; bytes are appended to ``parts``."""
    return {"header": _put(image.header.content, parts), "slices": [_slice_facts(one, parts) for one in image.slices]}


def _slice_facts(one: SliceAnswer, parts: list[bytes]) -> dict[str, Any]:
    outline = one.outline
    return {
        "frame": one.frame,
        "prediction": asdict(one.prediction) | {"path": ""},
        "outline": None if outline is None else [*outline.shape, _put(np.packbits(outline).tobytes(), parts)],
        "overlay": None if one.overlay is None else _put(one.overlay, parts),
    }


def _put(content: bytes, parts: list[bytes]) -> int:
    parts.append(content)
    return len(content)


def _made(reply: Message) -> Made:
    """Return the objects of a reply; raises ValueError, KeyError or TypeError if it is invalid."""
    objects = [
        MadeObject(_entry(**one), content.tobytes())
        for one, content in zip(reply.facts["objects"], reply.arrays, strict=True)
    ]
    slices, answered, without = (int(reply.facts[name]) for name in ("slices", "answered", "lesions_without_geometry"))
    failures = tuple((int(number), error_from_json(error)) for number, error in reply.facts["failures"])
    return Made(tuple(objects), slices, answered, without, failures)


def _entry(*, kind: str, instance: str, series: str, new: bool) -> ResultEntry:
    """Return the entry of an object with the name that ``gadolin results`` gives it; raises ValueError if invalid."""
    if kind not in _KINDS or not _UID.fullmatch(instance) or not _UID.fullmatch(series):
        msg = "an object must have a kind and UIDs"
        raise ValueError(msg)
    return ResultEntry(kind, instance, series, bool(new), Path(f"{kind}-{instance}.dcm"))


def _require_numbers(made: Made, images: int) -> None:
    """Raise ValueError unless failures are of images of the request."""
    if not all(0 <= number < images for number, _ in made.failures):
        msg = "a failure must be of an image of the request"
        raise ValueError(msg)


def making(_settings: dict[str, Any]) -> Handle:
    """Return the function that works in the sandbox; imports pydicom and highdicom."""
    import gadolin.dicom_results.objects
    import gadolin.dicom_results.series  # noqa: F401

    return _handle


def _handle(facts: dict[str, Any], content: bytes) -> Message:
    try:
        return _recognised(content) if facts["what"] == "recognise" else _objects(facts, io.BytesIO(content))
    except MemoryError as error:
        raise _too_large() from error


def _recognised(content: bytes) -> Message:
    from gadolin.dicom_results.objects import own_result
    from gadolin.dicom_results.source import Source

    found = own_result(io.BytesIO(content))
    arrays = () if found is None else (np.frombuffer(Source("", found).as_bytes(), np.uint8),)
    return Message({}, arrays)


def _objects(facts: dict[str, Any], content: io.BytesIO) -> Message:
    from gadolin.dicom_results.objects import KeptResults, make_results
    from gadolin.dicom_results.series import result_of
    from gadolin.dicom_results.source import source_from_bytes

    slices = [one for number, image in enumerate(facts["images"]) for one in _slices(image, number, content)]
    kept = KeptResults.of([source_from_bytes(content.read(length), "").header for length in facts["earlier"]])
    result, objects, failures = make_results(result_of(slices, facts["model"]), kept)
    known = kept.instances
    made: list[dict[str, Any]] = []
    arrays: list[NDArray[np.uint8]] = []
    left = facts["most_bytes"]
    for one in objects:
        left -= len(one.content)
        if left < 0:
            raise _too_large()
        entry = one.entry(is_new=str(one.dataset.SOPInstanceUID) not in known)
        made.append({"kind": entry.kind, "instance": entry.instance, "series": entry.series, "new": entry.is_new})
        arrays.append(np.frombuffer(one.content, np.uint8))
    reply = {
        "objects": made,
        "slices": len(result.slices),
        "answered": result.answered,
        "lesions_without_geometry": result.lesions_without_geometry,
        "failures": [[int(one.path), one.error.as_json()] for one in failures],
    }
    return Message(reply, tuple(arrays))


def _slices(image: dict[str, Any], number: int, content: io.BytesIO) -> Iterator[SliceResult]:
    """Yield the slices of an image from its facts and its bytes; its path is its number in the request."""
    from gadolin.dicom_results.slices import SliceResult
    from gadolin.dicom_results.source import source_from_bytes

    source = source_from_bytes(content.read(image["header"]), str(number))
    for one in image["slices"]:
        outline = overlay = None
        if one["outline"] is not None:
            height, width, length = one["outline"]
            bits = np.unpackbits(np.frombuffer(content.read(length), np.uint8), count=height * width)
            outline = bits.reshape(height, width).astype(np.bool_)
        if one["overlay"] is not None:
            overlay = content.read(one["overlay"])
        yield SliceResult(source, one["frame"], _prediction(one["prediction"]), outline, overlay)


def _prediction(facts: dict[str, Any]) -> Prediction:
    series, spacing = facts["series"], facts["spacing_mm"]
    return Prediction(
        **facts
        | {
            "series": None if series is None else Series(**series),
            "spacing_mm": None if spacing is None else tuple(spacing),
        }
    )


def _too_large() -> TooLargeError:
    return TooLargeError(
        code="results_too_large",
        rule="the objects of a request must fit into the memory that the service may use",
        got="these do not",
        remedy="send fewer slices, or no overlays",
    )
