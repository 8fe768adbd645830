"""The inputs of a predictor: one or several paths, slices or arrays."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gadolin.errors import ReadError, RequestError
from gadolin.readers import open_file
from gadolin.readers.contents import check_size, require_finite
from gadolin.records import Failure, Slice

__all__ = ["One", "Paths", "Several", "Slices", "paths_from", "slices_from"]

One = str | os.PathLike[str] | Slice | NDArray[np.generic]
Several = Sequence[One] | Iterator[One]
Paths = str | os.PathLike[str] | Iterable[str | os.PathLike[str] | Failure]

_TAKEN = "a path, a Slice, an array (H, W) or a list of them"
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


class Slices(NamedTuple):
    """N slices and their names; ``alone`` if a single input was given, not a list."""

    slices: list[Slice]
    names: list[str]
    alone: bool


def slices_from(given: One | Several, names: Sequence[str] | str | None = None) -> Slices:
    """Return the slices of ``given`` and their names: ``names``, else the path, else "".

    An array is (H, W). A uint8 array is an image of 8 bits, 0 to 255; any other integer or floating type counts as
    deeper, whatever its range, so that percentiles within the head set its grey values.

    Raises:
        RequestError: Another input, such as an array of another shape or of bool, or ``names`` of another length.
        ReadError: A file cannot be read or holds several slices; an array is too small, too large, or not finite.
    """
    alone = isinstance(given, str | os.PathLike | Slice | np.ndarray)
    if not alone and not (
        isinstance(given, Sequence | Iterator) and not isinstance(given, bytes | bytearray | memoryview)
    ):
        raise _unfit(given)
    items = [given] if alone else list(given)  # type: ignore[arg-type]  # a sequence or an iterator
    wheres = [""] if alone else [f"item {number} is " for number in range(len(items))]
    found = [_slice(item, where) for item, where in zip(items, wheres, strict=True)]
    if names is None:
        return Slices(found, [_text(item) if isinstance(item, str | os.PathLike) else "" for item in items], alone)
    return Slices(found, _names(names, len(found), alone=alone), alone)


def paths_from(given: Paths) -> Iterator[str | Failure]:
    """Return an iterator over one or several paths as text; a Failure is passed through.

    Raises RequestError for other input, at once if it is not iterable.
    """
    alone = isinstance(given, str | os.PathLike)
    if not alone and (not isinstance(given, Iterable) or isinstance(given, bytes | bytearray | memoryview)):
        raise _no_path(given)
    return (_path(one) for one in ([given] if alone else given))  # type: ignore[union-attr]  # one or several


def _path(one: object) -> str | Failure:
    if isinstance(one, Failure):
        return one
    if not isinstance(one, str | os.PathLike):
        raise _no_path(one)
    return _text(one)


def _text(path: str | os.PathLike[str]) -> str:
    """Return a path as text."""
    raw = os.fspath(path)
    return str(raw) if isinstance(raw, str) else os.fsdecode(raw)


def _names(names: object, count: int, *, alone: bool) -> list[str]:
    single = isinstance(names, str | os.PathLike)
    given = [names] if single and alone else names
    if not isinstance(given, Sequence) or isinstance(given, str) or len(given) != count:
        got = "a single one" if single else len(given) if isinstance(given, Sequence) else f"a {type(given).__name__}"
        raise RequestError(
            code="names_differ",
            rule="there must be one path for each slice",
            got=f"got {got} for {count}",
            remedy="give a list with one path for each slice, or none",
        )
    return [_text(one) if isinstance(one, str | os.PathLike) else str(one) for one in given]


def _slice(item: object, where: str) -> Slice:
    if isinstance(item, str | os.PathLike):
        return _read(_text(item))
    if isinstance(item, Slice):
        pixels = _pixels(item.pixels, where)
        if pixels is item.pixels:
            return item
        return replace(item, pixels=pixels)
    if isinstance(item, np.ndarray):
        return Slice(_pixels(item, where), bits=8 if item.dtype == np.uint8 else 16)
    raise _unfit(item, where)


def _read(path: str) -> Slice:
    if _URL.match(path):
        raise ReadError(
            code="path_is_a_url",
            rule="a path must be that of a local file",
            got="this is a URL",
            remedy="download it",
            path=path,
        )
    if os.path.isdir(path):  # noqa: PTH112  # avoids making a Path
        raise ReadError(
            code="path_is_a_folder",
            rule="a path must be that of a file",
            got="this is a folder",
            remedy="give a list of its files",
            path=path,
        )
    contents = open_file(path)
    if contents.omit is not None:
        raise contents.omit.at(path)
    if contents.slices != 1:
        raise ReadError(
            code="frame_needed",
            rule="predict takes files of one slice",
            got=f"this {contents.kind} file holds {contents.slices}",
            remedy="use gadolin.predict_files for all of them, or gadolin.read(path, frame) for one",
            path=path,
        )
    try:
        return contents.decode(0)
    except ReadError as error:
        raise error.at(path) from error


def _pixels(array: NDArray[np.generic], where: str) -> NDArray[np.float32]:
    """Return the pixels of a slice, (H, W) float32; the array itself if it already is."""
    if not isinstance(array, np.ndarray) or array.ndim != 2:
        shape = getattr(array, "shape", type(array).__name__)
        raise RequestError(
            code="array_shape_unfit",
            rule="an array must be (H, W)",
            got=f"{where or 'this is '}{shape}",
            remedy="pass a list of slices, and convert colours to grey",
        )
    masked = isinstance(array, np.ma.MaskedArray) and bool(np.ma.is_masked(array))
    if array.dtype.kind not in "uif" or masked:
        raise RequestError(
            code="array_type_unfit",
            rule="an array must hold integers or floating numbers",
            got=f"{where or 'this is '}{'masked' if masked else array.dtype}",
            remedy="pass the grey values of the slice",
        )
    check_size(array.shape[1], array.shape[0])
    with np.errstate(over="ignore"):
        return require_finite(np.asarray(array, np.float32))


def _no_path(given: object) -> RequestError:
    return RequestError(
        code="input_unfit",
        rule="files must be given as a path or a list of paths",
        got=f"got {type(given).__name__}",
        remedy="Predictor.predict also takes slices and arrays",
    )


def _unfit(given: object, where: str = "") -> RequestError:
    kind = type(given)
    name = kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
    return RequestError(
        code="input_unfit",
        rule=f"predict takes {_TAKEN}",
        got=f"{where or 'got '}{name}",
        remedy="numpy.asarray converts an image in memory to an array",
    )
