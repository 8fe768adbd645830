"""Reader in Python for HDF5 as written by MATLAB 7.3: one group of numeric data sets, every address checked.

The HDF5 library crashes on damaged files. Supported is the default output of MATLAB and h5py ("HDF5 File Format",
version 0 and 1 of the superblock, version 1 of object headers and trees): compact, contiguous or chunked, deflated,
shuffled.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gadolin.readers.contents import MAX_PIXELS
from gadolin.readers.decompress import inflate, most_unpacked

__all__ = ["read_group"]

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_BASES = (0, 512, 1024, 2048, 4096)
_SPACE, _TYPE, _LAYOUT, _FILTERS, _MORE, _TABLE = 0x1, 0x3, 0x8, 0xB, 0x10, 0x11
_MOST_MESSAGES, _MOST_NODES, _MOST_NAMES, _MOST_LEVELS = 512, 65_536, 4096, 4
_DEFLATE, _SHUFFLE = 1, 2


class _File:
    """The bytes of a file from its superblock; reading out of bounds raises ValueError."""

    def __init__(self, content: bytes) -> None:
        """Find the superblock."""
        start = next((base for base in _BASES if content[base : base + 8] == _SIGNATURE), None)
        if start is None or content[start + 8] > 1 or content[start + 13 : start + 15] != b"\x08\x08":
            msg = "it is not an HDF5 file as MATLAB writes it"
            raise ValueError(msg)
        first = start + 24 + 4 * content[start + 8]
        self.all = content
        (self.base,) = struct.unpack_from("<Q", content, first)
        (self.root,) = struct.unpack_from("<Q", content, first + 40)
        self.nodes = 0

    def take(self, address: int, length: int) -> bytes:
        """Return bytes from an address."""
        start = self.base + address
        if start + length > len(self.all):
            msg = f"it points to {length:,} bytes at {start:,}, beyond its end"
            raise ValueError(msg)
        return self.all[start : start + length]

    def numbers(self, form: str, address: int) -> tuple[Any, ...]:
        """Return little-endian numbers at an address."""
        return struct.unpack("<" + form, self.take(address, struct.calcsize("<" + form)))

    def node(self, address: int, signature: bytes) -> None:
        """Check the signature of a node, and limit the number of nodes."""
        self.nodes += 1
        if self.take(address, 4) != signature or self.nodes > _MOST_NODES:
            msg = f"a {signature.decode()} node is missing, or there are too many"
            raise ValueError(msg)


class _Layout(NamedTuple):
    """Storage layout of a data set."""

    shape: tuple[int, ...]
    kind: np.dtype[Any]
    layout: bytes
    filters: tuple[int, ...]


def read_group(content: bytes, name: str, fields: Collection[str]) -> tuple[dict[str, NDArray[Any]] | None, list[str]]:
    """Return the numeric ``fields`` of a group in the root, and the names of all members of the root.

    An empty name selects the root itself; None means that there is no such group. Raises ValueError if the file is
    damaged or not supported, ReadError if a data set would unpack to more than the limit.
    """
    file = _File(content)
    root = _members(file, file.root)
    if name and name not in root:
        return None, sorted(root)
    found = {}
    for each, address in (_members(file, root[name]) if name else root).items():
        layout = _layout(_messages(file, address)) if each in fields else None
        if layout is not None:
            found[each] = _values(file, layout)
    return found, sorted(root)


def _messages(file: _File, address: int) -> dict[int, bytes]:
    """Return the messages of an object header by their type."""
    version, _, _, length = file.numbers("BxHII", address)
    if version != 1:
        msg = f"object headers of version {version} are not supported"
        raise ValueError(msg)
    found: dict[int, bytes] = {}
    blocks, seen = [(address + 16, length)], 0
    while blocks:
        place, length = blocks.pop()
        block, start = file.take(place, length), 0
        while start + 8 <= length:
            kind, size = struct.unpack_from("<HH", block, start)
            body = block[start + 8 : start + 8 + size]
            start, seen = start + 8 + size, seen + 1
            if seen > _MOST_MESSAGES:
                msg = "an object header has too many messages"
                raise ValueError(msg)
            if kind == _MORE:
                blocks.append(struct.unpack_from("<QQ", body))
            else:
                found.setdefault(kind, body)
    return found


def _members(file: _File, address: int) -> dict[str, int]:
    """Return the addresses of the members of a group, by name."""
    table = _messages(file, address).get(_TABLE)
    if table is None:
        msg = "it is not a group as MATLAB writes it"
        raise ValueError(msg)
    tree, heap = struct.unpack_from("<QQ", table)
    file.node(heap, b"HEAP")
    size, _, place = file.numbers("QQQ", heap + 8)
    names = file.take(place, size)
    found: dict[str, int] = {}
    for _, leaf in _entries(file, tree, 0, "Q"):
        file.node(leaf, b"SNOD")
        (count,) = file.numbers("H", leaf + 6)
        for entry in range(count):
            start, header = file.numbers("QQ", leaf + 8 + 40 * entry)
            found[names[start : start + 256].partition(b"\0")[0].decode("latin-1")] = header
            if len(found) > _MOST_NAMES:
                msg = "a group has too many members"
                raise ValueError(msg)
    return found


def _entries(file: _File, address: int, kind: int, key: str, above: int = _MOST_LEVELS) -> Iterator[Any]:
    """Yield (key, address) of the leaves of a tree; every node must be a level below its parent."""
    file.node(address, b"TREE")
    node, level, count = file.numbers("BBH", address + 4)
    if node != kind or level >= above:
        msg = f"a tree must be of type {kind} and below level {above}, got type {node} and level {level}"
        raise ValueError(msg)
    form = struct.Struct("<" + key + "Q")
    block = file.take(address + 24, form.size * count)
    for *keys, child in form.iter_unpack(block):
        if level:
            yield from _entries(file, child, kind, key, level)
        else:
            yield keys, child


def _layout(messages: dict[int, bytes]) -> _Layout | None:
    """Return the layout of a numeric data set, or None for any other object."""
    if not {_SPACE, _TYPE, _LAYOUT} <= set(messages):
        return None
    kind = _kind(messages[_TYPE])
    space = messages[_SPACE]
    start = {1: 8, 2: 4}.get(space[0])
    if kind is None or start is None or space[1] > 8:
        return None
    shape = struct.unpack_from(f"<{space[1]}Q", space, start)
    return _Layout(shape, kind, messages[_LAYOUT], _filters(messages.get(_FILTERS, b"\x02\x00")))


def _kind(message: bytes) -> np.dtype[Any] | None:
    """Return the numeric type of a message, or None for other types."""
    kind, bits, size = message[0] & 15, message[1], struct.unpack_from("<I", message, 4)[0]
    if kind == 8:  # an enumeration contains its base type
        return _kind(message[8:]) if message[8] & 15 == 0 else None
    if size not in {0: (1, 2, 4, 8), 1: (2, 4, 8)}.get(kind, ()):
        return None
    if struct.unpack_from("<HH", message, 8) != (0, 8 * size):
        return None
    letter = "f" if kind == 1 else "i" if bits & 8 else "u"
    return np.dtype(f"{'>' if bits & 1 else '<'}{letter}{size}")


def _filters(message: bytes) -> tuple[int, ...]:
    """Return the ids of the filters applied to chunks, first to last."""
    version, count = message[0], message[1]
    place, found = {1: 8, 2: 2}[version], []
    for _ in range(count):
        (number,) = struct.unpack_from("<H", message, place)
        has_name = version == 1 or number >= 256
        (name,) = struct.unpack_from("<H", message, place + 2) if has_name else (0,)
        place += 4 if has_name else 2
        (values,) = struct.unpack_from("<H", message, place + 2)
        place += 4 + name + 4 * (values + values % 2 * (version == 1))
        found.append(number)
    if not set(found) <= {_DEFLATE, _SHUFFLE} or len(set(found)) != len(found):
        msg = f"chunks may only be deflated or shuffled, these use the filters {found}"
        raise ValueError(msg)
    return tuple(found)


def _values(file: _File, layout: _Layout) -> NDArray[Any]:
    """Return the numbers of a data set; its size is checked before memory is allocated."""
    count = prod(layout.shape)
    size = count * layout.kind.itemsize
    if count > MAX_PIXELS or size > most_unpacked(len(file.all)):
        msg = f"a data set may hold {MAX_PIXELS:,} numbers, within the limit for unpacking, got {layout.shape}"
        raise ValueError(msg)
    if not size:
        return np.zeros(layout.shape, layout.kind)
    version, way = layout.layout[0], layout.layout[1]
    if version != 3 or way > 2:
        msg = f"data sets of layout {version}.{way} are not supported"
        raise ValueError(msg)
    if way == 2:
        return _from_chunks(file, layout)
    message = layout.layout
    stored = file.take(struct.unpack_from("<Q", message, 2)[0], size) if way == 1 else message[4 : 4 + size]
    return np.frombuffer(stored, layout.kind, count).reshape(layout.shape)


def _from_chunks(file: _File, layout: _Layout) -> NDArray[Any]:
    """Return the numbers of a chunked data set; every chunk must occur exactly once."""
    rank = len(layout.shape)
    tree, *sides = struct.unpack_from(f"<xxxQ{rank}I", layout.layout)
    grid = [-(-whole // side) for whole, side in zip(layout.shape, sides, strict=True)]
    whole = prod(sides) * layout.kind.itemsize
    if layout.layout[2] != rank + 1 or whole * prod(grid) > most_unpacked(len(file.all)):
        msg = f"chunks of {sides} do not fit a data set of {layout.shape}"
        raise ValueError(msg)
    found = np.empty(layout.shape, layout.kind)
    seen = set()
    for (length, skipped, *corner), address in _entries(file, tree, 1, f"II{rank + 1}Q"):
        place = tuple(corner[:rank])
        outside = any(one % side or one >= end for one, side, end in zip(place, sides, layout.shape, strict=True))
        if outside or skipped or place in seen:
            msg = f"the chunk at {place} is out of place, repeated, or filtered differently"
            raise ValueError(msg)
        seen.add(place)
        chunk = _unfiltered(file.take(address, length), layout, whole).reshape(sides)
        target = found[tuple(slice(one, one + side) for one, side in zip(place, sides, strict=True))]
        target[...] = chunk[tuple(slice(side) for side in target.shape)]
    if len(seen) != prod(grid):
        msg = f"the data set must have {prod(grid)} chunks, it has {len(seen)}"
        raise ValueError(msg)
    return found


def _unfiltered(stored: bytes, layout: _Layout, whole: int) -> NDArray[Any]:
    for number in reversed(layout.filters):
        if number == _DEFLATE:
            stored = inflate(stored, wbits=15, max_bytes=whole)
        else:
            stored = np.frombuffer(stored, np.uint8).reshape(layout.kind.itemsize, -1).T.tobytes()
    if len(stored) != whole:
        msg = f"a chunk must hold {whole:,} bytes, one holds {len(stored):,}"
        raise ValueError(msg)
    return np.frombuffer(stored, layout.kind)
