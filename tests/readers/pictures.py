"""Images written byte by byte, of kinds that Pillow does not write."""

from __future__ import annotations

import struct
import zlib

import numpy as np

__all__ = ["png_bytes", "png_chunk", "tiff_bytes"]

_FORMS = {"u": 1, "b": 1, "i": 2, "f": 3}
_PASSES = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_bytes(samples, *, depth=16, more=b"", interlaced=False, filtered=False):
    """Return a PNG of samples (H, W) or (H, W, C); ``more`` are chunks after the header, ``filtered`` uses filter 1."""
    samples = np.asarray(samples)
    samples = samples.reshape(*samples.shape[:2], -1)
    height, width, channels = samples.shape
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, int(interlaced))
    lines = b""
    for top, left, down, right in _PASSES if interlaced else ((0, 0, 1, 1),):
        lines += _png_lines(samples[top::down, left::right], depth, filtered)
    body = png_chunk(b"IHDR", header) + more + png_chunk(b"IDAT", zlib.compress(lines)) + png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def _png_lines(samples, depth, filtered):
    rows = samples.reshape(len(samples), -1)
    if not rows.size:
        return b""
    if depth < 8:
        bits = (rows[..., None] >> np.arange(depth)[::-1]) & 1
        packed = np.packbits(bits.reshape(len(rows), -1).astype(np.uint8), axis=1)
    else:
        packed = rows.astype(f">u{depth // 8}").view(np.uint8).reshape(len(rows), -1)
    step = samples.shape[2] * depth // 8
    if filtered:
        packed = packed.copy()
        packed[:, step:] -= packed[:, :-step].copy()
    kinds = np.full((len(rows), 1), int(filtered), np.uint8)
    return np.concatenate([kinds, packed], axis=1).tobytes()


def tiff_bytes(samples, *, shown=1, order="<", more=(), tags=None, **layout):
    """Return a TIFF of samples (H, W) or (H, W, C) and of further pages ``more``, each (samples, tags).

    ``layout``: bits, compression (1 or 8), predictor, planar, tile (rows, columns), rows (of a strip), big, reverse.
    ``tags`` adds or replaces entries: tag to (type, numbers).
    """
    big = layout.pop("big", False)
    head = struct.pack(f"{order}HHHQ", 43, 8, 0, 0) if big else struct.pack(f"{order}HI", 42, 0)
    file = bytearray((b"II" if order == "<" else b"MM") + head)
    pointer = 8 if big else 4
    for page, given in [(samples, tags or {}), *more]:
        directory = _page(np.asarray(page), shown, order, given, **layout)
        pointer = _append(file, directory, order, pointer, big=big)
    return bytes(file)


def _page(samples, shown, order, given, **layout):
    bits, rows, tile = (layout.get(name) for name in ("bits", "rows", "tile"))
    compression, predictor = layout.get("compression", 1), layout.get("predictor", 1)
    planar, reverse = layout.get("planar", False), layout.get("reverse", False)
    samples = samples.reshape(*samples.shape[:2], -1)
    height, width, channels = samples.shape
    bits = bits or (1 if samples.dtype == bool else 8 * samples.dtype.itemsize)
    planes = [samples[..., [one]] for one in range(channels)] if planar else [samples]
    down, across = tile or (rows or height, width)
    blocks = []
    for plane in planes:
        for top in range(0, height, down):
            for left in range(0, width, across):
                block = plane[top : top + down, left : left + across]
                if tile:
                    lacking = [(0, down - block.shape[0]), (0, across - block.shape[1]), (0, 0)]
                    block = np.pad(block, lacking)
                blocks.append(_stored(block, order, bits, compression, predictor, reverse))
    kinds = {256: (4, [width]), 257: (4, [height]), 258: (3, [bits] * channels), 259: (3, [compression])}
    kinds |= {262: (3, [shown]), 277: (3, [channels]), 284: (3, [2 if planar else 1]), 317: (3, [predictor])}
    kinds |= {339: (3, [_FORMS[samples.dtype.kind]] * channels), 266: (3, [2 if reverse else 1])}
    if tile:
        kinds |= {322: (4, [across]), 323: (4, [down]), 324: (4, blocks), 325: (4, [len(one) for one in blocks])}
    else:
        kinds |= {278: (4, [down]), 273: (4, blocks), 279: (4, [len(one) for one in blocks])}
    return {tag: value for tag, value in (kinds | given).items() if value}


def _stored(block, order, bits, compression, predictor, reverse):
    kind, lines = block.dtype, len(block)
    if predictor == 2:
        block = np.concatenate([block[:, :1], np.diff(block, axis=1)], axis=1)
    if predictor == 3:
        big = block.astype(kind.newbyteorder(">")).reshape(lines, -1)
        by_weight = big.view(np.uint8).reshape(lines, -1, kind.itemsize).transpose(0, 2, 1).reshape(lines, -1)
        channels = block.shape[2]
        steps = by_weight.copy()
        steps[:, channels:] -= by_weight[:, :-channels]
        plain = steps.tobytes()
    elif bits % 8:
        each = (block.reshape(lines, -1, 1).astype(np.int64) >> np.arange(bits)[::-1]) & 1
        plain = np.packbits(each.reshape(lines, -1).astype(np.uint8), axis=1).tobytes()
    else:
        plain = block.astype(kind.newbyteorder(order)).tobytes()
    stored = zlib.compress(plain) if compression == 8 else plain
    return bytes(int(f"{one:08b}"[::-1], 2) for one in stored) if reverse else stored


def _append(file, directory, order, pointer, *, big):
    """Append blocks and directory of a page, to which ``pointer`` refers; return the position of the next pointer."""
    count_form, entry_form, address = ("Q", "HHQ", "Q") if big else ("H", "HHI", "I")
    size, kinds = struct.calcsize(order + address), {1: "B", 2: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 16: "Q"}
    entries = b""
    for tag, (kind, numbers) in sorted(directory.items()):
        if kind == 4 and numbers and isinstance(numbers[0], bytes):
            numbers = [_placed(file, block) for block in numbers]
        values = struct.pack(f"{order}{len(numbers)}{kinds[kind]}", *numbers)
        if len(values) > size:
            values = struct.pack(order + address, _placed(file, values))
        entries += struct.pack(order + entry_form, tag, kind, len(numbers)) + values.ljust(size, b"\0")
    start = _placed(file, struct.pack(order + count_form, len(directory)) + entries + bytes(size))
    struct.pack_into(order + address, file, pointer, start)
    return len(file) - size


def _placed(file, content):
    """Append content at an even offset and return the offset."""
    file += bytes(len(file) % 2)
    file += content
    return len(file) - len(content)
