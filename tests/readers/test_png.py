"""Tests of PNG: all bits are kept, and chunks other than the image do not disturb it."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from pictures import png_bytes, png_chunk
from PIL import Image

from gadolin.errors import ReadError
from gadolin.readers import read_bytes
from gadolin.readers.raster import decode

GREY = (np.arange(24 * 33).reshape(24, 33) % 251).astype(np.uint8)
DEEP = (np.arange(24 * 33).reshape(24, 33) * 5 + 3).astype(np.uint16)
OPAQUE = np.full_like(DEEP, 65_535)


def refused(content):
    with pytest.raises(ReadError) as caught:
        decode(content)
    return caught.value.code


@pytest.mark.parametrize("how", [{}, {"filtered": True}, {"interlaced": True}, {"interlaced": True, "filtered": True}])
@pytest.mark.parametrize("channels", [[DEEP], [DEEP, OPAQUE], [DEEP] * 3, [*[DEEP] * 3, OPAQUE]], ids=len)
def test_sixteen_bits_are_kept_in_every_channel(channels, how):
    image = read_bytes(png_bytes(np.dstack(channels), **how))
    assert (image.bits, image.colour) == (16, False)
    np.testing.assert_array_equal(image.pixels, DEEP)


@pytest.mark.parametrize("kind", range(5))
def test_every_filter_of_the_format_is_undone_at_16_bits(kind):
    """The rows are filtered by hand and must decode as unfiltered ones do."""
    samples = np.dstack([DEEP, DEEP[::-1], DEEP[:, ::-1]])
    lines = bytearray()
    raw = samples.astype(">u2").view(np.uint8).reshape(24, -1).astype(int)
    before = np.zeros_like(raw[0])
    for line in raw:
        left, corner = (np.concatenate([np.zeros(6, int), one[:-6]]) for one in (line, before))
        guess = left + before - corner
        nearest = np.abs(np.stack([guess - left, guess - before, guess - corner])).argmin(axis=0)
        paeth = np.choose(nearest, [left, before, corner])
        told = [0 * line, left, before, (left + before) // 2, paeth][kind]
        lines += bytes([kind]) + ((line - told) % 256).astype(np.uint8).tobytes()
        before = line
    content = png_bytes(samples)
    start = content.index(b"IDAT") - 4
    content = content[:start] + png_chunk(b"IDAT", zlib.compress(bytes(lines))) + png_chunk(b"IEND", b"")
    expected = decode(png_bytes(samples))
    assert expected.colour
    np.testing.assert_array_equal(decode(content).pixels, expected.pixels)


def test_twelve_bits_in_sixteen_that_are_grey_are_no_colours():
    assert not decode(png_bytes(np.dstack([DEEP] * 3))).colour
    assert decode(png_bytes(np.dstack([DEEP, DEEP // 2, DEEP // 3]))).colour, "relative to the largest value"


def test_alpha_of_16_bits_lies_over_black():
    image = decode(png_bytes(np.dstack([DEEP, np.full_like(DEEP, 32_768)])))
    np.testing.assert_array_equal(image.pixels, np.rint(DEEP * (32_768 / 65_535)))


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_a_transparent_grey_level_is_black_at_every_depth(depth):
    values = np.arange(24 * 33).reshape(24, 33) % (1 << depth)
    clear = int(values[0, 1])
    content = png_bytes(values, depth=depth, more=png_chunk(b"tRNS", struct.pack(">H", clear)))
    scale = 255 // ((1 << depth) - 1) if depth < 8 else 1
    np.testing.assert_array_equal(decode(content).pixels, np.where(values == clear, 0, values * scale))


@pytest.mark.parametrize("depth", [8, 16])
def test_a_transparent_colour_is_black(depth):
    values = np.dstack([GREY if depth == 8 else DEEP] * 3)
    clear = values[3, 4].astype(">u2").tobytes()
    image = decode(png_bytes(values, depth=depth, more=png_chunk(b"tRNS", clear)))
    expected = np.where(values[..., 0] == values[3, 4, 0], 0, values[..., 0])
    np.testing.assert_array_equal(image.pixels, expected)


@pytest.mark.parametrize("depth", [8, 16])
def test_a_picture_that_its_alpha_hides_is_refused_and_not_blank(depth):
    grey = GREY if depth == 8 else DEEP
    assert refused(png_bytes(np.dstack([grey, np.zeros_like(grey)]), depth=depth)) == "hidden_by_alpha"
    assert refused(png_bytes(np.dstack([*[grey] * 3, np.zeros_like(grey)]), depth=depth)) == "hidden_by_alpha"
    empty = np.zeros((24, 33, 2), grey.dtype)
    assert not decode(png_bytes(empty, depth=depth)).pixels.any(), "a transparent black pixel hides nothing"


ASIDE = {
    "a long text": png_chunk(b"tEXt", b"Comment\0" + b"x" * 1_200_000),
    "a text that unpacks to much": png_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(5_000_000))),
    "many texts that unpack to much": png_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(900_000))) * 80,
    "a text that does not unpack": png_chunk(b"zTXt", b"Comment\0\1junk"),
    "a text without an end": png_chunk(b"iTXt", b"Comment"),
    "a text with a wrong checksum": struct.pack(">I", 3) + b"tEXtabcXXXX",
    "a profile that does not unpack": png_chunk(b"iCCP", b"x\0\0junk"),
    "a profile without a name": png_chunk(b"iCCP", b"x"),
    "EXIF that is none": png_chunk(b"eXIf", b"junk"),
    "EXIF that leads out of the file": png_chunk(b"eXIf", b"II*\0\xff\xff\xff\xff"),
    "a cut gamma": png_chunk(b"gAMA", b""),
    "a cut resolution": png_chunk(b"pHYs", b"1"),
    "cut colours": png_chunk(b"cHRM", b"123") + png_chunk(b"sRGB", b""),
    "an unknown chunk": png_chunk(b"abCd", b"xx"),
    "a raw profile that is none": png_chunk(b"zTXt", b"Raw profile type exif\0\0junk"),
    "an animation of nothing": png_chunk(b"acTL", struct.pack(">II", 1, 0)),
    "a cut animation": png_chunk(b"acTL", b"x"),
    "frames of no animation": png_chunk(b"fcTL", bytes(26)) * 3,
}


@pytest.mark.parametrize("more", ASIDE.values(), ids=ASIDE)
@pytest.mark.parametrize("depth", [8, 16])
def test_what_is_not_the_picture_is_not_needed(more, depth):
    values = GREY if depth == 8 else np.dstack([DEEP] * 3)
    image = read_bytes(png_bytes(values, depth=depth, more=more))
    np.testing.assert_array_equal(image.pixels, GREY if depth == 8 else DEEP)


def test_texts_behind_the_picture_are_not_needed_either():
    content = png_bytes(GREY, depth=8)
    end = content.index(b"IEND") - 4
    for more in ASIDE.values():
        np.testing.assert_array_equal(decode(content[:end] + more + content[end:]).pixels, GREY)
    np.testing.assert_array_equal(decode(content + b"behind the end").pixels, GREY)


def exif(orientation):
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags.tobytes().removeprefix(b"Exif\0\0")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_is_applied_at_16_bits_as_at_8(orientation):
    file = io.BytesIO()
    Image.fromarray(GREY).save(file, "PNG", exif=b"Exif\0\0" + exif(orientation))
    upright = decode(file.getvalue()).pixels
    more = png_chunk(b"eXIf", exif(orientation))
    deep = np.dstack([GREY.astype(np.uint16) * 16] * 3)
    np.testing.assert_array_equal(decode(png_bytes(deep, more=more)).pixels, upright * 16)


def test_an_animation_is_several_slices_and_one_picture_of_it_is_one():
    frames = [Image.fromarray(GREY // (one + 1)) for one in range(3)]
    file = io.BytesIO()
    frames[0].save(file, "PNG", save_all=True, append_images=frames[1:])
    assert refused(file.getvalue()) == "several_frames"
    file = io.BytesIO()
    frames[0].save(file, "PNG", save_all=True, default_image=True, append_images=frames[1:2])
    assert refused(file.getvalue()) == "several_frames", "the default image differs from the animation"


@pytest.mark.parametrize("keep", [0.4, 0.9])
def test_a_deep_picture_that_is_cut_is_refused(keep):
    noise = np.random.default_rng(0).integers(0, 65_536, (24, 33, 3), dtype=np.uint16)
    content = png_bytes(noise)
    assert refused(content[: int(len(content) * keep)]) in ("file_not_whole", "compressed_data_damaged")


def test_a_forged_size_at_16_bits_is_refused_before_memory_is_taken():
    content = bytearray(png_bytes(np.dstack([DEEP] * 3)))
    struct.pack_into(">II", content, 16, 7000, 7000)
    assert refused(bytes(content)) == "file_not_whole"
    struct.pack_into(">II", content, 16, 70_000, 7000)
    assert refused(bytes(content)) == "too_many_pixels"


def test_a_colour_that_the_palette_does_not_hold_is_refused():
    indexed = Image.fromarray(GREY, "L").convert("P")
    file = io.BytesIO()
    indexed.save(file, "PNG")
    content = file.getvalue()
    place = content.index(b"PLTE")
    (length,) = struct.unpack_from(">I", content, place - 4)
    for colours, code in ((100, "damaged_file"), (251, None)):
        palette = png_chunk(b"PLTE", content[place + 4 : place + 4 + 3 * colours])
        short = content[: place - 4] + palette + content[place + 8 + length :]
        if code:
            assert refused(short) == code
        else:
            np.testing.assert_array_equal(decode(short).pixels, GREY)
