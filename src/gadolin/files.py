"""Many files in, one answer each out: a bad file is told apart and the rest go on."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from gadolin.errors import ReadError, RequestError
from gadolin.predictor import Predictor
from gadolin.readers import MAX_BYTES, read, read_bytes
from gadolin.records import Failure, Prediction, Slice

__all__ = ["expand", "predict_files"]

_CHUNK = 32


def expand(paths: Sequence[str]) -> list[str]:
    """Return the files that ``paths`` name: files, folders (searched in depth), glob patterns, and "-" as it is.

    What is hidden inside a folder is left out. Raises RequestError for a pattern or folder that names nothing; a plain
    path that does not exist stays, to be reported in its place.
    """
    found: list[str] = []
    for path in paths:
        if path != "-" and Path(path).is_dir():
            inside = sorted(each for each in Path(path).rglob("*") if each.is_file())
            found += _some([str(each) for each in inside if not _hidden(each.relative_to(path))], path)
        elif glob.has_magic(path) and not Path(path).exists():
            matches = sorted(each for each in glob.glob(path, recursive=True) if Path(each).is_file())  # noqa: PTH207
            found += _some(matches, path)
        else:
            found.append(path)
    return found


def predict_files(predictor: Predictor, paths: Iterable[str]) -> Iterator[Prediction | Failure]:
    """Yield a prediction, or what was wrong, for each file, in order; "-" reads one picture from standard input."""
    waiting: list[str] = []
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for path in paths:
            waiting.append(path)
            if len(waiting) == _CHUNK:
                yield from _answers(predictor, waiting, pool)
                waiting = []
        yield from _answers(predictor, waiting, pool)


def _answers(predictor: Predictor, paths: list[str], pool: ThreadPoolExecutor) -> Iterator[Prediction | Failure]:
    read_ones = list(pool.map(_try_read, paths))
    good = [(path, one) for path, one in zip(paths, read_ones, strict=True) if isinstance(one, Slice)]
    answers = iter(predictor.predict([one for _, one in good], [path for path, _ in good]) if good else [])
    for path, one in zip(paths, read_ones, strict=True):
        yield next(answers) if isinstance(one, Slice) else Failure(path=path, error=one)


def _try_read(path: str) -> Slice | str:
    try:
        return read_bytes(sys.stdin.buffer.read(MAX_BYTES + 1)) if path == "-" else read(Path(path))
    except ReadError as error:
        return str(error)


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _some(found: list[str], path: str) -> list[str]:
    if not found:
        msg = f"a path must name one file or more, {path} names none; check it"
        raise RequestError(msg)
    return found
