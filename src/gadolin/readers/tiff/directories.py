"""The directories of a TIFF file ("TIFF", revision 6.0, and BigTIFF), every address checked."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from gadolin.errors import DamagedFileError, ReadError
from gadolin.readers.contents import require_one_frame

__all__ = ["PALETTE", "RGB", "SEPARATED", "WHITE_IS_ZERO", "Layout", "at_page", "layout_of"]

WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, SEPARATED = 0, 1, 2, 3, 5
_COLOURS = {RGB: 3, SEPARATED: 4}

_REDUCED, _OLD_KIND, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _SHOWN = 254, 255, 256, 257, 258, 259, 262
_ORDER, _TEXT, _STRIPS, _TURNED, _SAMPLES, _ROWS, _STRIP_BYTES, _PLANAR = 266, 270, 273, 274, 277, 278, 279, 284
_PREDICTOR, _MAP, _TILE_WIDTH, _TILE_HEIGHT, _TILES, _TILE_BYTES = 317, 320, 322, 323, 324, 325
_BELOW, _EXTRA, _FORMAT, _THUMBNAIL = 330, 338, 339, 513
_KEPT = {
    *(_REDUCED, _OLD_KIND, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _SHOWN, _ORDER, _TEXT, _STRIPS, _TURNED, _SAMPLES),
    *(_ROWS, _STRIP_BYTES, _PLANAR, _PREDICTOR, _MAP, _TILE_WIDTH, _TILE_HEIGHT, _TILES, _TILE_BYTES),
    *(_BELOW, _EXTRA, _FORMAT, _THUMBNAIL),
}
_FORMS = {1: "B", 2: "B", 3: "H", 4: "I", 6: "b", 7: "B", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q", 18: "Q"}
_WITHOUT_PREDICTOR = (1, 32773)  # uncompressed and PackBits data has no predictor
_MOST_PAGES, _MOST_ENTRIES, _MOST_VALUES = 1000, 4096, 1 << 20


@dataclass(frozen=True, slots=True)
class Layout:
    """Storage layout of the only image of a file.

    ``place`` is the offset of its directory; ``order`` is "<" or ">"; ``bits`` are per sample; ``form`` is 1 for
    unsigned, 2 signed, 3 floating point; ``shown`` is the photometric interpretation; ``extra`` the kinds of the
    samples beside grey or colour (0 unspecified, 1 premultiplied alpha, 2 alpha). ``blocks`` are strips or tiles of
    ``block`` rows and columns, each an address and a length; ``table`` is the colour map.
    """

    place: int
    order: str
    width: int
    height: int
    bits: tuple[int, ...]
    form: int
    shown: int
    compression: int
    predictor: int
    planar: bool
    extra: tuple[int, ...]
    reversed_bits: bool
    turned: int
    tiled: bool
    block: tuple[int, int]
    blocks: tuple[tuple[int, int], ...]
    table: tuple[int, ...]

    @property
    def colours(self) -> int:
        """The number of grey or colour samples."""
        return len(self.bits) - len(self.extra)


class _Head:
    """The head of a file: byte order, sizes of its numbers, first directory."""

    def __init__(self, content: bytes) -> None:
        self.order = "<" if content[:2] == b"II" else ">"
        self.big = content[2:4] in (b"+\0", b"\0+")
        self.first_at = 8 if self.big else 4
        (self.first,) = struct.unpack_from(self.order + ("Q" if self.big else "I"), content, self.first_at)


_Tags = dict[int, tuple[int, ...]]


def layout_of(content: bytes) -> Layout:
    """Return the layout of the image in a TIFF file, ignoring smaller versions, masks and thumbnails.

    Raises ReadError if it holds several images or a directory is damaged.
    """
    try:
        head = _Head(content)
        pages = list(_pages(content, head))
        whole = [page for page in pages if not _is_aside(page[1], first=page is pages[0])] or pages[:1]
        frames = max(len(whole), _stacked(whole[0][1]) if whole else 0)
        require_one_frame(frames, "" if len(pages) < _MOST_PAGES else f"{_MOST_PAGES:,} or more")
        place, tags = whole[0]
        return _layout(place, tags, head.order)
    except (struct.error, IndexError, KeyError, ValueError, OverflowError) as error:
        if isinstance(error, ReadError):
            raise
        raise DamagedFileError(
            code="damaged_file",
            rule="a TIFF file must have a directory that describes how its image is stored",
            got="this one is damaged",
            remedy="fetch it again",
        ) from error


def at_page(content: bytes, layout: Layout) -> bytes:
    """Return the file with the directory of ``layout`` as its first."""
    head = _Head(content)
    if head.first == layout.place:
        return content
    place = struct.pack(head.order + ("Q" if head.big else "I"), layout.place)
    return content[: head.first_at] + place + content[head.first_at + len(place) :]


def _pages(content: bytes, head: _Head) -> Iterator[tuple[int, _Tags]]:
    """Yield offset and tags of each directory, including subdirectories."""
    waiting, seen = [head.first], set[int]()
    while waiting and len(seen) < _MOST_PAGES:
        place = waiting.pop(0)
        if place == 0 or place in seen:
            continue
        seen.add(place)
        try:
            tags, following = _directory(content, place, head)
        except struct.error:
            if len(seen) == 1:
                raise
            continue  # a broken chain: the directories so far are complete
        if _WIDTH in tags and _HEIGHT in tags:
            yield place, tags
        waiting += [*tags.get(_BELOW, ())[:16], following]


def _directory(content: bytes, place: int, head: _Head) -> tuple[_Tags, int]:
    """Return the numbers of a directory by tag, and the offset of the next one."""
    count_form, entry_form, offset_form = ("Q", "HHQ", "Q") if head.big else ("H", "HHI", "I")
    (count,) = struct.unpack_from(head.order + count_form, content, place)
    start, size = place + struct.calcsize(head.order + count_form), 20 if head.big else 12
    if count > _MOST_ENTRIES:
        msg = "a directory has too many entries"
        raise ValueError(msg)
    inline = struct.calcsize(head.order + offset_form)
    tags: _Tags = {}
    for entry in range(start, start + size * count, size):
        tag, kind, values = struct.unpack_from(head.order + entry_form, content, entry)
        if tag not in _KEPT or tag in tags or kind not in _FORMS:
            continue
        form = f"{head.order}{min(values, 64) if tag == _TEXT else values}{_FORMS[kind]}"
        if values > _MOST_VALUES:
            continue
        where = entry + size - inline
        if struct.calcsize(form) > inline:
            (where,) = struct.unpack_from(head.order + offset_form, content, where)
        try:
            tags[tag] = struct.unpack_from(form, content, where)
        except struct.error:
            if tag in (_TEXT, _TURNED, _REDUCED, _OLD_KIND, _BELOW):
                continue  # not needed for the image
            raise
    end = start + size * count
    try:
        (following,) = struct.unpack_from(head.order + offset_form, content, end)
    except struct.error:  # truncated after the last entry
        following = 0
    return tags, following


def _is_aside(tags: _Tags, *, first: bool) -> bool:
    """Return whether a page is a smaller version of another, a mask of one, or a thumbnail."""
    kind = tags.get(_REDUCED, (0,))[0]
    return bool(kind & 5) or tags.get(_OLD_KIND, (1,))[0] == 2 or (_THUMBNAIL in tags and not first)


def _stacked(tags: _Tags) -> int:
    """Return the number of images that ImageJ stored contiguously under one directory."""
    text = bytes(one & 255 for one in tags.get(_TEXT, ())[:64]).decode("latin-1")
    if not text.startswith("ImageJ="):
        return 1
    counts = [line[7:] for line in text.splitlines() if line.startswith("images=")]
    return int(counts[0]) if counts and counts[0].isdigit() else 1


def _layout(place: int, tags: _Tags, order: str) -> Layout:
    def one(tag: int, usual: int) -> int:
        return tags.get(tag, (usual,))[0]

    width, height, samples = one(_WIDTH, 0), one(_HEIGHT, 0), one(_SAMPLES, 1)
    bits = (tags.get(_BITS, (1,)) * samples)[:samples] if samples <= 16 else ()
    forms = set(tags.get(_FORMAT, (1,))[:samples])
    shown = one(_SHOWN, RGB if samples in (3, 4) else BLACK_IS_ZERO)
    extra = tags.get(_EXTRA, ())
    beside = max(0, samples - _COLOURS.get(shown, 1)) if shown in (0, 1, *_COLOURS, PALETTE) else len(extra)
    usual = 2 if shown == RGB and not extra else 0
    tiled = _TILE_WIDTH in tags
    starts = tags.get(_TILES if tiled else _STRIPS, ())
    lengths = tags.get(_TILE_BYTES if tiled else _STRIP_BYTES, ())
    block = (one(_TILE_HEIGHT, 0), one(_TILE_WIDTH, 0)) if tiled else (min(one(_ROWS, height), height) or height, width)
    if min(width, height, *block, *bits, len(bits)) < 1 or max(bits) > 64:
        msg = "sides, samples and bits must be positive"
        raise ValueError(msg)
    return Layout(
        place=place,
        order=order,
        width=width,
        height=height,
        bits=bits,
        form=forms.pop() if len(forms) == 1 else 0,
        shown=shown,
        compression=one(_COMPRESSION, 1),
        predictor=one(_PREDICTOR, 1) if one(_COMPRESSION, 1) not in _WITHOUT_PREDICTOR else 1,
        planar=one(_PLANAR, 1) == 2 and samples > 1,
        extra=((*extra, *(usual,) * beside)[:beside]),
        reversed_bits=one(_ORDER, 1) == 2,
        turned=one(_TURNED, 1),
        tiled=tiled,
        block=block,
        blocks=tuple(zip(starts, (*lengths, *(1 << 40,) * (len(starts) - len(lengths))), strict=False)),
        table=tags.get(_MAP, ()),
    )
