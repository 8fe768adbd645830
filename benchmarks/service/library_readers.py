"""Readers by other libraries in a sandbox, for ``libraries``; few imports, so that memory is that of the library."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np

from gadolin.readers.sandbox.child import Handle
from gadolin.readers.sandbox.messages import Message

__all__ = ["FIELDS", "LIBRARIES", "reading"]

FIELDS = ("image", "tumorMask", "label", "PID")
END = b"\xff\xd9"
Read = Callable[[bytes], list[np.ndarray]]


def reading(settings: dict[str, Any]) -> Handle:
    """Return the request handler of a sandbox that reads with the library ``settings["library"]``."""
    read = LIBRARIES[settings["library"]]()

    def handle(_facts: dict[str, Any], content: bytes) -> Message:
        return Message({}, tuple(read(content)))

    return handle


def _imagecodecs(end: bytes = b"") -> Read:
    import imagecodecs

    imagecodecs.jpegls_decode(bytes(imagecodecs.jpegls_encode(np.zeros((16, 16), np.uint8))))
    return lambda content: [np.asarray(imagecodecs.jpegls_decode(content + end))]


def _imagecodecs_ended() -> Read:
    return _imagecodecs(END)


def _pyjpegls() -> Read:
    import jpeg_ls

    return lambda content: [np.squeeze(jpeg_ls.decode(np.frombuffer(content, np.uint8)))]


def _hdf5(opened: Callable[[io.BytesIO], Any]) -> Read:
    def read(content: bytes) -> list[np.ndarray]:
        with opened(io.BytesIO(content)) as file:
            group = file["cjdata"]
            return [np.asarray(group[name][()]) for name in FIELDS]

    return read


def _h5py() -> Read:
    import h5py

    return _hdf5(lambda file: h5py.File(file, "r"))


def _pyfive() -> Read:
    import pyfive

    return _hdf5(pyfive.File)


def _scipy() -> Read:
    from scipy.io import loadmat

    def read(content: bytes) -> list[np.ndarray]:
        found = loadmat(io.BytesIO(content), variable_names=["cjdata"])["cjdata"][0, 0]
        return [np.asarray(found[name]) for name in ("image", "tumorMask", "label") if name in found.dtype.names]

    return read


LIBRARIES: dict[str, Callable[[], Read]] = {
    "imagecodecs": _imagecodecs,
    "imagecodecs, ended": _imagecodecs_ended,
    "pyjpegls": _pyjpegls,
    "h5py": _h5py,
    "pyfive": _pyfive,
    "scipy": _scipy,
}
