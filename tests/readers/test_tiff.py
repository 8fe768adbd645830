"""Tests of TIFF: every depth, sign, polarity and layout is read correctly or refused with a code."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from pictures import tiff_bytes
from PIL import Image

from gadolin.errors import DamagedFileError, ReadError, TooLargeError, UnknownFormatError
from gadolin.readers import read_bytes
from gadolin.readers.raster import decode

GREY = (np.arange(24 * 33).reshape(24, 33) % 251).astype(np.uint8)
DEEP = (np.arange(24 * 33).reshape(24, 33) * 5 + 3).astype(np.uint16)
SIGNED = DEEP.astype(np.int16) - np.int16(1500)
REAL = (DEEP.astype(np.float32) / 7 - 90).astype(np.float32)
LAYOUTS = {
    "one strip": {},
    "strips": {"rows": 5},
    "tiles": {"tile": (16, 16)},
    "deflated": {"compression": 8, "rows": 7},
    "deflated tiles, predicted": {"compression": 8, "tile": (16, 16), "predictor": 2},
    "mirrored bits": {"reverse": True, "rows": 5},
    "big": {"big": True, "rows": 5},
}


def refused(content, kind=ReadError):
    with pytest.raises(kind) as caught:
        decode(content)
    return caught.value.code


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("kind", ["i1", "u2", "i2", "u4", "i4", "u8", "i8"])
def test_whole_numbers_of_any_depth_and_sign_keep_their_values(kind, layout, order):
    values = (GREY.astype(np.int16) - 128 if kind == "i1" else SIGNED if kind[0] == "i" else DEEP).astype(kind)
    image = read_bytes(tiff_bytes(values, order=order, **layout))
    assert image.bits == 16
    assert not image.colour
    np.testing.assert_array_equal(image.pixels, values.astype(np.float32))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("layout", [{}, {"compression": 8, "predictor": 3, "rows": 7}], ids=["plain", "predicted"])
@pytest.mark.parametrize("kind", ["f2", "f4", "f8"])
def test_floating_point_numbers_keep_their_values(kind, layout, order):
    values = REAL.astype(kind)
    image = decode(tiff_bytes(values, order=order, **layout))
    assert image.bits == 16
    np.testing.assert_array_equal(image.pixels, values.astype(np.float32))


@pytest.mark.parametrize("bits", [9, 10, 12, 14])
@pytest.mark.parametrize("kind", ["u2", "i2"])
def test_samples_that_do_not_end_with_a_byte_are_unpacked(bits, kind):
    values = (np.arange(24 * 33).reshape(24, 33) % (1 << bits) - (1 << (bits - 1) if kind == "i2" else 0)).astype(kind)
    np.testing.assert_array_equal(decode(tiff_bytes(values, bits=bits, rows=5)).pixels, values)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("shown", [0, 1])
def test_few_bits_fill_the_range_of_eight_whichever_end_is_white(bits, shown):
    values = (np.arange(24 * 33).reshape(24, 33) % (1 << bits)).astype(np.uint8)
    image = decode(tiff_bytes(values, bits=bits, shown=shown))
    bright = values * (255 // ((1 << bits) - 1))
    assert image.bits == 8
    np.testing.assert_array_equal(image.pixels, bright if shown == 1 else 255 - bright)


@pytest.mark.parametrize("tile", [None, (16, 16)])
@pytest.mark.parametrize("shown", [0, 1])
@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_one_plane_is_one_picture_even_where_planes_are_announced(bits, shown, tile):
    values = (np.arange(24 * 33).reshape(24, 33) % (1 << bits)).astype(np.uint8)
    bright = values * (255 // ((1 << bits) - 1))
    content = tiff_bytes(values, bits=bits, shown=shown, tile=tile, planar=True)
    np.testing.assert_array_equal(decode(content).pixels, bright if shown == 1 else 255 - bright)


@pytest.mark.parametrize("compression", ["tiff_lzw", "packbits", "tiff_adobe_deflate", "raw"])
@pytest.mark.parametrize("values", [GREY, DEEP, SIGNED.astype(np.int32), REAL], ids=lambda each: each.dtype.name)
def test_what_pillow_packs_is_unpacked(values, compression):
    file = io.BytesIO()
    Image.fromarray(values).save(file, "TIFF", compression=compression)
    np.testing.assert_array_equal(decode(file.getvalue()).pixels, values)


def test_a_colour_map_with_alpha_is_looked_up_and_laid_over_black():
    table = [value * 257 for value in range(256)] * 3
    content = tiff_bytes(np.dstack([GREY, np.full_like(GREY, 128)]), shown=3, tags={320: (3, table), 338: (3, [2])})
    np.testing.assert_array_equal(decode(content).pixels, np.rint(GREY * (128 / 255)))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", ["i1", "u2", "i2", "u4", "i4", "f2", "f4", "f8"])
def test_where_white_is_zero_the_picture_is_turned_over(kind, order):
    values = (REAL if kind[0] == "f" else SIGNED // 16 if kind[0] == "i" else DEEP).astype(kind)
    image = decode(tiff_bytes(values, shown=0, order=order))
    assert image.pixels.shape == values.shape
    assert np.corrcoef(image.pixels.ravel(), -values.ravel().astype(np.float64))[0, 1] > 0.9999


def test_a_negative_of_16_bits_becomes_the_picture_it_was_made_of():
    np.testing.assert_array_equal(decode(tiff_bytes(65535 - DEEP, shown=0)).pixels, DEEP)


@pytest.mark.parametrize("layout", [*LAYOUTS.values(), {"planar": True}, {"planar": True, "tile": (16, 16)}])
def test_grey_in_colours_of_16_bits_is_read_at_its_depth(layout):
    image = decode(tiff_bytes(np.dstack([DEEP] * 3), shown=2, **layout))
    assert (image.bits, image.colour) == (16, False)
    np.testing.assert_array_equal(image.pixels, DEEP)


def test_true_colours_of_12_bits_in_16_are_marked():
    assert decode(tiff_bytes(np.dstack([DEEP, DEEP // 2, DEEP]), shown=2)).colour


def test_colours_of_floating_point_numbers_that_agree_are_grey():
    image = decode(tiff_bytes(np.dstack([REAL] * 3), shown=2))
    assert not image.colour
    np.testing.assert_array_equal(image.pixels, REAL)


def test_inks_of_16_bits_are_printed():
    none = np.zeros_like(DEEP)
    image = decode(tiff_bytes(np.dstack([none, none, none, 65535 - DEEP]), shown=5))
    np.testing.assert_array_equal(image.pixels, DEEP)


@pytest.mark.parametrize(("kind", "shown"), [(1, DEEP), (2, np.rint(DEEP * (40_000 / 65_535)))])
def test_alpha_of_16_bits_lies_over_black(kind, shown):
    alpha = np.full_like(DEEP, 40_000)
    image = decode(tiff_bytes(np.dstack([DEEP, alpha]), tags={338: (3, [kind])}))
    assert image.bits == 16
    np.testing.assert_array_equal(image.pixels, shown)


def test_a_second_channel_without_a_name_is_not_dropped_in_silence():
    for depth in (DEEP, GREY):
        content = tiff_bytes(np.dstack([depth, depth[::-1]]), tags={338: (3, [0])})
        assert refused(content, UnknownFormatError) == "several_channels"
        even = tiff_bytes(np.dstack([depth, np.full_like(depth, 9)]), tags={338: (3, [0])})
        np.testing.assert_array_equal(decode(even).pixels, depth)


@pytest.mark.parametrize("scale", [1, 256], ids=["bytes", "16 bits"])
def test_a_colour_map_is_looked_up_whether_it_holds_16_bits_or_bytes(scale):
    table = [value * scale for value in range(255, -1, -1)] * 3
    image = decode(tiff_bytes(GREY, shown=3, tags={320: (3, table)}))
    assert image.bits == 8
    np.testing.assert_array_equal(image.pixels, 255 - GREY)


@pytest.mark.parametrize("aside", [{254: (4, [1])}, {254: (4, [4])}, {255: (3, [2])}])
@pytest.mark.parametrize("first", [True, False])
def test_smaller_versions_and_masks_beside_a_picture_are_passed_over(aside, first):
    small = DEEP[::2, ::2]
    if first:
        content = tiff_bytes(small, tags=aside, more=[(DEEP, {})])
    else:
        content = tiff_bytes(DEEP, more=[(small, aside), (small[::2, :16], aside)])
    np.testing.assert_array_equal(decode(content).pixels, DEEP)


def test_of_pages_that_pillow_reads_the_whole_one_is_taken():
    content = tiff_bytes(GREY[::2, ::2] // 2, tags={254: (4, [1])}, more=[(GREY, {})])
    np.testing.assert_array_equal(decode(content).pixels, GREY)


def test_several_whole_pages_are_several_slices():
    assert refused(tiff_bytes(DEEP, more=[(DEEP[::-1], {}), (DEEP, {})])) == "several_frames"


def test_pictures_that_imagej_wrote_behind_the_first_are_not_dropped_in_silence():
    text = b"ImageJ=1.54f\nimages=5\nslices=5\n\0"
    assert refused(tiff_bytes(DEEP, tags={270: (2, list(text))})) == "several_frames"
    text = b"ImageJ=1.54f\nunit=mm\n\0"
    np.testing.assert_array_equal(decode(tiff_bytes(DEEP, tags={270: (2, list(text))})).pixels, DEEP)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("depth", [GREY, SIGNED], ids=["8 bits", "16 bits"])
def test_the_orientation_is_applied_at_every_depth(orientation, depth):
    content = tiff_bytes(depth, tags={274: (3, [orientation])})
    tags = Image.Exif()
    tags[0x0112] = orientation
    file = io.BytesIO()
    Image.fromarray(GREY).save(file, "PNG", exif=tags)
    upright = decode(file.getvalue()).pixels
    assert decode(content).pixels.shape == upright.shape
    if depth is GREY:
        np.testing.assert_array_equal(decode(content).pixels, upright)
    else:
        assert decode(content).pixels[0, 0] == dict(
            zip(range(1, 9), [SIGNED[0, 0], SIGNED[0, -1], SIGNED[-1, -1], SIGNED[-1, 0]] * 2, strict=True)
        ).get({5: 1, 6: 4, 7: 3, 8: 2}.get(orientation, orientation))


def test_nan_is_background_and_infinity_is_refused():
    values = REAL + 200
    values[:4] = np.nan
    image = decode(tiff_bytes(values))
    assert (image.pixels[:4] == 0).all()
    np.testing.assert_array_equal(image.pixels[4:], values[4:])
    values[0, 0] = np.inf
    assert refused(tiff_bytes(values)) == "pixels_not_finite"
    assert refused(tiff_bytes(np.full_like(REAL, np.nan))) == "pixels_not_finite"


def test_a_number_beyond_the_type_is_refused():
    values = REAL.astype(np.float64)
    values[2, 2] = 1e300
    assert refused(tiff_bytes(values)) == "pixels_not_finite"
    assert refused(tiff_bytes(np.dstack([values] * 3), shown=2)) == "pixels_not_finite"


def test_nan_in_colours_is_background_and_hides_no_colours():
    values = np.dstack([REAL + 200, (REAL + 200) / 3, REAL + 200])
    values[:4] = np.nan
    image = decode(tiff_bytes(values, shown=2))
    assert image.colour
    assert (image.pixels[:4] == 0).all()


def test_nan_is_the_darkest_where_numbers_lie_below_zero():
    values = REAL.copy()
    values[0, :5] = np.nan
    assert (decode(tiff_bytes(values)).pixels[0, :5] == np.nanmin(values)).all()


@pytest.mark.parametrize(
    "tags",
    [
        {339: (3, [6])},
        {339: (3, [4])},
        {259: (3, [34887])},
        {317: (3, [34892]), 259: (3, [8])},
        {262: (3, [32803])},
        {258: (3, [16]), 277: (3, [1]), 262: (3, [8])},
    ],
    ids=["complex", "undefined", "LERC", "another predictor", "mosaic of colours", "Lab of 16 bits"],
)
def test_what_is_not_read_is_said_to_be_so_and_not_damaged(tags):
    assert refused(tiff_bytes(DEEP, tags=tags), UnknownFormatError) == "variant_not_read"


@pytest.mark.parametrize("layout", [{}, {"compression": 8}, {"tile": (16, 16)}, {"rows": 1}])
def test_a_deep_picture_that_is_cut_is_damaged(layout):
    place = 324 if "tile" in layout else 273
    for starts in ([2**31] * 24, []):
        lengths = {place: (4, starts), place + (1 if "tile" in layout else 6): (4, [10] * len(starts))}
        refused(tiff_bytes(np.dstack([DEEP] * 3), shown=2, tags=lengths, **layout), DamagedFileError)


def test_the_lengths_of_strips_that_are_not_packed_are_not_needed():
    for lengths in ([0] * 5, [7] * 5, None):
        tags = {279: lengths and (4, lengths)}
        np.testing.assert_array_equal(decode(tiff_bytes(SIGNED, rows=5, tags=tags)).pixels, SIGNED)


def test_a_forged_size_is_refused_before_memory_is_taken():
    forged = {256: (4, [60_000]), 257: (4, [60_000])}
    assert refused(tiff_bytes(SIGNED.astype(np.int8), tags=forged), TooLargeError) == "too_many_pixels"
    forged = {256: (4, [7000]), 257: (4, [7000])}
    assert refused(tiff_bytes(SIGNED.astype(np.int64), tags=forged), DamagedFileError) == "file_not_whole"


def test_directories_in_a_circle_end():
    content = bytearray(tiff_bytes(SIGNED))
    (start,) = struct.unpack_from("<I", content, 4)
    struct.pack_into("<I", content, len(content) - 4, start)
    np.testing.assert_array_equal(decode(bytes(content)).pixels, SIGNED)


def test_notes_that_are_damaged_are_not_the_picture():
    for tags in ({34675: (1, list(b"junk"))}, {305: (2, [255] * 9)}, {700: (1, list(b"<x"))}, {34665: (4, [2**31])}):
        for depth in (GREY, SIGNED):
            np.testing.assert_array_equal(decode(tiff_bytes(depth, tags=tags)).pixels, depth)


@pytest.mark.parametrize("compression", [50001, 50002, 34887])
def test_a_compression_that_is_not_read_is_no_damage(compression):
    content = bytearray(tiff_bytes(GREY))
    place = content.index(struct.pack("<HHI", 259, 3, 1))
    struct.pack_into("<H", content, place + 8, compression)
    assert refused(bytes(content), UnknownFormatError) == "variant_not_read"
