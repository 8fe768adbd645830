"""JPEG-LS by a native library in a sandbox, or by ``decoder`` if no sandbox is available.

CharLS, the library behind imagecodecs, decodes about a hundred times faster than ``decoder``, but hangs if a code
stream ends without a marker. It therefore gets one more marker, and runs in one process that starts with the first
code stream (0.25 s of processor time) and lives until the program ends. ``decoder`` retries streams that the library
refuses, so that all systems accept the same files.
"""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gadolin.errors import DecoderError, GadolinError
from gadolin.readers.jpeg_ls import decoder
from gadolin.readers.sandbox.child import Handle
from gadolin.readers.sandbox.messages import Message
from gadolin.readers.sandbox.sandbox import Bounds, Sandbox, has_limits

__all__ = ["decode_jpegls", "decoding"]

_LOG = logging.getLogger("gadolin")
_SECONDS = 60.0  # wall-clock time per code stream, since the processor may be busy
_CPU_SECONDS, _CPU_SECONDS_EACH = 1.0, 5e-7  # processor time, and per pixel: 25 times the need of intact streams
_END = b"\xff\xd9"


class _Native:
    """The sandbox of this program, and whether it is usable."""

    def __init__(self) -> None:
        self.sandbox = Sandbox("gadolin.readers.jpeg_ls.native:decoding", bounds=Bounds(seconds=_SECONDS))
        self.usable = has_limits()


_NATIVE = _Native()


def decode_jpegls(stream: bytes) -> NDArray[np.unsignedinteger]:
    """Decode a JPEG-LS stream of one component to (H, W) uint8 or uint16.

    Raises ValueError if it is damaged, DecoderError if the native library died or took too long.
    """
    coding, _ = decoder.read_coding(stream)
    size = (coding.rows, coding.columns)
    if _NATIVE.usable and coding.most == 2**coding.bits - 1:  # the library ignores another MAXVAL
        try:
            seconds = _CPU_SECONDS + _CPU_SECONDS_EACH * size[0] * size[1]
            (pixels,) = _NATIVE.sandbox.run({}, stream, cpu_seconds=seconds).arrays
            if pixels.shape == size and pixels.dtype == (np.uint8 if coding.bits <= 8 else np.uint16):
                return pixels
        except DecoderError as error:
            if error.code != "decoder_not_started":
                raise
            _NATIVE.usable = False
            _LOG.info("JPEG-LS is decoded without the native library: its process could not be started")
        except (GadolinError, ValueError) as error:
            _LOG.debug("the native library refused a code stream: %s", error)
    return decoder.decode(stream)


def decoding(_settings: dict[str, Any]) -> Handle:
    """Load the library and return the handler that decodes a code stream in the sandbox."""
    import imagecodecs

    def handle(_facts: dict[str, Any], content: bytes) -> Message:
        return Message({}, (np.asarray(imagecodecs.jpegls_decode(content + _END)),))

    handle({}, bytes(imagecodecs.jpegls_encode(np.zeros((16, 16), np.uint8))))
    return handle
