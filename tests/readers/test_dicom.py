"""Tests of the DICOM reader: the scanner's pixels in anatomical order, and one clear error for other files."""

from __future__ import annotations

import tracemalloc
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom import uid
from pydicom.dataset import Dataset

from gadolin.errors import ReadError
from gadolin.phantoms import draw_patient
from gadolin.phantoms.encode import DicomFacts, dicom_bytes
from gadolin.readers import open_bytes, read_bytes
from gadolin.readers.dicom import reader
from gadolin.readers.file_types import HEAD, file_kind

SLICES = np.stack([each.pixels for each in draw_patient("glioma", 3, seed=1, slices=4, size=64)])
GREY = SLICES[1]
DEEP = GREY.astype(np.uint16) * 16 + np.arange(64, dtype=np.uint16) % 16  # all 12 bits are used
SIGNED = DEEP.astype(np.int16) - np.int16(2048)


def with_more(pixels=GREY, **more):
    return dicom_bytes(pixels, DicomFacts(more=more))


def refused(content):
    """Return the error of opening or decoding a file."""
    with pytest.raises(ReadError) as caught:
        open_bytes(content).decode(0)
    told = str(caught.value)
    assert "\n" not in told
    assert len(told) < 600
    return told


@pytest.mark.parametrize("intercept", [0, -1024])
@pytest.mark.parametrize("pixels", [DEEP, SIGNED], ids=["unsigned", "signed"])
def test_pixels_are_rescaled_by_slope_and_intercept(pixels, intercept):
    read = read_bytes(dicom_bytes(pixels, DicomFacts(bits_stored=12, rescale=(1.5, intercept))))
    np.testing.assert_array_equal(read.pixels, pixels.astype(np.float32) * 1.5 + intercept)
    assert (read.pixels.dtype, read.bits) == (np.float32, 16)


def test_eight_bits_that_are_rescaled_follow_the_rule_of_deep_files():
    assert read_bytes(dicom_bytes(GREY, DicomFacts(rescale=(1, 0)))).bits == 8
    assert read_bytes(dicom_bytes(GREY, DicomFacts(rescale=(2, 0)))).bits == 16


@pytest.mark.parametrize(("spacing", "rescale"), [((0.5, 0.5, 6.0), None), ((0.75, 0.5, 3.0), (2.0, -5.0))])
def test_the_spacing_is_that_of_rows_and_columns(spacing, rescale):
    for pixels in (DEEP, np.stack([DEEP, DEEP])):
        contents = open_bytes(dicom_bytes(pixels, DicomFacts(spacing_mm=spacing, rescale=rescale)))
        assert contents.decode(0).spacing_mm == spacing[:2]


def test_a_table_of_modality_values_is_applied():
    table = Dataset()
    table.LUTDescriptor, table.LUTData, table.ModalityLUTType = [256, 0, 16], [3 * value for value in range(256)], "US"
    table["LUTDescriptor"].VR = table["LUTData"].VR = "US"
    read = read_bytes(with_more(ModalityLUTSequence=[table]))
    np.testing.assert_array_equal(read.pixels, GREY.astype(np.float32) * 3)
    assert read.bits == 16


@pytest.mark.parametrize(
    ("pixels", "facts", "top"),
    [
        (GREY, {}, 255),
        (DEEP, {"bits_stored": 12}, 4095),
        (SIGNED, {"bits_stored": 12}, -1),
        (DEEP, {"bits_stored": 12, "rescale": (2.0, 10.0)}, 2 * 4095 + 20),
    ],
    ids=["8", "12", "signed", "rescaled"],
)
def test_what_is_bright_stays_bright_where_the_file_is_stored_inverted(pixels, facts, top):
    slope, intercept = facts.get("rescale", (1.0, 0.0))
    read = read_bytes(dicom_bytes(pixels, DicomFacts(photometric="MONOCHROME1", **facts)))
    np.testing.assert_array_equal(read.pixels, top - (pixels.astype(np.float32) * slope + intercept))


def test_an_inverted_file_prepares_as_the_upright_one():
    from gadolin.preprocessing.prepare import Preparation, prepare

    inverted = read_bytes(dicom_bytes(np.uint8(255) - GREY, DicomFacts(photometric="MONOCHROME1")))
    np.testing.assert_array_equal(inverted.pixels, GREY)
    upright = read_bytes(dicom_bytes(GREY))
    np.testing.assert_array_equal(prepare(inverted, Preparation(64)), prepare(upright, Preparation(64)))


@pytest.mark.parametrize("photometric", ["MONOCHROME2", "MONOCHROME1"])
def test_a_window_is_kept_and_not_applied(photometric):
    content = dicom_bytes(
        DEEP, DicomFacts(bits_stored=12, photometric=photometric, more={"WindowCenter": 600, "WindowWidth": 800})
    )
    read = read_bytes(content)
    kept = DEEP if photometric == "MONOCHROME2" else 4095 - DEEP
    assert read.window == (600 if photometric == "MONOCHROME2" else 4095 - 600, 800)
    np.testing.assert_array_equal(read.pixels, kept.astype(np.float32))


def test_of_several_windows_the_first_is_kept():
    assert read_bytes(with_more(WindowCenter=[40, 90], WindowWidth=[80, 20])).window == (40, 80)
    assert read_bytes(with_more(WindowCenter=40, WindowWidth=0)).window is None


def test_the_range_of_a_table_of_shades_is_the_window_and_the_table_is_not_applied():
    table = Dataset()
    table.LUTDescriptor, table.LUTData = [100, 20, 16], [65535 - value for value in range(100)]
    table["LUTDescriptor"].VR = table["LUTData"].VR = "US"
    read = read_bytes(with_more(VOILUTSequence=[table]))
    assert read.window == (70, 100)
    np.testing.assert_array_equal(read.pixels, GREY.astype(np.float32))


@pytest.mark.parametrize(("tint", "coloured"), [(1.0, False), (0.2, True)])
def test_a_palette_is_looked_up(tint, coloured):
    ramp = np.arange(256, dtype=np.uint16) * 257
    tables = {"Red": ramp, "Green": (ramp * tint).astype(np.uint16), "Blue": (ramp * tint).astype(np.uint16)}
    more = {f"{name}PaletteColorLookupTableDescriptor": [256, 0, 16] for name in tables}
    more |= {f"{name}PaletteColorLookupTableData": table.tobytes() for name, table in tables.items()}
    read = read_bytes(dicom_bytes(GREY, DicomFacts(photometric="PALETTE COLOR", more=more)))
    assert (read.colour, read.bits) == (coloured, 8)
    if not coloured:
        np.testing.assert_array_equal(read.pixels, GREY.astype(np.float32))


def test_rgb_is_grey_where_its_channels_agree_and_coloured_where_they_do_not():
    grey = read_bytes(dicom_bytes(np.stack([GREY] * 3, -1), DicomFacts(photometric="RGB")))
    np.testing.assert_array_equal(grey.pixels, GREY.astype(np.float32))
    coloured = read_bytes(dicom_bytes(np.stack([GREY, GREY // 3, GREY // 3], -1), DicomFacts(photometric="RGB")))
    assert (grey.colour, coloured.colour) == (False, True)


@pytest.mark.parametrize("reversed_", [False, True], ids=["as they lie", "reversed"])
@pytest.mark.parametrize("rescale", [None, (2.0, 1.0)])
def test_the_frames_of_an_enhanced_file_come_in_the_order_of_their_positions(reversed_, rescale):
    step = -6.0 if reversed_ else 6.0
    volume = SLICES[::-1] if reversed_ else SLICES
    facts = DicomFacts(spacing_mm=(0.5, 0.5, step), position=(0, 0, 18 if reversed_ else 0), rescale=rescale)
    contents = open_bytes(dicom_bytes(volume.astype(np.uint16), facts))
    assert contents.slices == 4
    slope, intercept = rescale or (1, 0)
    for number, pixels in enumerate(SLICES):
        np.testing.assert_array_equal(contents.decode(number).pixels, pixels * np.float32(slope) + intercept)


def test_frames_without_positions_come_as_they_are_stored():
    content = with_more(SLICES, PerFrameFunctionalGroupsSequence=[], SharedFunctionalGroupsSequence=[])
    contents = open_bytes(content)
    for number, pixels in enumerate(SLICES):
        np.testing.assert_array_equal(contents.decode(number).pixels, pixels)


def test_what_is_known_of_a_file_shows_nothing_of_its_patient(patient_key):
    contents = open_bytes(dicom_bytes(GREY, DicomFacts(patient_id="Moravec-1948")))
    assert contents.patient.startswith("p-")
    assert "Moravec" not in repr(contents)
    assert contents.patient not in repr(contents)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"Modality": "CT"}, "must come from MR, this one does not: its modality is CT; leave it out"),
        ({"Modality": "DX"}, "its modality is DX; leave it out"),
        ({"Modality": "", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}, "it has no modality; leave it out"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "a localiser plans a scan"),
        ({"Rows": 60000, "Columns": 60000}, "at most 64,000,000 pixels, this one has 60,000 x 60,000; scale it down"),
        ({"Rows": 8}, "at least 16 pixels a side, this one has 64 x 8"),
        ({"Rows": 7000, "Columns": 7000, "NumberOfFrames": 20000}, "declares 980,000,000,000 bytes in 20,000 frames"),
        ({"NumberOfFrames": 2_000_000_000}, "bytes in 2,000,000,000 frames"),
        ({"NumberOfFrames": -4}, "-4 frames"),
        ({"SamplesPerPixel": 200}, "frames of 200"),
        ({"SamplesPerPixel": 4}, "must have 1 or 3 samples, this file's have 4"),
        ({"NumberOfFrames": 50}, "the pixels must be complete, the file holds 4,096 of 204,800 bytes; fetch it again"),
        ({"Rows": 128}, "the pixels must be complete, the file holds 4,096 of 8,192 bytes; fetch it again"),
    ],
    ids=lambda value: " ".join(f"{name} {each}" for name, each in value.items()) if isinstance(value, dict) else None,
)
def test_a_file_that_is_no_slice_is_refused_with_the_reason(more, told):
    assert told in refused(with_more(**more))


@pytest.mark.parametrize("syntax", [uid.ExplicitVRLittleEndian, uid.JPEGLosslessSV1, uid.JPEG2000Lossless])
def test_no_memory_is_taken_for_what_a_header_only_claims(syntax):
    content = dicom_bytes(GREY, DicomFacts(syntax, more={"Rows": 7000, "Columns": 7000, "NumberOfFrames": 20000}))
    refused(content)
    assert peak_of(content)[1] < 2 << 20


@pytest.mark.slow
def test_a_deflated_bomb_is_refused_before_its_memory_is_taken():
    content = dicom_bytes(GREY, DicomFacts(uid.DeflatedExplicitVRLittleEndian))
    start = 144 + int.from_bytes(content[140:144], "little")  # after the file meta information
    bomb = content[:start] + deflated(zlib.decompress(content[start:], wbits=-15) + bytes(100 << 20))
    assert len(bomb) < 200_000
    told, peak = peak_of(bomb)
    assert "do not trust this file" in told
    assert peak < 80 << 20, "every file may unpack to 64 MiB"


def deflated(content):
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(content) + packer.flush()


def peak_of(content):
    """Return the error of a file and the peak of allocated bytes."""
    tracemalloc.start()
    try:
        return refused(content), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_file_without_pixels_is_refused_with_what_it_is():
    dataset = pydicom.dcmread(BytesIO(dicom_bytes(GREY)))
    del dataset.PixelData
    file = BytesIO()
    dataset.save_as(file)
    assert "must hold pixels, this one (MR Image Storage) holds none; leave it out" in refused(file.getvalue())


def test_a_dicomdir_is_left_out_of_folders_and_refused_alone():
    contents = open_bytes(next(path for path in own_files() if path.name == "DICOMDIR").read_bytes())
    assert contents.omit.code == "dicomdir"
    with pytest.raises(ReadError) as caught:
        contents.decode(0)
    assert caught.value.code == "dicomdir"


@pytest.mark.parametrize("keep", [131, 140, 200, 400, 700])
@pytest.mark.parametrize("syntax", [uid.ExplicitVRLittleEndian, uid.DeflatedExplicitVRLittleEndian, uid.RLELossless])
@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
def test_a_truncated_file_is_refused_in_one_line(keep, syntax):
    told = refused(dicom_bytes(GREY, DicomFacts(syntax))[:keep])
    assert told.split("; ")[-1] in {
        "export it again or remove it", "export it again", "fetch it again", "leave it out", "convert it", "remove it",
        "fetch the file again",
    }  # fmt: skip


def test_pixels_that_end_early_are_refused():
    assert "must be complete" in refused(dicom_bytes(GREY)[:-100])


def own_files():
    """Return pydicom's test files that are on this disk; the others would be downloaded."""
    found = sorted((Path(pydicom.__file__).parent / "data" / "test_files").rglob("*"))
    return [path for path in found if path.is_file() and path.suffix not in {".py", ".pyc", ".txt", ".json"}]


def outcome(path):
    """Return the error of a file, or an empty text if every slice is read."""
    try:
        contents = open_bytes(path.read_bytes())
        slices = [contents.decode(number) for number in range(contents.slices)]
    except ReadError as error:
        return str(error)
    assert all(each.pixels.ndim == 2 and np.isfinite(each.pixels).all() for each in slices), path
    return ""


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(("any_modality", "least"), [(False, 20), (True, 65)], ids=["MR", "any"])
@pytest.mark.slow
def test_pydicoms_own_files_are_read_or_refused_in_one_line(any_modality, least, monkeypatch):
    if any_modality:
        monkeypatch.setattr(reader, "_require_mr", lambda dataset: None)
    outcomes = {path: outcome(path) for path in own_files()}
    assert len(outcomes) > 100
    assert [path for path, told in outcomes.items() if "\n" in told or len(told) >= 600] == []
    assert sum(not told for told in outcomes.values()) >= least


@pytest.mark.parametrize("syntax", [uid.ExplicitVRLittleEndian, uid.ImplicitVRLittleEndian])
def test_a_file_without_preamble_and_meta_group_is_read(syntax):
    content = dicom_bytes(DEEP, DicomFacts(syntax=syntax))
    bare = content[144 + int.from_bytes(content[140:144], "little") :]
    assert bare[:2] == b"\x08\x00"
    assert file_kind(bare[:HEAD]) == "DICOM"
    np.testing.assert_array_equal(open_bytes(bare).decode(0).pixels, DEEP)


def test_colours_of_twelve_bits_are_as_bright_as_those_of_eight():
    eight = np.random.default_rng(0).integers(0, 256, (20, 24, 3), dtype=np.uint8)
    facts = DicomFacts(bits_stored=12, photometric="RGB")
    deep = open_bytes(dicom_bytes(eight.astype(np.uint16) << 4, facts)).decode(0)
    shallow = open_bytes(dicom_bytes(eight, DicomFacts(photometric="RGB"))).decode(0)
    np.testing.assert_array_equal(deep.pixels, shallow.pixels)
