"""Tests of the transfer syntaxes: lossless ones are exact, lossy ones within a bound."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from pydicom import uid

from gadolin.errors import ReadError, RequestError
from gadolin.phantoms import draw_patient
from gadolin.phantoms.encode import DicomFacts, dicom_bytes
from gadolin.readers import open_bytes, read_bytes
from gadolin.readers.dicom.codecs import DECODER_DEPENDENCIES

GREY = draw_patient("meningioma", 3, seed=1, slices=1, size=64)[0].pixels
TWELVE = GREY.astype(np.uint16) * 16 + np.arange(64, dtype=np.uint16) % 16
SIXTEEN = TWELVE * np.uint16(16) + np.uint16(7)
PICTURES = {
    "8": (GREY, 8),
    "12": (TWELVE, 12),
    "16": (SIXTEEN, 16),
    "signed 12": (TWELVE.astype(np.int16) - np.int16(2048), 12),
    "signed 16": ((SIXTEEN.astype(np.int32) - 32768).astype(np.int16), 16),
}
LOSSLESS = (
    uid.ImplicitVRLittleEndian,
    uid.ExplicitVRLittleEndian,
    uid.ExplicitVRBigEndian,
    uid.DeflatedExplicitVRLittleEndian,
    uid.RLELossless,
    uid.JPEGLossless,
    uid.JPEGLosslessSV1,
    uid.JPEGLSLossless,
    uid.JPEG2000Lossless,
)
LOSSY = {  # syntax: images that it can hold, largest difference in stored values
    uid.JPEGBaseline8Bit: (["8"], 2),
    uid.JPEGExtended12Bit: (["12"], 2),
    uid.JPEGLSNearLossless: ([*PICTURES], 2),
    uid.JPEG2000: ([*PICTURES], 16),
}
LOSSY_CASES = [(syntax, name) for syntax, (names, _) in LOSSY.items() for name in names]


def told(value):
    return value.name if isinstance(value, uid.UID) else None


def written(syntax, name, **facts):
    pixels, bits = PICTURES[name]
    return dicom_bytes(pixels, DicomFacts(syntax, bits_stored=bits, **facts))


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize("syntax", LOSSLESS, ids=told)
@pytest.mark.slow
def test_what_is_stored_without_loss_comes_back_as_it_was(syntax, name):
    read = read_bytes(written(syntax, name))
    np.testing.assert_array_equal(read.pixels, PICTURES[name][0].astype(np.float32))
    assert read.bits == (8 if name == "8" else 16)


@pytest.mark.parametrize(("syntax", "name"), LOSSY_CASES, ids=told)
def test_what_is_stored_with_losses_comes_back_nearly(syntax, name):
    pixels = PICTURES[name][0].astype(np.float32)
    assert np.abs(read_bytes(written(syntax, name)).pixels - pixels).max() <= LOSSY[syntax][1]


def test_every_decoder_is_tried():
    assert set(DECODER_DEPENDENCIES) <= {*LOSSLESS, *LOSSY}


@pytest.mark.parametrize("syntax", [*LOSSLESS, *LOSSY], ids=told)
def test_the_frames_of_every_syntax_are_found(syntax):
    name = "12" if syntax == uid.JPEGExtended12Bit else "8"
    volume = np.stack([PICTURES[name][0], PICTURES[name][0][::-1], PICTURES[name][0].T])
    contents = open_bytes(dicom_bytes(volume, DicomFacts(syntax, bits_stored=PICTURES[name][1])))
    for number, pixels in enumerate(volume):
        assert np.abs(contents.decode(number).pixels - pixels).max() <= LOSSY.get(syntax, ((), 0))[1]


@pytest.mark.parametrize(
    ("syntax", "photometric"),
    [
        (uid.ExplicitVRLittleEndian, "RGB"),
        (uid.RLELossless, "RGB"),
        (uid.JPEGBaseline8Bit, "YBR_FULL_422"),
        (uid.JPEGLosslessSV1, "RGB"),
        (uid.JPEG2000Lossless, "RGB"),
    ],
)
def test_colours_come_back_as_their_brightness(syntax, photometric):
    pixels = np.stack([GREY, GREY // 2, 255 - GREY], -1)
    read = read_bytes(dicom_bytes(pixels, DicomFacts(syntax, photometric=photometric)))
    assert read.colour
    brightness = np.asarray(Image.fromarray(pixels).convert("L"), np.float32)
    assert np.abs(read.pixels - brightness).mean() <= (3 if syntax == uid.JPEGBaseline8Bit else 0)


COMPRESSED = [syntax for syntax in (*LOSSLESS, *LOSSY) if syntax in DECODER_DEPENDENCIES]


@pytest.mark.parametrize("rows", [32, 8000])
@pytest.mark.parametrize("syntax", COMPRESSED, ids=told)
def test_a_code_stream_that_announces_another_size_is_refused_unread(syntax, rows, monkeypatch):
    import imagecodecs

    content = written(syntax, "12" if syntax == uid.JPEGExtended12Bit else "8", more={"Rows": rows})
    for name in ("jpeg_decode", "jpeg2k_decode", "jpegls_decode"):
        monkeypatch.setattr(imagecodecs, name, lambda *args, **kwargs: pytest.fail("it was decoded"))
    with pytest.raises(ReadError) as caught:
        read_bytes(content)
    assert caught.value.code == "pixels_undecodable"
    assert "(64, 64, 1)" in str(caught.value)
    assert f"({rows}, 64, 1)" in str(caught.value)


@pytest.mark.parametrize("syntax", [uid.RLELossless, *COMPRESSED], ids=told)
def test_a_code_stream_that_breaks_off_is_refused(syntax):
    content = written(syntax, "12" if syntax == uid.JPEGExtended12Bit else "8")
    start = content.index(b"\xe0\x7f\x10\x00") + 12
    blank = content[: start + 60] + bytes(len(content) - start - 60)
    with pytest.raises(ReadError) as caught:
        read_bytes(blank)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize("syntax", [uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit])
def test_signed_pixels_are_not_written_where_they_would_be_lost(syntax):
    with pytest.raises(RequestError) as caught:
        written(syntax, "signed 12")
    assert caught.value.code == "transfer_syntax_unfit"
