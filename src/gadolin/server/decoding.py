"""Decoding of uploaded files in a sandbox, and the messages between the service and the sandbox."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gadolin.dicom_results.identity import Identity
from gadolin.errors import GadolinError, TooLargeError, UnknownFormatError, error_from_json
from gadolin.preprocessing.montage import count_heads
from gadolin.preprocessing.prepare import Preparation, prepare
from gadolin.readers import READERS, open_bytes
from gadolin.readers.contents import Contents, Place, at_most, require_frame
from gadolin.readers.sandbox.child import Handle
from gadolin.readers.sandbox.messages import Message
from gadolin.records import SEQUENCES, Header, Series, Slice
from gadolin.server.polyglots import is_something_else

if TYPE_CHECKING:
    from gadolin.dicom_results.source import Source

__all__ = [
    "Damaged",
    "DecodeRequest",
    "Decoded",
    "Found",
    "ImageHeader",
    "as_facts",
    "as_message",
    "decode",
    "decoding",
    "from_message",
]


@dataclass(frozen=True, slots=True)
class DecodeRequest:
    """How to decode a file: slice ``frame`` or all, at most ``most`` slices.

    ``pictures``: return their pixels; ``header``: refuse files other than DICOM, and return what results copy.
    """

    plane: str = "acquired"
    frame: int | None = None
    most: int = 2000
    max_pixels: int = 16_000_000
    pictures: bool = False
    header: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """A decoded slice: its number in a file of several, prepared (size, size) uint8, and ``picture`` on request.

    ``colour``: the image is in colour; ``several``: it shows several slices; ``header``: what the file says.
    The decoder sends every field of type bool to the service.
    """

    frame: int | None
    colour: bool
    prepared: NDArray[np.uint8]
    picture: Slice | None = None
    several: bool = False
    header: Header = field(default_factory=Header)


_FACTS = tuple(each.name for each in fields(Found) if each.type in (bool, "bool"))


@dataclass(frozen=True, slots=True, eq=False)
class Damaged:
    """A slice that cannot be decoded: its number and the error."""

    frame: int | None
    error: GadolinError


@dataclass(frozen=True, slots=True, eq=False)
class ImageHeader:
    """What DICOM results copy from a file: the bytes of its header without pixels (``Source.as_bytes``).

    ``frames`` has for each slice its number as stored, from 1, or None if the file is a single image.
    """

    identity: Identity = field(repr=False)
    content: bytes = field(repr=False)
    frames: tuple[int | None, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """The slices of a file, or its error; ``place`` is its position in a series.

    ``omit``: such a file is left out of a folder. ``header`` is there on request.
    """

    slices: tuple[Found | Damaged, ...] = ()
    place: Place | None = None
    error: GadolinError | None = None
    omit: bool = False
    header: ImageHeader | None = None


def decode(content: bytes, request: DecodeRequest, preparation: Preparation) -> Decoded:
    """Decode the bytes of a file; a slice that cannot be decoded is a Damaged."""
    try:
        with at_most(request.max_pixels):
            return _decoded(content, request, preparation)
    except GadolinError as error:
        return Decoded(error=error)


def _decoded(content: bytes, request: DecodeRequest, preparation: Preparation) -> Decoded:
    if is_something_else(content):
        raise UnknownFormatError(
            code="hides_something_else",
            rule="a file must be an image, DICOM file, volume or .mat file and nothing else",
            got="this one also has other content",
            remedy="export it again",
        )
    source = _source(content) if request.header and content else None
    contents = open_bytes(content, plane=request.plane)
    if contents.omit is not None:
        return Decoded(error=contents.omit, omit=True)
    found = tuple(_slice(contents, number, request, preparation) for number in _numbers(contents, request))
    damaged = [one for one in found if isinstance(one, Damaged)]
    if len(damaged) == len(found):
        return Decoded(error=damaged[0].error)
    return Decoded(found, contents.place, header=None if source is None else _image_header(source, contents))


def _source(content: bytes) -> Source:
    """Return the header of a DICOM image; raises ReadError if the file is of another kind or has no identity."""
    from gadolin.dicom_results.source import source_of  # imports pydicom

    return source_of(content, "")


def _image_header(source: Source, contents: Contents) -> ImageHeader:
    frames = (contents.stored_frame(number) + 1 if source.is_multiframe else None for number in range(contents.slices))
    return ImageHeader(source.identity, source.as_bytes(), tuple(frames))


def _numbers(contents: Contents, request: DecodeRequest) -> Sequence[int]:
    """Return the numbers of the requested slices; raises ReadError if they do not exist or are too many."""
    count = contents.slices
    if request.frame is None:
        if count > request.most:
            raise TooLargeError(
                code="too_many_slices",
                rule=f"a request may hold {request.most} slices",
                got=f"this file holds {count}",
                remedy="request one frame at a time",
            )
        return range(count)
    require_frame(request.frame, count, contents.kind)
    return (request.frame,)


def _slice(contents: Contents, number: int, request: DecodeRequest, preparation: Preparation) -> Found | Damaged:
    frame = None if contents.slices == 1 else number
    try:
        image = contents.decode(number)
    except GadolinError as error:
        return Damaged(frame, error)
    picture = image if request.pictures else None
    several = count_heads(image) > 1
    prepared = prepare(image, preparation)
    return Found(frame, image.colour, prepared, picture, several=several, header=image.header)


def decoding(settings: dict[str, Any]) -> Handle:
    """Return the function that decodes in a sandbox with the preparation of ``settings``; imports the readers."""
    import cv2
    import PIL.Image

    preparation = Preparation.from_json(settings)
    cv2.setNumThreads(1)
    PIL.Image.init()
    READERS.plugins()
    prepare(Slice(np.zeros((64, 64), np.float32)), preparation)

    def handle(facts: dict[str, Any], content: bytes) -> Message:
        return as_message(decode(content, DecodeRequest(**facts), preparation))

    return handle


def as_message(decoded: Decoded) -> Message:
    """Return a decoded file as a message, the inverse of ``from_message``."""
    slices: list[dict[str, Any]] = []
    arrays: list[NDArray[Any]] = []
    for one in decoded.slices:
        if isinstance(one, Damaged):
            slices.append({"frame": one.frame, "error": one.error.as_json()})
            continue
        facts: dict[str, Any] = {"frame": one.frame, "header": asdict(one.header)}
        facts |= {name: getattr(one, name) for name in _FACTS}
        arrays.append(one.prepared)
        if one.picture is not None:
            image = one.picture
            facts["picture"] = {"bits": image.bits, "spacing_mm": image.spacing_mm, "window": image.window}
            arrays.append(image.pixels)
        slices.append(facts)
    source = decoded.header
    if source is not None:
        arrays.append(np.frombuffer(source.content, np.uint8))
    header = {
        "slices": slices,
        "source": None if source is None else {"identity": source.identity, "frames": source.frames},
        "place": None if decoded.place is None else decoded.place._asdict(),
        "whole": None if decoded.error is None else decoded.error.as_json(),
        "omit": decoded.omit,
    }
    return Message(header, tuple(arrays))


def from_message(message: Message) -> Decoded:
    """Return the decoded file of a message; raises ValueError, KeyError, TypeError or StopIteration if invalid."""
    facts, arrays = message.facts, iter(message.arrays)
    slices = tuple(_damaged(one) if "error" in one else _found(one, arrays) for one in facts["slices"])
    place, error, source = facts["place"], facts["whole"], facts["source"]
    header = None if source is None else _image(source, slices, next(arrays))
    position = None if place is None else Place(**(place | {"direction": tuple(place["direction"])}))
    return Decoded(
        slices,
        position,
        None if error is None else error_from_json(error),
        bool(facts["omit"]),
        header,
    )


def _damaged(facts: dict[str, Any]) -> Damaged:
    return Damaged(facts["frame"], error_from_json(facts["error"]))


def _found(facts: dict[str, Any], arrays: Iterator[NDArray[Any]]) -> Found:
    flags = {name: bool(facts[name]) for name in _FACTS}
    prepared, picture = _of_type(next(arrays), np.uint8), None
    if "picture" in facts:
        stored = facts["picture"]
        spacing, window = (tuple(stored[name]) if stored[name] else None for name in ("spacing_mm", "window"))
        picture = Slice(_of_type(next(arrays), np.float32), int(stored["bits"]), flags["colour"], spacing, window)
    return Found(facts["frame"], prepared=prepared, picture=picture, header=_header(facts["header"]), **flags)


def _image(facts: dict[str, Any], slices: Sequence[Found | Damaged], content: NDArray[Any]) -> ImageHeader:
    frames = tuple(None if one is None else int(one) for one in facts["frames"])
    if not all(0 <= (one.frame or 0) < len(frames) for one in slices):
        msg = "a slice must be one of the frames of its file"
        raise ValueError(msg)
    return ImageHeader(Identity(*map(str, facts["identity"])), content.tobytes(), frames)


def _header(facts: dict[str, Any]) -> Header:
    """Return what a file says; raises ValueError, KeyError or TypeError if invalid."""
    sequence, series, spacing = facts["sequence"], facts["series"], facts["spacing_mm"]
    if sequence not in ("", *SEQUENCES):
        msg = f"a sequence must be one of {', '.join(SEQUENCES)} or empty"
        raise ValueError(msg)
    return Header(
        sequence=sequence,
        series=None if series is None else _series(series),
        orientation=str(facts["orientation"]),
        spacing_mm=None if spacing is None else (float(spacing[0]), float(spacing[1])),
    )


def _series(facts: dict[str, Any]) -> Series:
    number, position = facts["number"], facts["position_mm"]
    return Series(
        key=str(facts["key"]),
        number=None if number is None else int(number),
        description=str(facts["description"]),
        position_mm=None if position is None else float(position),
        instance=int(facts["instance"]),
    )


def _of_type(array: NDArray[Any], kind: type[np.generic]) -> NDArray[Any]:
    """Return the array; raises TypeError unless it has two axes and that type."""
    if array.dtype != kind or array.ndim != 2:
        msg = f"an image must be of {kind.__name__} and two axes"
        raise TypeError(msg)
    return array


def as_facts(request: DecodeRequest) -> dict[str, Any]:
    """Return the request to the sandbox without the file."""
    return asdict(request)
