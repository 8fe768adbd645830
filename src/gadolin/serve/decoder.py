"""The process in which files are decoded: it has little memory, little time, and nothing to lose.

Asked and answered in bytes over a pipe, a JSON header first; no pickle, so that a decoder that was taken over can say
nothing but numbers.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import sys
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gadolin.errors import GadolinError
from gadolin.prepare import Preparation, prepare
from gadolin.readers import open_bytes
from gadolin.readers.contents import Contents, Place, at_most
from gadolin.records import Slice
from gadolin.serve.suspicious import is_something_else

__all__ = ["Decoded", "Found", "Wanted", "decode", "serve_files"]

_TOO_LARGE = re.compile(r"\bmay (?:have|hold|unpack to)\b|must be whole and at most")
_NO_PICTURE = (
    "a file must be a picture, DICOM file, volume or .mat file and nothing else, this one is not; export it anew"
)


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
    """A slice: its number in a file of several, prepared (size, size) uint8, and the picture where it was wanted."""

    frame: int | None
    colour: bool
    prepared: NDArray[np.uint8]
    picture: Slice | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """What a file holds: slices, or why not, as an HTTP status and a sentence; ``place`` is where it lies in a series.

    A slice that is damaged is told as its frame and what is wrong. ``omit``: a folder leaves such a file out.
    """

    slices: tuple[Found | tuple[int | None, str], ...] = ()
    place: Place | None = None
    status: int = 200
    error: str = ""
    omit: bool = False


def decode(content: bytes, wanted: Wanted, preparation: Preparation) -> Decoded:
    """Decode the bytes of a file; a slice that is damaged stands in its place as its frame and what is wrong."""
    if is_something_else(content):
        return Decoded(status=415, error=_NO_PICTURE)
    with at_most(wanted.max_pixels):
        return _decoded(content, wanted, preparation)


def _decoded(content: bytes, wanted: Wanted, preparation: Preparation) -> Decoded:
    try:
        contents = open_bytes(content, plane=wanted.plane)
    except GadolinError as error:
        return Decoded(status=415 if "must be a PNG" in str(error) else _status(str(error)), error=str(error))
    if contents.omit:
        return Decoded(status=422, error=contents.omit, omit=True)
    count = contents.slices
    if wanted.frame is not None and not 0 <= wanted.frame < count:
        msg = f"a frame must lie in 0 to {count - 1} in this {contents.kind} file, got {wanted.frame}; correct it"
        return Decoded(status=422, error=msg)
    if wanted.frame is None and count > wanted.most:
        msg = f"a request may hold {wanted.most} slices, this file holds {count}; ask for one frame at a time"
        return Decoded(status=413, error=msg)
    numbers = range(count) if wanted.frame is None else (wanted.frame,)
    found = tuple(_slice(contents, number, wanted, preparation) for number in numbers)
    errors = [one for _, one in found if isinstance(one, str)]
    if len(errors) == len(found):
        return Decoded(status=_status(errors[0]), error=errors[0])
    return Decoded(tuple((frame, one) if isinstance(one, str) else one for frame, one in found), place=contents.place)


def _slice(contents: Contents, number: int, wanted: Wanted, preparation: Preparation) -> tuple[int | None, Found | str]:
    frame = None if contents.slices == 1 else number
    try:
        image = contents.decode(number)
    except GadolinError as error:
        return frame, str(error)
    return frame, Found(frame, image.colour, prepare(image, preparation), image if wanted.pictures else None)


def _status(error: str) -> int:
    """Return the HTTP status of a file that cannot be read: whether it is too large, or damaged."""
    return 413 if _TOO_LARGE.search(error) else 422


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
            try:
                answer = decode(content, wanted, made)
            except MemoryError:
                answer = Decoded(status=413, error="a file must fit into the memory of a decoder, this one does not")
            except Exception as error:  # noqa: BLE001 -- whatever a file does to a decoder, the service goes on
                answer = Decoded(status=422, error=f"a file must be readable, this one is not ({type(error).__name__})")
            for piece in packed(answer):
                pipe.send_bytes(piece)


def packed(answer: Decoded) -> Iterator[bytes]:
    """Yield an answer as messages: a JSON header, then the bytes of each array."""
    slices, arrays = [], []
    for one in answer.slices:
        if not isinstance(one, Found):
            slices.append({"frame": one[0], "error": one[1]})
            continue
        facts: dict[str, Any] = {"frame": one.frame, "colour": one.colour, "size": len(one.prepared)}
        arrays.append(one.prepared.tobytes())
        if one.picture is not None:
            pixels = one.picture.pixels
            facts["picture"] = {
                "shape": pixels.shape, "bits": one.picture.bits, "spacing_mm": one.picture.spacing_mm,
                "window": one.picture.window,
            }  # fmt: skip
            arrays.append(pixels.tobytes())
        slices.append(facts)
    place = None if answer.place is None else answer.place._asdict()
    told = {"status": answer.status, "error": answer.error, "omit": answer.omit}
    yield json.dumps({"slices": slices, "place": place, **told}).encode()
    yield from arrays


def unpacked(pipe: Connection) -> Decoded:
    """Read what ``packed`` wrote; raises ValueError where it is something else."""
    told = json.loads(pipe.recv_bytes())
    found: list[Found | tuple[int | None, str]] = []
    for one in told["slices"]:
        if "error" in one:
            found.append((one["frame"], str(one["error"])))
            continue
        size = int(one["size"])
        prepared = np.frombuffer(pipe.recv_bytes(), np.uint8).reshape(size, size)
        picture = None
        if "picture" in one:
            facts = one["picture"]
            pixels = np.frombuffer(pipe.recv_bytes(), np.float32).reshape(facts["shape"])
            pairs = (tuple(facts[name]) if facts[name] else None for name in ("spacing_mm", "window"))
            picture = Slice(pixels, int(facts["bits"]), bool(one["colour"]), *pairs)
        found.append(Found(one["frame"], bool(one["colour"]), prepared, picture))
    place = told["place"]
    where = None if place is None else Place(**(place | {"direction": tuple(place["direction"])}))
    return Decoded(tuple(found), where, int(told["status"]), str(told["error"]), bool(told["omit"]))


def as_request(wanted: Wanted) -> bytes:
    """Return the header of a question."""
    return json.dumps(asdict(wanted)).encode()


def _warm(preparation: dict[str, object]) -> None:
    """Load what decoding needs before memory is limited and the clock of the first file runs."""
    import cv2
    import PIL.Image

    cv2.setNumThreads(1)
    PIL.Image.init()
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
