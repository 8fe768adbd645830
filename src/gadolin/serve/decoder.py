"""The process in which files are decoded: it has little memory, little time, and nothing to lose.

Asked and answered in bytes over a pipe, a JSON header first; no pickle, so that a decoder that was taken over can say
nothing but numbers.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gadolin.errors import (
    DamagedFileError,
    GadolinError,
    ReadError,
    TooLargeError,
    UnknownFormatError,
    error_from_json,
)
from gadolin.montage import count_heads
from gadolin.prepare import Preparation, prepare
from gadolin.readers import READERS, open_bytes
from gadolin.readers.contents import Contents, Place, at_most, require_frame
from gadolin.records import Slice
from gadolin.serve.suspicious import is_something_else

__all__ = ["Damaged", "Decoded", "Found", "Wanted", "decode", "serve_files"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is wanted of a file: the slice ``frame`` or all, at most ``most``; ``pictures`` with their pixels."""

    plane: str = "acquired"
    frame: int | None = None
    most: int = 2000
    max_pixels: int = 16_000_000
    pictures: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """A slice: its number in a file of several, prepared (size, size) uint8, and the picture where it was wanted.

    ``colour``: the picture is in colour; ``several``: it shows several slices. The decoder sends every field of type
    bool to the service.
    """

    frame: int | None
    colour: bool
    prepared: NDArray[np.uint8]
    picture: Slice | None = None
    several: bool = False


_FACTS = tuple(each.name for each in fields(Found) if each.type in (bool, "bool"))


@dataclass(frozen=True, slots=True, eq=False)
class Damaged:
    """A slice that cannot be decoded: its number and the error."""

    frame: int | None
    error: GadolinError


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """The slices of a file, or the error that it causes; ``place`` is its position in a series.

    ``omit``: a folder leaves such a file out.
    """

    slices: tuple[Found | Damaged, ...] = ()
    place: Place | None = None
    error: GadolinError | None = None
    omit: bool = False


def decode(content: bytes, wanted: Wanted, preparation: Preparation) -> Decoded:
    """Decode the bytes of a file; a slice that cannot be decoded is a Damaged in its place."""
    try:
        with at_most(wanted.max_pixels):
            return _decoded(content, wanted, preparation)
    except GadolinError as error:
        return Decoded(error=error)


def _decoded(content: bytes, wanted: Wanted, preparation: Preparation) -> Decoded:
    if is_something_else(content):
        raise UnknownFormatError(
            code="hides_something_else",
            rule="a file must be a picture, DICOM file, volume or .mat file and nothing else",
            got="this one is not",
            remedy="export it again",
        )
    contents = open_bytes(content, plane=wanted.plane)
    if contents.omit is not None:
        return Decoded(error=contents.omit, omit=True)
    found = tuple(_slice(contents, number, wanted, preparation) for number in _numbers(contents, wanted))
    damaged = [one for one in found if isinstance(one, Damaged)]
    if len(damaged) == len(found):
        return Decoded(error=damaged[0].error)
    return Decoded(found, place=contents.place)


def _numbers(contents: Contents, wanted: Wanted) -> Sequence[int]:
    """Return the numbers of the requested slices; raises ReadError if they do not exist or are too many."""
    count = contents.slices
    if wanted.frame is None:
        if count > wanted.most:
            raise TooLargeError(
                code="too_many_slices",
                rule=f"a request may hold {wanted.most} slices",
                got=f"this file holds {count}",
                remedy="ask for one frame at a time",
            )
        return range(count)
    require_frame(wanted.frame, count, contents.kind)
    return (wanted.frame,)


def _slice(contents: Contents, number: int, wanted: Wanted, preparation: Preparation) -> Found | Damaged:
    frame = None if contents.slices == 1 else number
    try:
        image = contents.decode(number)
    except GadolinError as error:
        return Damaged(frame, error)
    picture = image if wanted.pictures else None
    return Found(frame, image.colour, prepare(image, preparation), picture, several=count_heads(image) > 1)


def serve_files(pipe: Connection, preparation: dict[str, object], max_memory_bytes: int) -> None:
    """Decode files until the pipe is closed. To be run as a process."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the service ends it
    _hush()
    _warm(preparation)
    _limit(max_memory_bytes)
    made = Preparation.from_json(preparation)
    with contextlib.suppress(EOFError, OSError):
        pipe.send_bytes(b"ready")
        while True:
            wanted = Wanted(**json.loads(pipe.recv_bytes()))
            content = pipe.recv_bytes()
            answer = _outlived(content, wanted, made)
            for piece in packed(answer):
                pipe.send_bytes(piece)


def _outlived(content: bytes, wanted: Wanted, preparation: Preparation) -> Decoded:
    """Decode the bytes of a file; every exception becomes an error of the file, and the process continues."""
    try:
        return decode(content, wanted, preparation)
    except MemoryError:
        error: ReadError = TooLargeError(
            code="out_of_memory",
            rule="a file must fit into the memory of a decoder",
            got="this one does not",
            remedy="send a smaller one",
        )
    except Exception as other:  # noqa: BLE001 -- a damaged file can cause any exception
        error = DamagedFileError(
            code="damaged_file",
            rule="a file must be readable",
            got=f"this one is not ({type(other).__name__})",
            remedy="export it again",
        )
    return Decoded(error=error)


def packed(answer: Decoded) -> Iterator[bytes]:
    """Yield an answer as messages: a JSON header, then the bytes of each array."""
    slices: list[dict[str, Any]] = []
    arrays: list[bytes] = []
    for one in answer.slices:
        if isinstance(one, Damaged):
            slices.append({"frame": one.frame, "error": one.error.as_json()})
            continue
        told: dict[str, Any] = {"frame": one.frame, "size": len(one.prepared)}
        told |= {name: getattr(one, name) for name in _FACTS}
        arrays.append(one.prepared.tobytes())
        if one.picture is not None:
            told["picture"] = {
                "shape": one.picture.pixels.shape, "bits": one.picture.bits, "spacing_mm": one.picture.spacing_mm,
                "window": one.picture.window,
            }  # fmt: skip
            arrays.append(one.picture.pixels.tobytes())
        slices.append(told)
    header = {
        "slices": slices,
        "place": None if answer.place is None else answer.place._asdict(),
        "error": None if answer.error is None else answer.error.as_json(),
        "omit": answer.omit,
    }
    yield json.dumps(header).encode()
    yield from arrays


def unpacked(pipe: Connection) -> Decoded:
    """Read what ``packed`` wrote; raises ValueError, KeyError or TypeError where it is something else."""
    header = json.loads(pipe.recv_bytes())
    slices = tuple(_damaged(told) if "error" in told else _found(told, pipe) for told in header["slices"])
    place = header["place"]
    where = None if place is None else Place(**(place | {"direction": tuple(place["direction"])}))
    error = header["error"]
    return Decoded(slices, where, None if error is None else error_from_json(error), bool(header["omit"]))


def _damaged(told: dict[str, Any]) -> Damaged:
    return Damaged(told["frame"], error_from_json(told["error"]))


def _found(told: dict[str, Any], pipe: Connection) -> Found:
    size = int(told["size"])
    facts = {name: bool(told[name]) for name in _FACTS}
    prepared = np.frombuffer(pipe.recv_bytes(), np.uint8).reshape(size, size)
    picture = None
    if "picture" in told:
        seen = told["picture"]
        pixels = np.frombuffer(pipe.recv_bytes(), np.float32).reshape(seen["shape"])
        spacing, window = (tuple(seen[name]) if seen[name] else None for name in ("spacing_mm", "window"))
        picture = Slice(pixels, int(seen["bits"]), facts["colour"], spacing, window)
    return Found(told["frame"], prepared=prepared, picture=picture, **facts)


def as_request(wanted: Wanted) -> bytes:
    """Return the header of a question."""
    return json.dumps(asdict(wanted)).encode()


def _warm(preparation: dict[str, object]) -> None:
    """Load what decoding needs before memory is limited and the clock of the first file runs."""
    import cv2
    import PIL.Image

    cv2.setNumThreads(1)
    PIL.Image.init()
    READERS.plugins()
    prepare(Slice(np.zeros((64, 64), np.float32)), Preparation.from_json(preparation))


def _hush() -> None:
    """Let nothing that a decoding library says of a file reach a log or the terminal."""
    logging.disable()
    warnings.simplefilter("ignore")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)


def _limit(max_memory_bytes: int) -> None:
    """Let this process take no more memory than it has now and ``max_memory_bytes``, and write no file."""
    if sys.platform == "win32":
        return
    import resource

    mapped = Path("/proc/self/statm")
    if mapped.exists():  # elsewhere nobody tells how much there is already
        most = int(mapped.read_text(encoding="ascii").split()[0]) * resource.getpagesize() + max_memory_bytes
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
