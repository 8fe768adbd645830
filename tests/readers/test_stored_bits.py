"""Tests of stored bits in DICOM: stored values are recovered from any position in the word."""

from __future__ import annotations

from io import BytesIO

import imagecodecs
import numpy as np
import pydicom
import pytest
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from test_dicom_headers import with_raw

from gadolin.errors import ReadError
from gadolin.phantoms import draw_patient
from gadolin.phantoms.encode import DicomFacts, dicom_bytes
from gadolin.readers import open_bytes, read_bytes
from gadolin.readers.dicom.stored_bits import stored_values

GREY = draw_patient("glioma", 3, seed=1, slices=1, size=64)[0].pixels
DEEP = GREY.astype(np.uint16) * 16 + np.arange(64, dtype=np.uint16) % 16  # all 12 bits are used
SIGNED = DEEP.astype(np.int16) - np.int16(2048)
SYNTAXES = [uid.ExplicitVRLittleEndian, uid.ImplicitVRLittleEndian, uid.ExplicitVRBigEndian, uid.RLELossless]
STORED = {"BitsAllocated": 16, "BitsStored": 12, "HighBit": 11}


def written(words, syntax=uid.ExplicitVRLittleEndian, **more):
    if syntax != uid.RLELossless:
        return dicom_bytes(words, DicomFacts(syntax, more=STORED | more))
    content = dicom_bytes(words, DicomFacts(syntax))  # the encoder checks the declared values
    for name, value in (STORED | more).items():
        content = with_raw(content, name, "US", np.array([value], "u2").tobytes())
    return content


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("below", [0, 7])
def test_values_at_the_top_of_the_word_are_shifted_down(syntax, below):
    words = (DEEP << 4) | np.uint16(below)
    np.testing.assert_array_equal(read_bytes(written(words, syntax, HighBit=15)).pixels, DEEP)
    np.testing.assert_array_equal(read_bytes(written((DEEP << 2) | (below & 3), syntax, HighBit=13)).pixels, DEEP)


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_signed_values_at_the_top_of_the_word_keep_their_sign(syntax):
    np.testing.assert_array_equal(read_bytes(written(SIGNED << 4, syntax, HighBit=15)).pixels, SIGNED)


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_the_sign_is_that_of_the_stored_bits(syntax):
    cut = (SIGNED.view(np.uint16) & 0x0FFF).view(np.int16)
    np.testing.assert_array_equal(read_bytes(written(cut, syntax)).pixels, SIGNED)


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("declared", [True, False])
def test_an_overlay_above_the_stored_bits_is_no_part_of_the_picture(syntax, declared):
    overlay = np.zeros_like(DEEP)
    overlay[10:30, 12:14] = overlay[40:50, 5:40] = 1 << 12
    content = written(DEEP | overlay, syntax)
    if declared:
        more = {"OverlayBitsAllocated": 16, "OverlayBitPosition": 12, "OverlayRows": 64, "OverlayColumns": 64}
        content = with_overlay(DEEP | overlay, syntax, more)
    np.testing.assert_array_equal(read_bytes(content).pixels, DEEP)


def with_overlay(words, syntax, more):
    """Return a file with an overlay in the unused bits."""
    dataset = pydicom.dcmread(BytesIO(written(words, syntax)))
    for offset, value in zip((0x0100, 0x0102, 0x0010, 0x0011), more.values(), strict=True):
        dataset.add_new((0x6000, offset), "US", value)
    file = BytesIO()
    dataset.save_as(file)
    return file.getvalue()


def test_values_beyond_the_stored_bits_are_no_overlay_where_the_picture_goes_on_over_them():
    deeper = DEEP * np.uint16(3)
    np.testing.assert_array_equal(read_bytes(written(deeper)).pixels, deeper)


@pytest.mark.parametrize("stored", [8, 9, 10, 11])
@pytest.mark.parametrize("signed", [0, 1])
def test_a_number_of_bits_that_is_far_too_low_cuts_no_picture(stored, signed):
    words = SIGNED if signed else DEEP
    facts = DicomFacts(more={"BitsStored": stored, "HighBit": stored - 1, "PixelRepresentation": signed})
    np.testing.assert_array_equal(read_bytes(dicom_bytes(words, facts)).pixels, words)


@pytest.mark.parametrize("signed", [0, 1])
def test_a_background_far_below_zero_stays_below_the_picture(signed):
    """Scanners fill unmeasured pixels this way without a header entry."""
    words = np.where(GREY < 20, np.int16(-2000), DEEP.astype(np.int16))
    facts = DicomFacts(bits_stored=12, more={"PixelRepresentation": signed})
    np.testing.assert_array_equal(read_bytes(dicom_bytes(words, facts)).pixels, words)


@pytest.mark.parametrize("high", [0, 5, 200, 15])
def test_a_highest_bit_that_cannot_be_is_not_believed(high):
    np.testing.assert_array_equal(read_bytes(written(DEEP, HighBit=high)).pixels, DEEP)


@pytest.mark.parametrize("stored", [0, 40])
def test_a_number_of_bits_that_cannot_be_is_not_believed(stored):
    np.testing.assert_array_equal(read_bytes(written(DEEP, BitsStored=stored)).pixels, DEEP)


def test_a_wrong_sign_is_seen_where_the_picture_would_wrap_around():
    centred = (DEEP.astype(np.int32) * 8 - 16384).astype(np.int16)
    bright = (centred.astype(np.int32) + 32768).astype(np.uint16)
    read = read_bytes(dicom_bytes(bright, DicomFacts(more={"PixelRepresentation": 1})))
    np.testing.assert_array_equal(read.pixels, bright)
    small = SIGNED // 64
    read = read_bytes(dicom_bytes(small, DicomFacts(more={"PixelRepresentation": 0})))
    np.testing.assert_array_equal(read.pixels, small)


def test_values_of_the_whole_range_are_believed(rng):
    smooth = np.add.outer(np.arange(64), np.arange(64)).astype(np.uint16) * 500
    for words in (smooth, smooth.view(np.int16) - np.int16(20_000), rng.integers(0, 65536, (64, 64)).astype(np.uint16)):
        signed = words.dtype.kind == "i"
        np.testing.assert_array_equal(stored_values(words, 16, 15, signed=signed).pixels, words)


@pytest.mark.parametrize(("padding", "limit"), [(0, None), (4095, None), (4095, 4001), (4001, 4095)])
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_padding_is_as_dark_as_the_darkest_of_the_picture(padding, limit, photometric):
    words = np.clip(DEEP, 100, 4000)
    words[:, :20] = padding if limit is None else (padding + limit) // 2
    more = {"PixelPaddingValue": padding} | ({} if limit is None else {"PixelPaddingRangeLimit": limit})
    read = read_bytes(dicom_bytes(words, DicomFacts(bits_stored=12, photometric=photometric, more=more)))
    shown = (
        words[:, 20:].astype(np.float32) if photometric == "MONOCHROME2" else 4095 - words[:, 20:].astype(np.float32)
    )
    np.testing.assert_array_equal(read.pixels[:, 20:], shown)
    assert set(np.unique(read.pixels[:, :20])) == {shown.min()}


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_what_is_to_be_presented_inversely_is_turned_over_once(photometric):
    facts = DicomFacts(bits_stored=12, photometric=photometric, more={"PresentationLUTShape": "INVERSE"})
    np.testing.assert_array_equal(read_bytes(dicom_bytes(4095 - DEEP, facts)).pixels, DEEP)


def test_padding_is_found_with_either_sign():
    words = np.clip(SIGNED, -1900, 1900)
    words[:, :20] = -2048
    for form, value in (("SS", -2048), ("US", 63488), ("US", 2048)):
        raw = np.array([value], "i2" if form == "SS" else "u2").tobytes()
        read = read_bytes(with_raw(dicom_bytes(words, DicomFacts(bits_stored=12)), "PixelPaddingValue", form, raw))
        assert set(np.unique(read.pixels[:, :20])) == {words[:, 20:].min()}


def test_a_picture_that_is_all_padding_stays_as_it_is():
    words = np.full((64, 64), 7, np.uint16)
    np.testing.assert_array_equal(
        read_bytes(dicom_bytes(words, DicomFacts(more={"PixelPaddingValue": 7}))).pixels, words
    )


def test_a_slope_of_zero_is_none_and_an_intercept_may_stand_alone():
    np.testing.assert_array_equal(read_bytes(dicom_bytes(DEEP, DicomFacts(rescale=(0, 5)))).pixels, DEEP + 5.0)
    np.testing.assert_array_equal(
        read_bytes(dicom_bytes(DEEP, DicomFacts(more={"RescaleSlope": 2}))).pixels, DEEP * 2.0
    )
    alone = dicom_bytes(DEEP, DicomFacts(more={"RescaleIntercept": -5}))
    np.testing.assert_array_equal(read_bytes(alone).pixels, DEEP - 5.0)


def test_what_a_private_group_or_another_object_says_is_no_rescaling():
    mapping, group = Dataset(), Dataset()
    mapping.RealWorldValueSlope, mapping.RealWorldValueIntercept = 3.0, 9.0
    mapping.RescaleSlope, mapping.RescaleIntercept = 5.0, 1.0
    group.RealWorldValueMappingSequence = [mapping]
    content = dicom_bytes(np.stack([DEEP] * 2), DicomFacts(more={"PerFrameFunctionalGroupsSequence": [group, group]}))
    np.testing.assert_array_equal(open_bytes(content).decode(1).pixels, DEEP)


@pytest.mark.parametrize(("syntax", "level"), [(uid.JPEG2000Lossless, "jpeg2k"), (uid.JPEGLSLossless, "jpegls")])
@pytest.mark.parametrize("told", [(16, 16, 0), (16, 16, 1), (16, 12, 1), (8, 8, 0), (32, 32, 0)], ids=str)
def test_the_code_stream_decides_of_depth_and_sign(syntax, level, told):
    allocated, stored, signed = told
    pixels = SIGNED if level == "jpeg2k" else DEEP
    if level == "jpeg2k":
        stream = imagecodecs.jpeg2k_encode(pixels, reversible=True, codecformat="J2K", bitspersample=12)
    else:
        stream = imagecodecs.jpegls_encode(pixels)
        signed = 0
    assert np.array_equal(read_bytes(compressed(syntax, bytes(stream), allocated, stored, signed)).pixels, pixels)


def compressed(syntax, stream, allocated, stored, signed):
    """Return a file whose header contradicts its code stream."""
    content = dicom_bytes(DEEP, DicomFacts(syntax))
    told = {"BitsAllocated": allocated, "BitsStored": stored, "HighBit": stored - 1, "PixelRepresentation": signed}
    for name, value in told.items():
        content = with_raw(content, name, "US", np.array([value], "u2").tobytes())
    place = content.rindex(b"\xe0\x7f\x10\x00") + 12
    return content[:place] + encapsulate([stream + bytes(len(stream) % 2)]) + b"\xfe\xff\xdd\xe0" + bytes(4)


@pytest.mark.parametrize("bits", [8, 12, 16])
@pytest.mark.parametrize("planar", [0, 1])
@pytest.mark.parametrize("syntax", [uid.ExplicitVRLittleEndian, uid.ExplicitVRBigEndian, uid.ImplicitVRLittleEndian])
def test_grey_in_three_samples_is_read_at_its_depth(bits, planar, syntax):
    pixels = {8: GREY, 12: DEEP, 16: DEEP * np.uint16(16)}[bits]
    three = np.stack([pixels] * 3, 0 if planar else -1)
    facts = DicomFacts(syntax, bits_stored=16 if bits == 12 else bits, photometric="RGB")
    content = dicom_bytes(np.ascontiguousarray(three).reshape(64, 64, 3), facts)
    order = ">" if syntax == uid.ExplicitVRBigEndian else "<"
    content = with_raw(content, "PlanarConfiguration", "US", np.array([planar], f"{order}u2").tobytes())
    read = read_bytes(content)
    np.testing.assert_array_equal(read.pixels, pixels)
    assert (read.bits, read.colour) == (8 if bits == 8 else 16, False)


@pytest.mark.parametrize(("entries", "first", "depth"), [(256, 0, 16), (0, 0, 16), (256, 0, 8), (200, 50, 16)])
def test_a_palette_is_looked_up_however_it_is_described(entries, first, depth):
    ramp = np.arange(entries or 65536, dtype=np.uint32)
    shade = np.minimum(ramp, 255) if depth == 8 else np.minimum(ramp * 257, 65535)
    data = shade.astype("<u1" if depth == 8 else "<u2").tobytes()
    more = {f"{name}PaletteColorLookupTableDescriptor": [entries, first, depth] for name in ("Red", "Green", "Blue")}
    more |= {f"{name}PaletteColorLookupTableData": data for name in ("Red", "Green", "Blue")}
    read = read_bytes(dicom_bytes(GREY, DicomFacts(photometric="PALETTE COLOR", more=more)))
    index = np.clip(GREY.astype(int) - first, 0, (entries or 65536) - 1)
    np.testing.assert_array_equal(read.pixels, index)


def test_entries_of_eight_bits_in_words_are_no_darkness():
    data = np.arange(256, dtype="<u2").tobytes()
    more = {f"{name}PaletteColorLookupTableDescriptor": [256, 0, 16] for name in ("Red", "Green", "Blue")}
    more |= {f"{name}PaletteColorLookupTableData": data for name in ("Red", "Green", "Blue")}
    read = read_bytes(dicom_bytes(GREY, DicomFacts(photometric="PALETTE COLOR", more=more)))
    np.testing.assert_array_equal(read.pixels, GREY)


def test_a_palette_of_more_than_8_bits_keeps_them():
    data = (np.arange(4096) * 16).astype("<u2").tobytes()
    more = {f"{name}PaletteColorLookupTableDescriptor": [4096, 0, 16] for name in ("Red", "Green", "Blue")}
    more |= {f"{name}PaletteColorLookupTableData": data for name in ("Red", "Green", "Blue")}
    read = read_bytes(dicom_bytes(DEEP, DicomFacts(photometric="PALETTE COLOR", more=more)))
    np.testing.assert_array_equal(read.pixels, DEEP * 16.0)
    assert (read.bits, read.colour) == (16, False)


def test_a_palette_that_is_missing_is_refused():
    with pytest.raises(ReadError) as caught:
        read_bytes(dicom_bytes(GREY, DicomFacts(photometric="PALETTE COLOR")))
    assert caught.value.code == "pixels_undecodable"


@pytest.mark.parametrize(("name", "kind"), [("FloatPixelData", "f4"), ("DoubleFloatPixelData", "f8")])
def test_floating_point_pixels_are_read_and_nan_is_background(name, kind):
    values = DEEP.astype(kind) / 7 - 20
    values[:, :9] = np.nan
    content = floats(values, name)
    shown = read_bytes(content).pixels
    np.testing.assert_array_equal(shown[:, 9:], values[:, 9:].astype(np.float32))
    assert set(np.unique(shown[:, :9])) == {np.float32(np.nanmin(values))}
    for infinite in (np.inf, *([1e39] if kind == "f8" else [])):
        values[3, 40] = infinite
        with pytest.raises(ReadError) as caught:
            read_bytes(floats(values, name))
        assert caught.value.code == "pixels_not_finite"


def floats(values, name):
    dataset = pydicom.dcmread(BytesIO(dicom_bytes(DEEP)))
    del dataset["PixelData"]
    setattr(dataset, name, values.tobytes())
    file = BytesIO()
    dataset.save_as(file)
    return file.getvalue()


def test_values_that_single_precision_cannot_tell_apart_are_refused():
    for content in (
        dicom_bytes(DEEP.astype(np.uint32) + np.uint32(2**31)),
        dicom_bytes(DEEP, DicomFacts(rescale=(1, 1e12))),
        floats(DEEP * 1e-300, "DoubleFloatPixelData"),
    ):
        with pytest.raises(ReadError) as caught:
            read_bytes(content)
        assert caught.value.code == "values_too_close"
    whole = read_bytes(dicom_bytes(DEEP.astype(np.uint32) * np.uint32(2**19)))
    np.testing.assert_array_equal(whole.pixels, DEEP * np.float32(2**19))
