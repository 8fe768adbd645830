"""Tests of DICOM headers: unneeded elements may hold anything; an error names the needed element."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pydicom
import pytest
from pydicom import uid
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag

from gadolin.errors import DamagedFileError, ReadError
from gadolin.phantoms import draw_patient
from gadolin.phantoms.encode import DicomFacts, dicom_bytes
from gadolin.readers import open_bytes, read_bytes

GREY = draw_patient("glioma", 3, seed=1, slices=1, size=64)[0].pixels
DEEP = GREY.astype(np.uint16) * 16 + np.arange(64, dtype=np.uint16) % 16
WHOLE = DicomFacts(bits_stored=12, more={"WindowCenter": 600, "WindowWidth": 800})

NOT_NEEDED = [
    "PixelSpacing", "ImagePositionPatient", "ImageOrientationPatient", "WindowCenter", "WindowWidth", "SeriesNumber",
    "InstanceNumber", "PatientID", "ImageType", "SeriesDescription", "SeriesInstanceUID", "SOPInstanceUID",
    "SOPClassUID", "StudyDate", "SliceThickness", "RescaleSlope", "RescaleIntercept", "PixelPaddingValue", "HighBit",
    "NumberOfFrames", "PixelRepresentation", "BitsStored", "PlanarConfiguration",
    "SamplesPerPixel", "ModalityLUTSequence", "VOILUTSequence", "PerFrameFunctionalGroupsSequence",
    "SharedFunctionalGroupsSequence", "EchoTime", "LossyImageCompression",
]  # fmt: skip
MALFORMED = {
    "empty": ("DS", b""),
    "a word": ("DS", b"N/A "),
    "a word in a long text": ("UT", b"n.a."),
    "no text at all": ("LO", b"\xff\xfe\x00\x81"),
    "many values": ("LO", b"\\\\\\\\\\\\\\ "),
    "a date": ("DA", b"31.12.26"),
    "three bytes that should be numbers": ("FD", b"abc "),
    "no number": ("FD", np.array([np.nan]).tobytes()),
    "an unknown type": ("UN", b"\x81\x82\x83"),
    "infinite": ("DS", b"1e999\\-1e999 "),
}


def with_raw(content: bytes, name: str, form: str, value: bytes) -> bytes:
    """Return a DICOM file with an element of the given type and bytes."""
    dataset = pydicom.dcmread(BytesIO(content))
    tag = Tag(name)
    dataset[tag] = RawDataElement(tag, form, len(value), value, 0, False, True)
    file = BytesIO()
    dataset.save_as(file)
    return file.getvalue()


def without(content: bytes, name: str) -> bytes:
    dataset = pydicom.dcmread(BytesIO(content))
    del dataset[name]
    file = BytesIO()
    dataset.save_as(file)
    return file.getvalue()


@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
@pytest.mark.parametrize("kind", MALFORMED)
@pytest.mark.parametrize("name", NOT_NEEDED)
def test_an_element_that_is_not_needed_may_hold_anything(name, kind):
    contents = open_bytes(with_raw(dicom_bytes(DEEP, WHOLE), name, *MALFORMED[kind]))
    assert (contents.slices, contents.omit) == (1, None)
    np.testing.assert_array_equal(contents.decode(0).pixels, DEEP)


@pytest.mark.parametrize(
    "name", ["PixelSpacing", "ImagePositionPatient", "ImageOrientationPatient", "WindowCenter", "SeriesNumber",
             "PatientID", "ImageType", "SeriesInstanceUID", "SOPClassUID", "HighBit", "PixelRepresentation",
             "SamplesPerPixel", "BitsStored"],
)  # fmt: skip
def test_an_element_that_is_not_needed_may_be_absent(name):
    np.testing.assert_array_equal(read_bytes(without(dicom_bytes(DEEP, WHOLE), name)).pixels, DEEP)


@pytest.mark.parametrize(
    ("form", "value", "spacing"),
    [
        ("DS", b"0,49\\0,49 ", (0.49, 0.49)),
        ("UT", b"0.49\\0.49 ", (0.49, 0.49)),
        ("LO", b" 0.49 \\ 0.5 ", (0.49, 0.5)),
        ("FD", np.array([0.49, 0.5]).tobytes(), (0.49, 0.5)),
        ("UN", b"0.49\\0.50 ", (0.49, 0.5)),
        ("DS", b"4.9e-1\\0.5\\7", (0.49, 0.5)),
        ("DS", b"0.49", None),
        ("DS", b"0\\0 ", None),
        ("DS", b"-0.5\\0.5 ", None),
        ("DS", b"0.49\\490 ", None),
        ("DS", b"1e-9\\1e-9 ", None),
    ],
)
def test_a_spacing_is_read_however_it_is_written(form, value, spacing):
    read = read_bytes(with_raw(dicom_bytes(DEEP, WHOLE), "PixelSpacing", form, value))
    assert read.spacing_mm == spacing
    np.testing.assert_array_equal(read.pixels, DEEP)


@pytest.mark.parametrize(
    ("value", "window"),
    [(b"600,5 ", (600.5, 800)), (b"600\\N/A ", (600, 800)), (b"N/A\\600 ", None), (b"600 HU", None)],
)
def test_a_window_is_kept_where_its_first_value_is_a_number(value, window):
    assert read_bytes(with_raw(dicom_bytes(DEEP, WHOLE), "WindowCenter", "LO", value)).window == window


@pytest.mark.parametrize("name", ["Rows", "Columns", "BitsAllocated"])
@pytest.mark.parametrize("value", [b"", b"N/A "])
def test_what_the_pixels_need_is_asked_for_by_its_name(name, value):
    with pytest.raises(DamagedFileError) as caught:
        open_bytes(with_raw(dicom_bytes(DEEP, WHOLE), name, "LO", value))
    assert name in caught.value.got
    assert caught.value.code == "pixel_header_missing"


@pytest.mark.parametrize("form", ["IS", "DS", "UL", "SS"])
def test_what_the_pixels_need_may_be_of_another_type(form):
    value = b"64" if form in ("IS", "DS") else np.array([64], {"UL": "u4", "SS": "i2"}[form]).tobytes()
    np.testing.assert_array_equal(read_bytes(with_raw(dicom_bytes(DEEP, WHOLE), "Rows", form, value)).pixels, DEEP)


@pytest.mark.parametrize("value", ["", "N/A", "HSV", "CMYK", "YBR_FULL"])
def test_pixels_of_an_unknown_meaning_are_refused(value):
    with pytest.raises(ReadError) as caught:
        open_bytes(with_raw(dicom_bytes(DEEP, WHOLE), "PhotometricInterpretation", "CS", value.ljust(8).encode()))
    assert caught.value.code == "photometric_unfit"


def test_the_meaning_of_pixels_may_be_written_in_small_letters():
    content = with_raw(dicom_bytes(DEEP, WHOLE), "PhotometricInterpretation", "LO", b"monochrome2 ")
    np.testing.assert_array_equal(read_bytes(content).pixels, DEEP)


@pytest.mark.parametrize("bits", [1, 12, 24])
def test_words_that_are_no_whole_bytes_are_refused(bits):
    with pytest.raises(ReadError) as caught:
        open_bytes(dicom_bytes(DEEP, DicomFacts(more={"BitsAllocated": bits})))
    assert caught.value.code in {"bits_allocated_unfit", "file_not_whole"}


@pytest.mark.parametrize(
    "more", [{"BitsAllocated": 8}, {"Rows": 32}, {"NumberOfFrames": 1}], ids=lambda more: next(iter(more))
)
def test_a_header_that_tells_of_fewer_pixels_than_there_are_is_refused(more):
    frames = np.stack([DEEP] * 3) if "NumberOfFrames" in more else DEEP
    with pytest.raises(DamagedFileError) as caught:
        open_bytes(dicom_bytes(frames, DicomFacts(more=more)))
    assert caught.value.code == "pixels_contradict_header"


@pytest.mark.parametrize("syntax", [uid.JPEG2000Lossless, uid.RLELossless, uid.JPEGLosslessSV1, uid.JPEGLSLossless])
def test_compressed_frames_that_the_header_does_not_tell_of_are_no_silence(syntax):
    with pytest.raises(DamagedFileError) as caught:
        open_bytes(dicom_bytes(np.stack([DEEP] * 3), DicomFacts(syntax, more={"NumberOfFrames": 1})))
    assert caught.value.code == "pixels_contradict_header"


def test_several_frames_whose_number_is_unreadable_are_refused():
    content = with_raw(dicom_bytes(np.stack([DEEP] * 3), DicomFacts()), "NumberOfFrames", "LO", b"N/A ")
    with pytest.raises(DamagedFileError) as caught:
        open_bytes(content)
    assert caught.value.code == "pixel_header_missing"


@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
def test_padding_behind_the_pixels_is_no_contradiction():
    content = dicom_bytes(DEEP, WHOLE)
    longer = with_raw(content, "PixelData", "OW", DEEP.tobytes() + bytes(512))
    np.testing.assert_array_equal(read_bytes(longer).pixels, DEEP)


def test_a_modality_in_small_letters_is_mr():
    np.testing.assert_array_equal(read_bytes(with_raw(dicom_bytes(DEEP, WHOLE), "Modality", "LO", b"mr")).pixels, DEEP)


@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
@pytest.mark.parametrize(
    ("form", "value"),
    [("CS", b"KLINGON-42"), ("CS", b"\xff\xfe\x00\x81\\      "[:10]), ("DS", b"1e999     "), ("UN", bytes(10)),
     ("FD", b"abcdefghij"), ("CS", b"ISO 2022\\?"), ("UI", b"1.2.3.4.5\0")],
)  # fmt: skip
def test_a_character_set_may_be_unknown(form, value):
    content = dicom_bytes(DEEP, DicomFacts(patient_id="P\xe4ul", more={"SpecificCharacterSet": "ISO_IR 100"}))
    before = b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 100"
    after = b"\x08\x00\x05\x00" + (b"UN\0\0\x0a\0\0\0" if form == "UN" else form.encode() + b"\x0a\x00") + value
    assert content.count(before) == 1
    contents = open_bytes(content.replace(before, after))
    np.testing.assert_array_equal(contents.decode(0).pixels, DEEP)
    assert contents.patient_id.startswith("P")


@pytest.mark.parametrize("form", [b"ds", b"??", b"\0\0", b"  ", b"XX"])
def test_a_type_that_there_is_not_is_a_text(form):
    content = dicom_bytes(DEEP, WHOLE)
    place = content.index(b"\x28\x00\x30\x00DS") + 4
    read = read_bytes(content[:place] + form + content[place + 2 :])
    np.testing.assert_array_equal(read.pixels, DEEP)
    assert read.spacing_mm == (0.5, 0.5)


@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
@pytest.mark.parametrize("trailer", [bytes(100), b"\xff" * 20, b"a text behind the file\n", b"\xfc\xff\xfc\xffOB\0\0"])
def test_what_stands_behind_the_pixels_is_not_needed(trailer):
    np.testing.assert_array_equal(read_bytes(dicom_bytes(DEEP, WHOLE) + trailer).pixels, DEEP)


@pytest.mark.parametrize("syntax", [uid.ExplicitVRLittleEndian, uid.ImplicitVRLittleEndian, uid.JPEG2000Lossless])
def test_a_transfer_syntax_may_go_unnamed_where_nothing_is_compressed(syntax):
    content = dicom_bytes(DEEP, DicomFacts(syntax))
    place = content.index(b"\x02\x00\x10\x00UI")
    content = content[:place] + content[place + 8 + content[place + 6] :]
    if syntax == uid.JPEG2000Lossless:
        with pytest.raises(DamagedFileError) as caught:
            open_bytes(content)
        assert caught.value.code == "transfer_syntax_missing"
    else:
        np.testing.assert_array_equal(read_bytes(content).pixels, DEEP)


@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
@pytest.mark.parametrize("syntax", [b"1.2.840.10008.1.2.4.99", b"1.2.840.1\x0c\n\x1b[31m.2.4.9"])
def test_an_unknown_compression_is_no_damage(syntax):
    content = dicom_bytes(DEEP, DicomFacts(uid.JPEG2000Lossless))
    with pytest.raises(ReadError) as caught:
        open_bytes(content.replace(b"1.2.840.10008.1.2.4.90", syntax))
    assert caught.value.code == "transfer_syntax_unknown"
    assert str(caught.value).isprintable()
    assert not isinstance(caught.value, DamagedFileError)


@pytest.mark.parametrize("syntax", [uid.JPEGLosslessSV1, uid.JPEG2000Lossless, uid.JPEGLSLossless, uid.RLELossless])
@pytest.mark.parametrize("frames", [1, 2])
def test_plain_pixels_are_read_though_the_header_says_that_they_are_compressed(syntax, frames):
    content = dicom_bytes(DEEP if frames == 1 else np.stack([DEEP] * 2))
    named = syntax.encode() + bytes(len(syntax) % 2)
    content = content.replace(b"\x14\0001.2.840.10008.1.2.1\0", bytes([len(named), 0]) + named)
    np.testing.assert_array_equal(open_bytes(content).decode(frames - 1).pixels, DEEP)


def test_a_table_of_modality_values_that_is_broken_is_refused():
    table = pydicom.Dataset()
    table.LUTDescriptor = [4096, 0, 16]
    table["LUTDescriptor"].VR = "US"
    with pytest.raises(DamagedFileError) as caught:
        read_bytes(dicom_bytes(DEEP, DicomFacts(more={"ModalityLUTSequence": [table]})))
    assert caught.value.code == "modality_table_damaged"


@pytest.mark.parametrize("value", [b"1e300", b"1e-300", b"0 ", b"-0.0"])
def test_a_slope_that_cannot_be_is_none(value):
    np.testing.assert_array_equal(
        read_bytes(with_raw(dicom_bytes(DEEP, WHOLE), "RescaleSlope", "DS", value)).pixels, DEEP
    )
