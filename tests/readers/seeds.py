"""The valid files that damaged ones are made from: tiny, of every kind, deterministic."""

from __future__ import annotations

import gzip
import io
import struct
import zlib
from functools import partial
from itertools import product

import h5py
import imagecodecs
import numpy as np
from mutations import Seed
from odd_files import odd_dicom_files, odd_volumes
from pictures import png_bytes, png_chunk, tiff_bytes
from PIL import Image
from pydicom import uid
from pydicom.encaps import generate_fragments
from scipy.io import savemat

from gadolin.phantoms.encode import DicomFacts, dicom_bytes, mat_bytes, nifti_bytes

__all__ = ["SEEDS", "png_of_chunks"]

_ROWS, _COLUMNS = 20, 17


def _grey(kind: str = "u1", top: int = 255) -> np.ndarray:
    """Return (H, W): a ramp with a bright square; values are at most ``top``."""
    ramp = np.add.outer(np.arange(_ROWS), np.arange(_COLUMNS)) * (top // 50)
    ramp[5:9, 6:12] = top
    return ramp.astype(kind)


def _colour() -> np.ndarray:
    return np.stack([_grey(), _grey()[::-1], _grey()[:, ::-1]], axis=2)


def _saved(image: Image.Image, form: str, options: dict[str, object]) -> bytes:
    file = io.BytesIO()
    image.save(file, format=form, **options)
    return file.getvalue()


def png_of_chunks(chunks: bytes) -> bytes:
    """Return a PNG file with valid checksums from the chunks of another."""
    file, place = b"\x89PNG\r\n\x1a\n", 0
    while place + 12 <= len(chunks):
        length = min(struct.unpack_from(">I", chunks, place)[0], len(chunks) - place - 12)
        body = chunks[place + 4 : place + 8 + length]
        file += chunks[place : place + 4] + body + struct.pack(">I", zlib.crc32(body))
        place += length + 12
    return file + chunks[place:]


def _png_of_lines(head: bytes, lines: bytes) -> bytes:
    packed = zlib.compress(lines)
    data = struct.pack(">I", len(packed)) + b"IDAT" + packed + bytes(4)
    return png_of_chunks(head + data + struct.pack(">I", 0) + b"IEND" + bytes(4))


def _raster() -> list[Seed]:
    grey, deep, colour = (Image.fromarray(each) for each in (_grey(), _grey("u2", 65535), _colour()))
    clear = colour.copy()
    clear.putalpha(grey)
    turned = Image.Exif()
    turned[0x0112] = 6
    floats, whole = Image.fromarray(_grey("f4")), Image.fromarray(_grey("i4", 100_000))
    files = [
        ("PNG", {"8": grey, "16": deep, "colour": colour, "alpha": clear, "1": grey.convert("1")}, {}),
        ("PNG", {"palette": colour.quantize(16)}, {"transparency": 3}),
        ("JPEG", {"grey": grey, "colour": colour, "CMYK": colour.convert("CMYK")}, {}),
        ("JPEG", {"progressive": colour, "progressive grey": grey}, {"progressive": True, "exif": turned}),
        ("BMP", {"grey": grey, "colour": colour, "1": grey.convert("1")}, {}),
        ("WEBP", {"lossy": colour, "alpha": clear}, {"exif": turned}),
        ("WEBP", {"lossless": clear}, {"lossless": True}),
        ("TIFF", {"8": grey, "16": deep, "colour": colour, "float": floats, "32": whole}, {}),
        ("TIFF", {"deflated": deep}, {"compression": "tiff_adobe_deflate"}),
        ("TIFF", {"LZW": colour, "LZW of 16": deep, "LZW of 32": floats}, {"compression": "tiff_lzw"}),
        ("TIFF", {"packbits": grey}, {"compression": "packbits"}),
        ("TIFF", {"JPEG": colour}, {"compression": "jpeg"}),
        ("TIFF", {"group 4": grey.convert("1")}, {"compression": "group4"}),
    ]
    seeds = [
        Seed(f"{form} {name}", _saved(image, form, options))
        for form, images, options in files
        for name, image in images.items()
    ]
    seeds += [Seed(name, file) for name, file in _by_hand().items()]
    for seed in [each for each in seeds if each.name.startswith("PNG")]:
        chunks = seed.content[8:]
        start = chunks.index(b"IDAT") - 4
        length = struct.unpack_from(">I", chunks, start)[0]
        lines = zlib.decompress(chunks[start + 8 : start + 8 + length])
        seeds.append(Seed(f"{seed.name} chunks", chunks, png_of_chunks))
        seeds.append(Seed(f"{seed.name} lines", lines, partial(_png_of_lines, chunks[:start])))
    return seeds


def _by_hand() -> dict[str, bytes]:
    """Return images of kinds that Pillow flattens, refuses or inverts."""
    deep, signed, real = _grey("u2", 4095), _grey("i2", 4000) - np.int16(900), _grey("f4") / np.float32(99)
    colours, alpha = np.dstack([deep, deep[::-1], deep]), np.dstack([deep, deep[::-1] * 16])
    real[0, :5] = np.nan
    table = {320: (3, [*range(0, 65536, 256)] * 3)}
    text = png_chunk(b"tEXt", b"Comment\0" + bytes(300))
    clear = png_chunk(b"tRNS", struct.pack(">H", 0))
    files = {
        "TIFF white is zero": tiff_bytes(deep, shown=0, order=">", compression=8, rows=7),
        "TIFF signed bytes": tiff_bytes(signed.astype("i1"), rows=6),
        "TIFF signed, tiled": tiff_bytes(signed, tile=(16, 16), compression=8, predictor=2),
        "TIFF RGB of 16": tiff_bytes(colours, shown=2, compression=8, predictor=2),
        "TIFF RGB of 16 in planes": tiff_bytes(colours, shown=2, planar=True, rows=9),
        "TIFF grey and alpha of 16": tiff_bytes(alpha, tags={338: (3, [2])}),
        "TIFF CMYK of 16": tiff_bytes(np.dstack([colours, deep]), shown=5),
        "TIFF of half floats": tiff_bytes(real.astype("f2"), shown=0),
        "TIFF of doubles, predicted": tiff_bytes(real.astype("f8"), compression=8, predictor=3, order=">"),
        "TIFF of 12 bits": tiff_bytes(deep, bits=12, reverse=True),
        "TIFF, big": tiff_bytes(deep, big=True, rows=5),
        "TIFF with a smaller page": tiff_bytes(deep, more=[(deep[::2, ::2], {254: (4, [1])})]),
        "TIFF with a map of bytes": tiff_bytes(_grey(), shown=3, tags={320: (3, [*range(256)] * 3)}),
        "TIFF with a map": tiff_bytes(_grey(), shown=3, tags=table),
        "PNG of 16, RGB": png_bytes(colours, more=text),
        "PNG of 16, alpha": png_bytes(alpha, filtered=True),
        "PNG of 16, interlaced": png_bytes(np.dstack([colours, deep]), interlaced=True),
        "PNG of 4, clear": png_bytes(_grey() // 16, depth=4, more=clear),
    }
    for name, stream in {
        "JPEG of 12": imagecodecs.jpeg8_encode(deep, bitspersample=12),
        "JPEG, lossless": imagecodecs.jpeg8_encode(_grey(), lossless=True),
        "JPEG-LS of 16": imagecodecs.jpegls_encode(deep),
    }.items():
        files[name] = bytes(stream)
    return files


def _facts(syntax: str, **more: object) -> DicomFacts:
    return DicomFacts(syntax=syntax, rescale=(2.0, -5.0), more={"WindowCenter": 100, "WindowWidth": 200} | more)


def _palette() -> dict[str, object]:
    table = np.arange(256, dtype="<u2") * 257
    names = ("Red", "Green", "Blue")
    descriptors = {f"{name}PaletteColorLookupTableDescriptor": [256, 0, 16] for name in names}
    return descriptors | {f"{name}PaletteColorLookupTableData": table.tobytes() for name in names}


def _dicom_files() -> dict[str, bytes]:
    deep, grey, colour = _grey("u2", 4095), _grey(), _colour()
    frames = np.stack([deep, deep[::-1], deep[:, ::-1]])
    plain, rle = uid.ExplicitVRLittleEndian, uid.RLELossless
    files = {
        "plain": dicom_bytes(deep, _facts(plain)),
        "implicit": dicom_bytes(deep.astype("i2"), _facts(uid.ImplicitVRLittleEndian)),
        "big-endian": dicom_bytes(deep, _facts(uid.ExplicitVRBigEndian)),
        "inverted": dicom_bytes(grey, DicomFacts(photometric="MONOCHROME1")),
        "colour": dicom_bytes(colour, DicomFacts(photometric="RGB")),
        "colour RLE": dicom_bytes(colour, DicomFacts(syntax=rle, photometric="RGB")),
        "palette": dicom_bytes(grey, DicomFacts(photometric="PALETTE COLOR", more=_palette())),
        "frames": dicom_bytes(frames, _facts(plain)),
        "frames RLE": dicom_bytes(frames, _facts(rle)),
        "frames JPEG 2000": dicom_bytes(frames, _facts(uid.JPEG2000Lossless)),
        "RLE": dicom_bytes(deep, _facts(rle)),
        "JPEG baseline": dicom_bytes(grey, _facts(uid.JPEGBaseline8Bit)),
        "JPEG baseline colour": dicom_bytes(colour, DicomFacts(uid.JPEGBaseline8Bit, photometric="YBR_FULL")),
        "JPEG extended": dicom_bytes(deep, DicomFacts(uid.JPEGExtended12Bit, bits_stored=12)),
    }
    files |= odd_dicom_files(deep, grey, colour)
    lossless = (
        "JPEGLossless",
        "JPEGLosslessSV1",
        "JPEGLSLossless",
        "JPEGLSNearLossless",
        "JPEG2000Lossless",
        "JPEG2000",
    )
    for name, (depth, pixels) in product(lossless, (("8", grey), ("16", deep))):
        files[f"{name} {depth}"] = dicom_bytes(pixels, _facts(getattr(uid, name)))
    return files


def _with_pixels(before: bytes, codestream: bytes) -> bytes:
    """Return a DICOM file that ends with an encapsulated element of one code stream."""
    stream = codestream + bytes(len(codestream) % 2)
    item, end = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0" + bytes(4)
    start = before + struct.pack("<2sHI", b"OB", 0, 0xFFFFFFFF) + item + bytes(4)
    return start + item + struct.pack("<I", len(stream)) + stream + end


def _deflated(before: bytes, dataset: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return before + packer.compress(dataset) + packer.flush()


def _dicom() -> list[Seed]:
    files, seeds = _dicom_files(), []
    for name, file in files.items():
        seeds.append(Seed(name, file[132:], (bytes(128) + b"DICM").__add__))
        element = file.rindex(b"\xe0\x7f\x10\x00") + 4 if b"\xe0\x7f\x10\x00" in file else 0
        if element and file[element : element + 8] == b"OB\0\0\xff\xff\xff\xff" and "frames" not in name:
            stream = list(generate_fragments(file[element + 8 :]))[1]
            seeds.append(Seed(f"{name} code stream", stream, partial(_with_pixels, file[:element])))
    deflated = dicom_bytes(_grey("u2", 4095), _facts(uid.DeflatedExplicitVRLittleEndian))
    start = 144 + struct.unpack_from("<I", deflated, 140)[0]
    dataset = zlib.decompress(deflated[start:], -15)
    return [
        *seeds,
        Seed("deflated", deflated[132:], (bytes(128) + b"DICM").__add__),
        Seed("deflated data set", dataset, partial(_deflated, deflated[:start])),
    ]


def _nifti() -> list[Seed]:
    random = np.random.default_rng(0)
    affine = np.array([[0, 0, 5, 1], [-1, 0, 0, 2], [0, 1, 0, 3], [0, 0, 0, 1]], float)
    volumes = {
        "8": nifti_bytes(random.integers(0, 255, (16, 17, 16), np.uint8), compress=False),
        "16": nifti_bytes(random.integers(0, 999, (18, 17, 16), np.int16), affine=affine, compress=False),
        "float": nifti_bytes(random.random((16, 16, 16), np.float32), compress=False),
        "rescaled": nifti_bytes(random.integers(0, 99, (16, 16, 16), np.int16), rescale=(0.5, 3), compress=False),
        "4-D": nifti_bytes(random.integers(0, 99, (16, 16, 16, 2), np.uint8), compress=False),
        "2-D": nifti_bytes(random.integers(0, 99, (16, 18), np.uint8), compress=False),
    }
    volumes |= odd_volumes()
    seeds = [Seed(name, file) for name, file in volumes.items()]
    seeds += [
        Seed(f"{name} header", file[:352], lambda head, rest=file[352:]: head + rest) for name, file in volumes.items()
    ]
    packed = [Seed(f"{each.name} gzipped", each.content, partial(_gzipped, each)) for each in seeds]
    return [*seeds, *packed, Seed("gzip", gzip.compress(volumes["8"], mtime=0))]


def _gzipped(seed: Seed, content: bytes) -> bytes:
    return gzip.compress(seed.wrap(content), 1, mtime=0)


def _mat_body(file: bytes) -> bytes:
    """Return the uncompressed elements of a MATLAB 5 file."""
    body, place = b"", 128
    while place + 8 <= len(file):
        length = struct.unpack_from("<I", file, place + 4)[0]
        body += zlib.decompress(file[place + 8 : place + 8 + length])
        place += 8 + length
    return body


def _mat_packed(head: bytes, body: bytes) -> bytes:
    packed = zlib.compress(body, 1)
    return head + struct.pack("<II", 15, len(packed)) + packed


def _mat_hdf5(pixels: np.ndarray, mask: np.ndarray, options: dict[str, object]) -> bytes:
    file = io.BytesIO()
    with h5py.File(file, "w", userblock_size=512) as written:
        group = written.create_group("cjdata")
        group.create_dataset("image", data=pixels, **options)
        group.create_dataset("tumorMask", data=mask, **options)
        group.create_dataset("label", data=[[2.0]])
        group.create_dataset("PID", data=np.array([[49], [50]], np.uint16))
    return file.getvalue()


def _mat() -> list[Seed]:
    pixels, mask = _grey("i2", 4000), _grey() == 255
    head = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM"
    struct_file = head + mat_bytes(pixels, mask, label=1, patient="100360", version="5")[128:]
    plain = io.BytesIO()
    savemat(plain, {"cjdata": {"image": pixels, "label": 2.0, "PID": "7"}, "more": {"a": [1, 2]}})
    hdf5 = mat_bytes(pixels, mask, label=3, patient="MR01")
    start = b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + bytes(384)
    variants = {
        "contiguous": {},
        "chunked": {"chunks": (8, 8), "compression": "gzip", "shuffle": True},
        "chunked, not packed": {"chunks": (16, 17)},
    }
    seeds = [
        Seed("5 packed", struct_file),
        Seed("5 body packed", _mat_body(struct_file), partial(_mat_packed, head)),
        Seed("5 body", _mat_body(struct_file), head.__add__),
        Seed("5 plain", head + plain.getvalue()[128:]),
        Seed("7.3 as published", hdf5[512:], hdf5[:512].__add__),
        Seed("7.3 whole", hdf5),
    ]
    for name, options in variants.items():
        seeds.append(Seed(f"7.3 {name}", _mat_hdf5(pixels, mask.astype(np.uint8), options)[512:], start.__add__))
    return seeds


SEEDS = {"raster": _raster, "dicom": _dicom, "nifti": _nifti, "mat": _mat}
