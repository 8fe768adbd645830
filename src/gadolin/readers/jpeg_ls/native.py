"""JPEG-LS by a native library, inside a sandbox; by Gadolin's own decoder where there is none.

CharLS, the library behind imagecodecs, decodes about a hundred times faster than ``jpegls``, but never ends where a
code stream breaks off without a marker. So it gets one more marker, and runs in one process that is started when the
first code stream is met (a quarter of a second of the processor) and used until the program ends. What the library
refuses is left to ``jpegls``, so that a file is read or refused alike on all systems.
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
_SECONDS = 60.0  # by the clock, for one code stream: others may keep the processor busy
_CPU_SECONDS, _CPU_SECONDS_EACH = 1.0, 5e-7  # of the processor, and for each pixel: 25 times what whole ones need
_END = b"\xff\xd9"


class _Native:
    """The sandbox of this program, and whether it can be used."""

    def __init__(self) -> None:
        self.sandbox = Sandbox("gadolin.readers.jpeg_ls.native:decoding", bounds=Bounds(seconds=_SECONDS))
        self.usable = has_limits()


_NATIVE = _Native()


def decode_jpegls(stream: bytes) -> NDArray[np.unsignedinteger]:
    """Return the (H, W) uint8 or uint16 of a JPEG-LS stream of one component.

    Raises ValueError where it is damaged, DecoderError where the native library died or took too long over it.
    """
    coding, _ = decoder.read_coding(stream)
    size = (coding.rows, coding.columns)
    if _NATIVE.usable and coding.most == 2**coding.bits - 1:  # with another the library does not keep to it
        try:
            seconds = _CPU_SECONDS + _CPU_SECONDS_EACH * size[0] * size[1]
            (pixels,) = _NATIVE.sandbox.run({}, stream, cpu_seconds=seconds).arrays
            if pixels.shape == size and pixels.dtype == (np.uint8 if coding.bits <= 8 else np.uint16):
                return pixels
        except DecoderError as error:
            if error.code != "decoder_not_started":
                raise
            _NATIVE.usable = False
            _LOG.info("JPEG-LS is decoded without the native library: no process could be started for it")
        except (GadolinError, ValueError) as error:
            _LOG.debug("the native library refuses a code stream: %s", error)
    return decoder.decode(stream)


def decoding(_settings: dict[str, Any]) -> Handle:
    """Return what decodes a code stream inside the sandbox; loads the library."""
    import imagecodecs

    def handle(_facts: dict[str, Any], content: bytes) -> Message:
        return Message({}, (np.asarray(imagecodecs.jpegls_decode(content + _END)),))

    handle({}, bytes(imagecodecs.jpegls_encode(np.zeros((16, 16), np.uint8))))
    return handle
