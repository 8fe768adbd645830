"""Tests of the image reader: content decides the format, values are kept, errors have a remedy."""

from __future__ import annotations

import io
import struct
import zlib
from contextlib import suppress

import imagecodecs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from gadolin import readers
from gadolin.errors import DamagedFileError, ReadError, UnknownFormatError
from gadolin.readers import read, read_bytes
from gadolin.readers.contents import MAX_PIXELS, MIN_SIDE
from gadolin.readers.raster import FORMATS, decode

GREY = (np.arange(24 * 32).reshape(24, 32) % 251).astype(np.uint8)
DEEP = (np.arange(24 * 32).reshape(24, 32) * 83 + 1).astype(np.uint16)


def encoded(picture, kind="PNG", **options):
    out = io.BytesIO()
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    image.save(out, format=kind, **options)
    return out.getvalue()


def bare_png(width, height, rows=b""):
    """Return an 8-bit grey PNG with a declared size and any rows."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(("kind", "suffix"), list(zip(FORMATS, [".jpg", ".png", ".tif", ".webp", ".bmp"], strict=True)))
def test_the_content_decides_and_not_the_suffix(tmp_path, kind, suffix):
    path = tmp_path / f"slice{suffix}"
    path.write_bytes(encoded(GREY, kind, **({"lossless": True} if kind == "WEBP" else {})))
    image = read(path)
    assert image.pixels.shape == (24, 32)
    assert image.pixels.dtype == np.float32
    assert (image.bits, image.colour) == (8, False)
    if kind != "JPEG":
        np.testing.assert_array_equal(image.pixels, GREY)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_are_kept_exactly(kind):
    image = decode(encoded(DEEP, kind))
    assert image.bits == 16
    np.testing.assert_array_equal(image.pixels, DEEP)


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_deep_tiff_reads_alike_in_both_byte_orders(order):
    image = decode(deep_tiff(order))
    assert image.bits == 16
    np.testing.assert_array_equal(image.pixels, DEEP)


def deep_tiff(order):
    """Return DEEP as an uncompressed TIFF of one strip, in little (<) or big (>) endian order."""
    height, width = DEEP.shape
    pixels = DEEP.astype(f"{order}u2").tobytes()
    tags = [(256, width), (257, height), (258, 16), (259, 1), (262, 1), (273, 8), (277, 1), (278, height)]
    entries = [struct.pack(f"{order}HHIHH", tag, 3, 1, value, 0) for tag, value in tags]
    entries.append(struct.pack(f"{order}HHII", 279, 4, 1, len(pixels)))
    start = 8 + len(pixels)
    head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, start)
    return head + pixels + struct.pack(f"{order}H", len(entries)) + b"".join(entries) + bytes(4)


def test_a_float_tiff_keeps_its_values_and_counts_as_deep():
    values = np.linspace(-0.5, 1.5, 24 * 32, dtype=np.float32).reshape(24, 32)
    image = decode(encoded(values, "TIFF"))
    assert image.bits == 16
    np.testing.assert_array_equal(image.pixels, values)


@given(st.integers(MIN_SIDE, 40), st.integers(MIN_SIDE, 40), st.integers(0, 1000))
def test_any_grey_png_comes_back_as_it_was(height, width, seed):
    values = np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)
    np.testing.assert_array_equal(decode(encoded(values)).pixels, values)


def test_a_palette_is_looked_up():
    picture = Image.fromarray((GREY > 100).astype(np.uint8), "L")
    indexed = Image.new("P", picture.size)
    indexed.putdata(picture.get_flattened_data())
    indexed.putpalette([10, 10, 10, 200, 200, 200])
    image = decode(encoded(indexed))
    np.testing.assert_array_equal(image.pixels, np.where(GREY > 100, 200, 10))
    assert not image.colour


def test_one_bit_pictures_are_black_and_white():
    image = decode(encoded(Image.fromarray(GREY > 100)))
    np.testing.assert_array_equal(image.pixels, np.where(GREY > 100, 255, 0))
    assert image.bits == 8


def test_alpha_lies_over_black():
    layers = np.full((20, 20, 2), 200, np.uint8)
    layers[:, :10, 1], layers[:, 10:, 1] = 0, 255
    image = decode(encoded(Image.fromarray(layers, "LA")))
    assert (image.pixels[:, :10] == 0).all()
    assert (image.pixels[:, 10:] == 200).all()


def test_a_transparent_grey_level_is_black_too():
    picture = np.full((20, 20), 255, np.uint8)
    picture[5:15, 5:15] = 90
    image = decode(encoded(Image.fromarray(picture), transparency=255))
    np.testing.assert_array_equal(image.pixels, np.where(picture == 255, 0, 90))


@pytest.mark.parametrize(
    ("orientation", "upright"),
    [
        (1, GREY),
        (2, GREY[:, ::-1]),
        (3, GREY[::-1, ::-1]),
        (4, GREY[::-1]),
        (6, np.rot90(GREY, -1)),
        (8, np.rot90(GREY)),
    ],
)
def test_the_exif_orientation_is_applied(orientation, upright):
    tags = Image.Exif()
    tags[0x0112] = orientation
    np.testing.assert_array_equal(decode(encoded(GREY, exif=tags)).pixels, upright)


def test_grey_saved_as_rgb_is_grey():
    image = decode(encoded(np.dstack([GREY] * 3)))
    assert not image.colour
    np.testing.assert_array_equal(image.pixels, GREY)


def test_a_small_coloured_mark_does_not_make_a_colour_picture():
    picture = np.dstack([GREY] * 3)
    picture[0, :8] = (255, 0, 0)
    assert not decode(encoded(picture)).colour


def test_true_colours_are_marked():
    picture = np.zeros((24, 32, 3), np.uint8)
    picture[..., 0] = 200
    image = decode(encoded(picture))
    assert image.colour
    assert image.pixels.shape == (24, 32)


@pytest.mark.parametrize("bad", [np.inf, -np.inf])
def test_pixels_that_are_no_finite_numbers_are_refused(bad):
    values = np.ones((20, 20), np.float32)
    values[3, 4] = bad
    with pytest.raises(ReadError) as caught:
        decode(encoded(values, "TIFF"))
    assert caught.value.code == "pixels_not_finite"


@pytest.mark.parametrize("kind", FORMATS)
def test_a_truncated_picture_is_refused(kind):
    content = encoded(np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8), kind)
    with pytest.raises(DamagedFileError) as caught:
        decode(content[: len(content) // 2])
    assert caught.value.code in ("damaged_file", "file_not_whole")


def test_an_empty_file_is_refused_and_named(tmp_path):
    path = tmp_path / "empty.png"
    path.touch()
    with pytest.raises(ReadError) as caught:
        read(path)
    assert str(caught.value) == f"{path}: a file must not be empty, this one is; remove it or fetch it again"


def test_a_missing_file_is_refused_and_named(tmp_path):
    with pytest.raises(ReadError) as caught:
        read(tmp_path / "gone.png")
    assert str(caught.value) == (
        f"{tmp_path / 'gone.png'}: cannot be opened (No such file or directory); check the path and its permissions"
    )


def test_a_folder_is_refused_as_a_file(tmp_path):
    with pytest.raises(ReadError) as caught:
        read(tmp_path)
    assert caught.value.code == "cannot_open"


def test_a_path_may_be_a_string(tmp_path):
    Image.fromarray(np.arange(4096, dtype=np.uint16).astype(np.uint8).reshape(64, 64)).save(tmp_path / "slice.png")
    assert np.array_equal(read(str(tmp_path / "slice.png")).pixels, read(tmp_path / "slice.png").pixels)


def test_a_text_named_like_a_picture_is_refused_with_what_can_be_read(tmp_path):
    path = tmp_path / "notes.jpg"
    path.write_text("not a picture")
    with pytest.raises(ReadError) as caught:
        read(path)
    assert str(caught.value) == (
        f"{path}: a file must be a PNG, JPEG, BMP, TIFF or WebP image, a DICOM file, a NIfTI volume or a Figshare .mat "
        "file, this one is none of them; convert it"
    )


def test_a_picture_of_one_pixel_is_refused():
    with pytest.raises(ReadError, match="at least 16 pixels a side, this one has 1 x 1; use the original"):
        decode(encoded(np.zeros((1, 1), np.uint8)))


def test_a_picture_of_the_smallest_side_is_read():
    assert decode(encoded(np.zeros((MIN_SIDE, MIN_SIDE), np.uint8))).pixels.shape == (MIN_SIDE, MIN_SIDE)


@pytest.mark.parametrize(("width", "height"), [(20_000, 20_000), (10_000, 10_000), (8_001, 8_000)])
def test_a_huge_picture_is_refused_before_it_is_decoded(width, height, monkeypatch):
    def decoded(*args, **kwargs):
        pytest.fail("the picture was decoded")

    monkeypatch.setattr(Image.Image, "load", decoded)
    with pytest.raises(ReadError) as caught:
        decode(bare_png(width, height))
    assert caught.value.code == "too_many_pixels"
    assert f"{MAX_PIXELS:,} pixels" in str(caught.value)


def test_a_file_of_too_many_bytes_is_refused_unread(tmp_path, monkeypatch):
    path = tmp_path / "big.png"
    path.write_bytes(encoded(GREY))
    monkeypatch.setattr(readers, "MAX_BYTES", 100)
    with pytest.raises(ReadError) as caught:
        read(path)
    assert caught.value.code == "file_too_large"
    assert caught.value.path == str(path)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_a_picture_of_many_frames_is_refused(kind):
    frames = [Image.fromarray(np.full((20, 20), value, np.uint8)) for value in (10, 90, 200)]
    content = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
    with pytest.raises(ReadError) as caught:
        decode(content)
    assert caught.value.code == "several_frames"


def test_a_format_that_is_not_listed_is_refused():
    with pytest.raises(ReadError) as caught:
        decode(encoded(GREY, "GIF"))
    assert caught.value.code == "unknown_format"


def segment(marker, body):
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(body) + 2) + body


NOTES = {
    "EXIF that is none": segment(0xE1, b"Exif\0\0junk"),
    "EXIF that leads out of the file": segment(0xE1, b"Exif\0\0II*\0\xff\xff\xff\x7f"),
    "a cut profile": segment(0xE2, b"ICC_PROFILE\0"),
    "a profile without its parts": segment(0xE2, b"ICC_PROFILE\0\1\2xx"),
    "pictures that are not there": segment(0xE2, b"MPF\0II*\0\x08\0\0\0\0\0"),
    "a cut Photoshop block": segment(0xED, b"Photoshop 3.0\x008BIM\x04\x04\0"),
    "a cut Adobe mark": segment(0xEE, b"Adobe"),
    "a cut JFIF mark": segment(0xE0, b"JFIF\0"),
    "2 MB of comments": segment(0xFE, b"x" * 65_000) * 30,
}


@pytest.mark.parametrize("note", NOTES.values(), ids=NOTES)
def test_what_a_jpeg_holds_beside_the_picture_is_not_needed(note):
    content = encoded(GREY, "JPEG")
    np.testing.assert_array_equal(decode(content[:2] + note + content[2:]).pixels, decode(content).pixels)


def test_a_broken_note_does_not_hide_how_the_picture_is_turned():
    tags = Image.Exif()
    tags[0x0112] = 6
    content = encoded(GREY, "JPEG", exif=tags)
    content = content[:2] + NOTES["a cut profile"] + content[2:]
    np.testing.assert_array_equal(decode(content).pixels, np.rot90(decode(encoded(GREY, "JPEG")).pixels, -1))


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
@pytest.mark.parametrize("note", [{"exif": b"junk"}, {"exif": b"II*\0\xff\xff\xff\xff"}, {"icc_profile": b"junk"}])
def test_a_broken_profile_or_exif_is_not_the_picture(kind, note):
    options = {"lossless": True} if kind == "WEBP" else {}
    np.testing.assert_array_equal(decode(encoded(GREY, kind, **note, **options)).pixels, GREY)


@pytest.mark.parametrize("lossless", [False, True])
def test_a_jpeg_of_12_bits_is_read_at_its_depth(lossless):
    values = (np.arange(24 * 32).reshape(24, 32) * 5).astype(np.uint16)
    image = read_bytes(bytes(imagecodecs.jpeg8_encode(values, bitspersample=12, lossless=lossless, level=100)))
    assert image.bits == 16
    np.testing.assert_allclose(image.pixels, values, atol=0 if lossless else 40)


@pytest.mark.parametrize("values", [GREY, DEEP], ids=["8 bits", "16 bits"])
def test_a_lossless_jpeg_and_a_jpeg_ls_give_their_values(values):
    for stream in (imagecodecs.jpeg8_encode(values, lossless=True), imagecodecs.jpegls_encode(values)):
        image = read_bytes(bytes(stream))
        assert image.bits == (8 if values is GREY else 16)
        np.testing.assert_array_equal(image.pixels, values)


def test_a_jpeg_of_12_bits_is_turned_upright():
    tags = Image.Exif()
    tags[0x0112] = 6
    stream = bytes(imagecodecs.jpeg8_encode(DEEP >> 4, bitspersample=12, lossless=True))
    content = stream[:2] + segment(0xE1, tags.tobytes()) + stream[2:]
    np.testing.assert_array_equal(decode(content).pixels, np.rot90(DEEP >> 4, -1))


def test_a_jpeg_in_colours_of_12_bits_is_refused_as_not_read():
    stream = bytes(imagecodecs.jpeg8_encode(np.dstack([DEEP >> 4] * 3), bitspersample=12))
    with pytest.raises(UnknownFormatError) as caught:
        decode(stream)
    assert caught.value.code == "variant_not_read"


def test_a_reserved_frame_before_a_lossless_one_is_refused():
    """The fallback library crashed on it."""
    content = bytes(imagecodecs.jpeg8_encode(GREY, lossless=True))
    assert content[2:4] == b"\xff\xe0"
    with pytest.raises(DamagedFileError):
        decode(content[:2] + b"\xff\xc8" + content[4:])


def test_inks_of_a_jpeg_are_read_where_it_says_how_they_are_stored_and_refused_where_not():
    inks = Image.fromarray(np.dstack([GREY * 0] * 3 + [255 - GREY]), "CMYK")
    content = encoded(inks, "JPEG", quality=100)
    np.testing.assert_allclose(decode(content).pixels, GREY, atol=60)
    assert np.corrcoef(decode(content).pixels.ravel(), GREY.ravel())[0, 1] > 0.9
    start = content.index(b"\xff\xee")
    with pytest.raises(UnknownFormatError) as caught:
        decode(content[:start] + content[start + 16 :])
    assert caught.value.code == "variant_not_read"


def test_a_fourth_byte_of_a_bmp_that_is_never_set_is_no_alpha():
    pixels = np.dstack([GREY] * 3 + [GREY * 0])
    masks = struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    header = struct.pack("<IiiHHIIiiII", 108, 32, -24, 1, 32, 3, pixels.nbytes, 2835, 2835, 0, 0) + masks + bytes(52)
    head = b"BM" + struct.pack("<IHHI", 14 + len(header) + pixels.nbytes, 0, 0, 14 + len(header))
    np.testing.assert_array_equal(decode(head + header + pixels.tobytes()).pixels, GREY)


def test_bytes_are_read_as_the_file_is(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(encoded(DEEP))
    np.testing.assert_array_equal(read_bytes(path.read_bytes()).pixels, read(path).pixels)


@given(st.binary(max_size=300))
def test_any_bytes_give_a_slice_or_a_read_error(content):
    with suppress(ReadError):
        read_bytes(content)


@given(st.integers(0, 10_000), st.integers(0, 255), st.sampled_from(FORMATS))
def test_a_changed_byte_gives_a_slice_or_a_read_error(place, value, kind):
    content = bytearray(encoded(GREY, kind))
    content[place % len(content)] = value
    with suppress(ReadError):
        assert np.isfinite(decode(bytes(content)).pixels).all()
