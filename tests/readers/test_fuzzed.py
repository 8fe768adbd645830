"""Tests of damaged files: they are read, or refused with a one-line error, with bounded work and memory."""

from __future__ import annotations

import io
import random
import struct
import tracemalloc
import warnings
import zlib

import h5py
import imagecodecs
import numpy as np
import pytest
from mutations import damaged, mutated
from PIL import Image
from pydicom import uid
from seeds import SEEDS, png_of_chunks

from gadolin.errors import ReadError
from gadolin.phantoms.encode import DicomFacts, dicom_bytes, mat_bytes, nifti_bytes
from gadolin.readers import open_bytes
from gadolin.readers.jpeg_ls import decoder
from gadolin.readers.matlab.hdf5 import read_group
from gadolin.readers.matlab.mat5 import read_struct

pytestmark = pytest.mark.fuzz

FILES = 250  # damaged files per reader
RAMP = np.add.outer(np.arange(20), np.arange(17)).astype(np.int16)


def slices_of(content):
    """Return the first slices, or an empty list if the file is refused with a ReadError."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            opened = open_bytes(content)
            return [] if opened.omit else [opened.decode(number) for number in range(min(opened.slices, 8))]
        except ReadError as error:
            lines = str(error).splitlines()
    assert len(lines) == 1
    return []


@pytest.fixture(scope="module")
def seeds():
    return {reader: make() for reader, make in SEEDS.items()}


@pytest.mark.parametrize("reader", SEEDS)
def test_every_whole_file_is_read(reader, seeds):
    assert [seed.name for seed in seeds[reader] if not slices_of(seed.whole)] == []


@pytest.mark.parametrize("reader", SEEDS)
def test_damaged_files_are_read_or_refused(reader, seeds):
    for number in range(FILES):
        for each in slices_of(damaged(seeds[reader], number, seed=1)[1]):
            assert each.pixels.dtype == np.float32
            assert each.pixels.ndim == 2
            assert np.isfinite(each.pixels).all()


def test_damage_is_the_same_every_time(seeds):
    again = SEEDS["dicom"]()
    assert [damaged(seeds["dicom"], each) for each in range(90)] == [damaged(again, each) for each in range(90)]


@pytest.mark.parametrize(("place", "form", "value"), [(70, "<h", 4096), (108, "<f", -1e30), (344, "<4s", b"n+1\xff")])
def test_a_nifti_header_that_the_library_refuses_is_refused_in_our_words(place, form, value):
    content = bytearray(nifti_bytes(np.zeros((16, 16, 16), np.int16), compress=False))
    struct.pack_into(form, content, place, value)
    with pytest.raises(ReadError) as caught:
        open_bytes(bytes(content))
    assert caught.value.code == "damaged_file"


@pytest.mark.parametrize("length", [2**31 - 1, 2**32 - 1, 10**9])
def test_a_forged_length_in_a_matlab_5_file_takes_no_memory(length):
    body = struct.pack("<IIIIII", 14, 48, 6, 8, 2, 0) + struct.pack("<IIii", 5, 8, 1, 1) + struct.pack("<II", 1, length)
    content = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM" + body.ljust(56, b"\0")
    tracemalloc.start()
    try:
        with pytest.raises(ReadError) as caught:
            open_bytes(content)
        assert caught.value.code == "damaged_file"
        assert tracemalloc.get_traced_memory()[1] < 2**22
    finally:
        tracemalloc.stop()


def test_line_breaks_in_the_names_of_a_mat_file_stay_out_of_the_refusal():
    file = io.BytesIO()
    with h5py.File(file, "w", userblock_size=512) as written:
        written.create_group("a\n\x0bb")
    with pytest.raises(ReadError) as caught:
        open_bytes(b"MATLAB 7.3 MAT-file".ljust(512) + file.getvalue()[512:])
    assert caught.value.code == "mat_without_slice"
    assert " a b" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_line_breaks_in_the_modality_stay_out_of_the_refusal():
    content = dicom_bytes(RAMP, DicomFacts(patient_id="MR"))
    with pytest.raises(ReadError) as caught:
        open_bytes(content.replace(b"CS\x02\x00MR", b"CS\x02\x00A\n"))
    assert len(str(caught.value).splitlines()) == 1


def test_a_forged_picture_size_is_refused_before_memory_is_taken():
    file = io.BytesIO()
    Image.fromarray(np.zeros((20, 17, 4), np.uint8)).save(file, format="PNG")
    chunks = bytearray(file.getvalue()[8:])
    struct.pack_into(">II", chunks, 8, 8000, 7000)
    opened = open_bytes(png_of_chunks(bytes(chunks)))
    with pytest.raises(ReadError) as caught:
        opened.decode(0)
    assert caught.value.code == "file_not_whole"
    assert "8000 x 7000" in str(caught.value) or "cannot hold" in str(caught.value)


@pytest.mark.parametrize("near", [0, 1, 3])
@pytest.mark.parametrize("bits", [2, 7, 8, 12, 16])
def test_jpeg_ls_is_decoded_as_the_native_decoder_does(bits, near, rng):
    top = 2**bits - 1
    near = min(near, top // 2)
    kind = np.uint8 if bits <= 8 else np.uint16
    pictures = [
        rng.integers(0, top, (21, 18), endpoint=True),
        np.clip(np.cumsum(rng.integers(-3, 4, (17, 33)), 1) + top // 2, 0, top),
        np.where(rng.random((40, 19)) < 0.03, top, 0),
        np.full((1, 1), top),
    ]
    for picture in pictures:
        stream = bytes(imagecodecs.jpegls_encode(np.ascontiguousarray(picture, kind), level=near))
        decoded = decoder.decode(stream)
        assert decoded.dtype == kind
        np.testing.assert_array_equal(decoded, imagecodecs.jpegls_decode(stream))


@pytest.mark.parametrize("near", [0, 2])
def test_damaged_jpeg_ls_ends_after_at_most_two_reads_for_each_bit(near, monkeypatch):
    class Counted(decoder._Bits):
        reads = 0

        def take(self, length):
            self.reads += 1
            assert self.reads <= 2 * 8 * len(self.data)
            return super().take(length)

    monkeypatch.setattr(decoder, "_Bits", Counted)
    stream = bytes(imagecodecs.jpegls_encode((RAMP * 90).astype(np.uint16), level=near))
    start = stream.index(b"\xff\xda") + 10
    chance, ends = random.Random(0), 0
    for _ in range(300):
        changed = stream[:start] + mutated(stream[start:], stream, chance)
        try:
            assert decoder.decode(changed).shape == RAMP.shape
        except ValueError:
            ends += 1
    assert ends > 100


def test_jpeg_ls_of_nothing_but_zeros_ends():
    stream = bytes(imagecodecs.jpegls_encode(RAMP.astype(np.uint16)))
    with pytest.raises(ValueError, match="code stream"):
        decoder.decode(stream[: stream.index(b"\xff\xda") + 10] + bytes(1000))


@pytest.mark.parametrize("marker", [0xC0, 0xC5, 0xC6, 0xC7, 0xC8, 0xCD, 0xCF])
def test_a_second_frame_in_a_lossless_jpeg_is_refused(marker):
    content = dicom_bytes(RAMP.astype(np.uint8), DicomFacts(uid.JPEGLosslessSV1))
    place = content.rindex(b"\xff\xc4")  # turn the Huffman tables into a frame, which crashes the native decoder
    opened = open_bytes(content[: place + 1] + bytes([marker]) + content[place + 2 :])
    with pytest.raises(ReadError) as caught:
        opened.decode(0)
    assert caught.value.code == "pixels_undecodable"
    assert f"{marker:#x}" in str(caught.value)


@pytest.mark.parametrize(
    "options", [{}, {"chunks": (7, 5)}, {"compression": "gzip"}, {"compression": "gzip", "shuffle": True}]
)
@pytest.mark.parametrize("kind", ["i1", "u1", "<i2", ">u2", "i4", "u8", "<f4", ">f8", "?"])
def test_hdf5_is_read_as_the_library_does(kind, options, rng):
    values = (rng.random((20, 17)) * 100).astype(kind)
    file = io.BytesIO()
    with h5py.File(file, "w", userblock_size=512) as written:
        written.create_group("#refs#")
        group = written.create_group("cjdata")
        group.create_dataset("image", data=values, **options)
        group["other"] = values
        group["text"] = "letters"
    fields, names = read_group(file.getvalue(), "cjdata", ("image", "text"))
    assert names == ["#refs#", "cjdata"]
    assert list(fields) == ["image"]
    np.testing.assert_array_equal(fields["image"], values)


def test_hdf5_that_leads_in_a_circle_ends():
    content = bytearray(mat_bytes(RAMP, RAMP > 30, label=1, patient="1"))
    place = content.index(b"TREE")
    struct.pack_into("<BH", content, place + 5, 1, 1)  # one level up, with itself as the only child
    struct.pack_into("<Q", content, place + 32, place - 512)
    with pytest.raises(ReadError) as caught:
        open_bytes(bytes(content))
    assert caught.value.code == "damaged_file"


def test_a_hdf5_data_set_whose_chunks_are_missing_is_refused():
    content = bytearray(mat_bytes(RAMP, RAMP > 30, label=1, patient="1"))
    for place in [each for each in range(len(content)) if content[each : each + 5] == b"TREE\x01"]:
        struct.pack_into("<H", content, place + 6, 0)
    with pytest.raises(ReadError) as caught:
        open_bytes(bytes(content))
    assert caught.value.code == "damaged_file"
    assert "chunk" in str(caught.value)


@pytest.mark.parametrize("packed", [False, True])
def test_matlab_5_is_read_as_the_library_does(packed, rng):
    scipy = pytest.importorskip("scipy.io")
    fields = {kind: (rng.random((4, 3)) * 100).astype(kind) for kind in ("i1", "u1", "i2", "u2", "i4", "f4", "f8")}
    fields |= {"small": np.array([[1.0, 300.0]]), "whole": np.array([[1.0, 2.0]]), "text": "MR01", "cell": {"a": 1}}
    file = io.BytesIO()
    scipy.savemat(file, {"first": 1, "cjdata": fields}, do_compression=packed)
    found, names = read_struct(file.getvalue(), "cjdata", set(fields))
    assert names == ["first", "cjdata"]
    assert "cell" not in found
    assert "".join(found.pop("text")) == "MR01"
    for name, values in found.items():
        assert values.dtype == fields[name].dtype
        np.testing.assert_array_equal(values, fields[name])


def test_a_deflated_data_set_is_damaged_behind_its_checksum(seeds):
    """Mutations act before compression: the file still unpacks."""
    chosen = next(seed for seed in seeds["dicom"] if seed.name == "deflated data set")
    content = chosen.wrap(chosen.content[:-40])
    assert zlib.decompress(content[144 + struct.unpack_from("<I", content, 140)[0] :], -15) == chosen.content[:-40]
    with pytest.raises(ReadError):
        open_bytes(content).decode(0)
    assert uid.DeflatedExplicitVRLittleEndian.encode() in content
