"""Elements are found in encoded data sets as pydicom finds them, in bounded time and memory."""

from __future__ import annotations

import io
import random
import struct
import tracemalloc

import pytest
from pydicom import dcmread, dcmwrite, uid
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.sequence import Sequence

from gadolin.dicom_network.element_scan import Encoding, find_elements

WANTED = (0x00080016, 0x00080018, 0x0020000D, 0x0020000E)
ENCODINGS = [Encoding(True, True), Encoding(False, True), Encoding(False, False)]


def image(nested=2, undefined=True):
    """Return a data set with sequences in sequences before the wanted elements."""
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = uid.MRImageStorage, "1.2.3"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "1.2", "1.2.1"
    dataset.PatientName, dataset.Rows, dataset.PixelData = "A^B", 2, b"1234"
    inner = dataset
    for _ in range(nested):
        item = Dataset()
        item.StudyInstanceUID = "9.9"  # not that of the image
        item.TextValue = "text"
        item.is_undefined_length_sequence_item = undefined
        inner.ReferencedStudySequence = Sequence([item, Dataset()])
        inner["ReferencedStudySequence"].is_undefined_length = undefined
        inner = item
    return dataset


def encoded(dataset, encoding):
    file = DicomBytesIO()
    file.is_implicit_VR, file.is_little_endian = encoding
    if not encoding.little:
        dataset["PixelData"].VR = "OB"
    else:
        dataset["PixelData"].VR = "OW"
    write_dataset(file, dataset)
    return file.getvalue()


def texts(found):
    return {tag: value.rstrip(b"\0").decode() for tag, value in found.items()}


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("undefined", [True, False])
@pytest.mark.parametrize("nested", [0, 1, 5])
def test_the_values_are_those_of_the_top_level(encoding, undefined, nested):
    dataset = image(nested, undefined)

    found = texts(find_elements(encoded(dataset, encoding), encoding, WANTED))

    assert found == {tag: str(dataset[tag].value) for tag in WANTED}


def test_an_unknown_sequence_is_implicit_within():
    inner = struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF) + struct.pack("<HHI", 8, 0x18, 4) + b"9.9\0"
    inner += struct.pack("<HHI", 0xFFFE, 0xE00D, 0) + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    unknown = struct.pack("<HH2sHI", 9, 0x1001, b"UN", 0, 0xFFFFFFFF) + inner
    plain = struct.pack("<HH2sH", 0x20, 0xD, b"UI", 4) + b"1.2\0"

    assert find_elements(unknown + plain, Encoding(False, True), WANTED) == {0x0020000D: b"1.2\0"}


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_data_set_that_is_cut_is_refused(encoding):
    content = encoded(image(), encoding)
    whole = find_elements(content, encoding, WANTED)
    refused = 0
    for length in range(len(content)):
        try:
            assert find_elements(content[:length], encoding, WANTED).items() <= whole.items()
        except ValueError:
            refused += 1
    assert refused > 100


def test_damaged_data_sets_end_in_an_answer_or_a_refusal():
    chance = random.Random(0)
    for encoding in ENCODINGS:
        content = bytearray(encoded(image(), encoding))
        for _ in range(1000):
            changed = bytearray(content)
            changed[chance.randrange(len(changed))] = chance.randrange(256)
            try:
                find_elements(bytes(changed), encoding, WANTED)
            except ValueError:
                continue


@pytest.mark.parametrize(
    "content",
    [
        struct.pack("<HH2sHI", 8, 0x1110, b"SQ", 0, 0xFFFFFFFF) + struct.pack("<HHI", 0xFFFE, 0xE000, 0) * 2**20,
        struct.pack("<HH2sH", 8, 0x1030, b"LO", 0) * 2**20,
        struct.pack("<HH2sHI", 8, 0x1110, b"SQ", 0, 0xFFFFFFFF) * 2**20,
    ],
    ids=["items", "elements", "depth"],
)
def test_millions_of_elements_are_refused_without_memory_for_them(content):
    tracemalloc.start()
    with pytest.raises(ValueError, match="too many elements"):
        find_elements(content, Encoding(False, True), WANTED)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**21


def test_an_end_without_a_beginning_is_refused():
    with pytest.raises(ValueError, match="was not open"):
        find_elements(struct.pack("<HHI", 0xFFFE, 0xE0DD, 0), Encoding(False, True), WANTED)


def test_files_of_pydicom_are_read_alike():
    import numpy as np

    from gadolin.phantoms.encode import DicomFacts, dicom_bytes

    for syntax in (uid.ExplicitVRLittleEndian, uid.ImplicitVRLittleEndian, uid.JPEG2000Lossless):
        content = dicom_bytes(np.zeros((64, 64), np.uint16), DicomFacts(syntax))
        expected = dcmread(io.BytesIO(content))
        file = io.BytesIO()
        dcmwrite(file, expected, enforce_file_format=True)
        start = 144 + int(expected.file_meta.FileMetaInformationGroupLength)
        encoding = Encoding(syntax == uid.ImplicitVRLittleEndian, True)
        found = texts(find_elements(file.getvalue()[start:], encoding, WANTED))
        assert found == {tag: str(expected[tag].value) for tag in WANTED}
