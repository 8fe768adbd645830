"""Tests of JPEG-LS with the native library: same pixels and errors as Gadolin's own decoder."""

from __future__ import annotations

import contextlib
import struct
import threading

import imagecodecs
import numpy as np
import pytest
from pydicom import uid

from gadolin.errors import DecoderError, ReadError
from gadolin.phantoms.encode import DicomFacts, dicom_bytes
from gadolin.readers import read, read_bytes
from gadolin.readers.jpeg_ls import decoder, native
from gadolin.readers.sandbox.sandbox import Sandbox, has_limits

RAMP = np.add.outer(np.arange(40), np.arange(33)).astype(np.uint16) * 50
STREAM = bytes(imagecodecs.jpegls_encode(RAMP))
limited = pytest.mark.skipif(not has_limits(), reason="this system does not limit processes")


@limited
@pytest.mark.parametrize("near", [0, 1, 3])
@pytest.mark.parametrize("bits", [2, 7, 8, 12, 16])
def test_whole_files_are_read_bit_for_bit_as_without_the_library(bits, near, rng, monkeypatch):
    top = 2**bits - 1
    kind = np.uint8 if bits <= 8 else np.uint16
    pictures = [rng.integers(0, top, (31, 18), endpoint=True), np.where(rng.random((40, 19)) < 0.03, top, 0)]
    for picture in pictures:
        stream = bytes(imagecodecs.jpegls_encode(picture.astype(kind), level=min(near, top // 2)))
        own = decoder.decode(stream)
        with monkeypatch.context() as patch:
            patch.setattr(decoder, "decode", lambda _: pytest.fail("the library refuses it"))
            found = native.decode_jpegls(stream)
        assert found.dtype == own.dtype
        np.testing.assert_array_equal(found, own)


@limited
@pytest.mark.parametrize("length", [100, 200, 400, len(STREAM) - 4])
def test_a_stream_that_breaks_off_is_refused_and_not_waited_for(length, monkeypatch):
    monkeypatch.setattr(native, "_CPU_SECONDS", 30.0)  # without a following marker the library loops forever
    with pytest.raises(ValueError, match="code stream"):
        native.decode_jpegls(STREAM[:length])


@limited
@pytest.mark.parametrize(("does", "code"), [("hang", "decoder_too_slow"), ("abort", "decoder_died")])
@pytest.mark.slow
def test_a_library_that_never_ends_or_dies_is_an_error_of_the_file(does, code, tmp_path, monkeypatch):
    path = tmp_path / "slice.dcm"
    path.write_bytes(dicom_bytes(RAMP, DicomFacts(uid.JPEGLSLossless)))
    with monkeypatch.context() as patch:
        sandbox = Sandbox("sandbox_stub:work", {"always": does})
        patch.setattr(native._NATIVE, "sandbox", sandbox)
        patch.setattr(native, "_CPU_SECONDS", 0.2)
        with pytest.raises(ReadError) as caught:
            read(path)
        sandbox.close()
    assert (type(caught.value), caught.value.code, caught.value.path) == (DecoderError, code, str(path))
    np.testing.assert_array_equal(read(path).pixels, RAMP)


@limited
def test_another_decoder_that_is_installed_is_not_used(tmp_path, monkeypatch):
    jpeg_ls = pytest.importorskip("jpeg_ls", reason="pyjpegls comes with highdicom")
    streams = []

    def ours(stream):
        streams.append(stream)
        return RAMP

    def theirs(*_, **__):
        pytest.fail("pyjpegls was called")

    monkeypatch.setattr(native, "decode_jpegls", ours)
    for name in ("decode", "decode_buffer", "decode_pixel_data", "decode_from_buffer"):
        monkeypatch.setattr(jpeg_ls, name, theirs)
    path = tmp_path / "slice.dcm"
    path.write_bytes(dicom_bytes(RAMP, DicomFacts(uid.JPEGLSLossless)))
    np.testing.assert_array_equal(read(path).pixels, RAMP)
    assert [one.rstrip(b"\0") for one in streams] == [STREAM.rstrip(b"\0")]


def test_a_highest_value_of_its_own_is_left_to_the_own_decoder(monkeypatch):
    """On damaged streams the library returns pixels above it."""
    plain = bytes(imagecodecs.jpegls_encode((RAMP // 50).astype(np.uint8)))
    preset = b"\xff\xf8\x00\x0d\x01" + struct.pack(">5H", 200, 0, 0, 0, 0)
    start = plain.index(b"\xff\xf7")
    stream = plain[:start] + preset + plain[start:]
    monkeypatch.setattr(native._NATIVE, "sandbox", None)
    with contextlib.suppress(ValueError):
        assert native.decode_jpegls(stream).max() <= 200


@limited
def test_what_the_library_refuses_is_left_to_the_own_decoder():
    start = STREAM.index(b"\xff\xda") + 10
    more = STREAM[:-2] + bytes(40) + STREAM[-2:]
    with pytest.raises(imagecodecs.JpeglsError):
        imagecodecs.jpegls_decode(more)
    np.testing.assert_array_equal(native.decode_jpegls(more), RAMP)
    with pytest.raises(ValueError, match="code stream"):
        native.decode_jpegls(STREAM[:start] + b"\xff\xff" * 40)


@pytest.mark.parametrize("stream", [STREAM[:20], STREAM[:2], b"\xff\xd8" + bytes(40)])
def test_what_has_no_header_is_refused_before_a_process_is_asked(stream, monkeypatch):
    monkeypatch.setattr(native._NATIVE, "sandbox", None)
    with pytest.raises(ValueError, match="code stream"):
        native.decode_jpegls(stream)


def test_without_limits_the_own_decoder_reads(monkeypatch):
    monkeypatch.setattr(native._NATIVE, "usable", False)
    monkeypatch.setattr(native._NATIVE, "sandbox", None)
    np.testing.assert_array_equal(native.decode_jpegls(STREAM), RAMP)


@limited
@pytest.mark.slow
def test_where_no_process_starts_the_own_decoder_reads_and_no_other_is_tried(monkeypatch):
    monkeypatch.setattr(native._NATIVE, "usable", True)
    monkeypatch.setattr(native._NATIVE, "sandbox", Sandbox("sandbox_stub:work", {"fail": True}))
    np.testing.assert_array_equal(native.decode_jpegls(STREAM), RAMP)
    assert not native._NATIVE.usable


@limited
def test_a_reply_of_another_size_is_not_believed(monkeypatch):
    class Lying:
        def run(self, facts, content, cpu_seconds):
            return native.Message({}, (np.zeros((2, 2), np.uint16),))

    monkeypatch.setattr(native._NATIVE, "sandbox", Lying())
    np.testing.assert_array_equal(native.decode_jpegls(STREAM), RAMP)


@limited
def test_files_are_read_from_many_threads():
    content = dicom_bytes(RAMP, DicomFacts(uid.JPEGLSLossless))
    found = []
    threads = [threading.Thread(target=lambda: found.append(read_bytes(content).pixels)) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(found) == 8
    assert all(np.array_equal(each, RAMP) for each in found)
