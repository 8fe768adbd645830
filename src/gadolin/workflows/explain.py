"""Write explanations of slices to a folder: the work of ``gadolin explain``."""

from __future__ import annotations

import io
import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from gadolin.errors import MissingExtraError, RequestError
from gadolin.explanations import METHODS, Explanation, Options, explain
from gadolin.explanations.explained_slice import class_index, reuse_output
from gadolin.explanations.registry import method as method_of
from gadolin.explanations.trust import explanation_json
from gadolin.files.atomic import write_bytes, write_json
from gadolin.models.predictor import Predictor
from gadolin.models.run_folder import RunFolder
from gadolin.records import JSON_FORMAT, NOTICE, Failure, Slice, slice_name
from gadolin.reports.drawings import load

__all__ = ["ExplainConfig", "OutputNames", "explain_slices", "methods_for"]

_LONGEST_STEM = 180  # bytes; most file systems allow names of 255 bytes

Named = tuple[str, int | None, Slice | Failure]


@dataclass(frozen=True, slots=True)
class ExplainConfig:
    """The methods, the class (None for the predicted one) and the options of an explanation.

    ``signed``: pictures show all heat, not only that above 0 within the head.
    """

    methods: tuple[str, ...]
    label: str | None = None
    options: Options = field(default_factory=Options)
    signed: bool = False


class OutputNames:
    """File names in an output folder, chosen so that no slice overwrites an input or the files of another slice.

    Names that differ only in case or Unicode normalisation count as equal, as on some file systems.
    """

    def __init__(self, folder: Path, *, inputs: Iterable[str] = ()) -> None:
        self._folder = folder
        self._taken: set[str] = set()
        self._inputs = {_folded(os.path.abspath(each)) for each in inputs if each != "-"}  # noqa: PTH100

    def of(self, path: str, frame: int | None, methods: Sequence[str]) -> str:
        """Return folder and stem of the output files of a slice; callers add endings such as "-method.png"."""
        name = "stdin" if path == "-" else _plain(Path(path).stem)
        first = name if frame is None else f"{name}-{frame:03d}"
        stem, number = first, 1
        while _folded(stem) in self._taken or self._is_input(stem, methods):
            number += 1
            stem = f"{first}-{number}"
        self._taken.add(_folded(stem))
        return str(self._folder / stem)

    def _is_input(self, stem: str, methods: Sequence[str]) -> bool:
        endings = [".json", "-panel.png", *(f"-{each}.{kind}" for each in methods for kind in ("png", "npy"))]
        folder = os.path.abspath(self._folder)  # noqa: PTH100
        return any(_folded(os.path.join(folder, stem + ending)) in self._inputs for ending in endings)  # noqa: PTH118


def _plain(stem: str) -> str:
    """Return a name that every file system allows: short, without control and reserved characters."""
    kept = re.sub(r'[\x00-\x1f\x7f<>:"/\\|?*\ud800-\udfff]', "_", stem).rstrip(". ") or "slice"
    return kept.encode()[:_LONGEST_STEM].decode(errors="ignore")


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def methods_for(name: str, predictor: Predictor) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the methods for ``name``, a method or "all", and the methods of "all" that this model does not support.

    Gradient methods need torch and a model in a run folder. Raises RequestError for an unknown method, and for a
    gradient method if the model is not in a run folder.
    """
    folder = predictor.bundle.folder.resolve()
    bare = not RunFolder(folder.parent).exists
    if name != "all":
        if method_of(name).torch and bare:
            others = ", ".join(each for each, one in METHODS.items() if not one.torch)
            raise RequestError(
                code="run_folder_needed",
                rule=f"{name} needs the run folder that the model was trained in",
                got=f"{folder} is not in a run folder",
                remedy=f"use {others}",
            )
        return (name,), ()
    left = tuple(each for each, one in METHODS.items() if one.torch and (bare or not _has_torch()))
    return tuple(each for each in METHODS if each not in left), left


def explain_slices(
    predictor: Predictor,
    slices: Iterator[Named],
    config: ExplainConfig,
    names: OutputNames,
    *,
    progress: Callable[[str], None] | None = None,
) -> Iterator[dict[str, object] | Failure]:
    """Explain slices and yield a record of the files of each: heat maps (``.npy``), overlays and a panel (PNG).

    Yields a Failure for a slice that cannot be read or explained, and continues. Raises RequestError for an unknown
    class, before anything is written.
    """
    overlays = load("gadolin.explanations.overlays", "explain")
    if config.label is not None:
        class_index(config.label, predictor.bundle.classes)
    for path, frame, image in slices:
        if isinstance(image, Failure):
            yield image
            continue
        if progress is not None:
            progress(slice_name(path, frame))
        try:
            looked = predictor.inspect(image)
            output = predictor.run_network(looked.prepared[None])
            reusing = reuse_output(predictor, looked.prepared, output)
            found = [
                explain(reusing, image, method=name, label=config.label, options=config.options)
                for name in config.methods
            ]
        except RequestError as error:
            yield Failure(path, error, frame)
            continue
        base = names.of(path, frame, config.methods)
        (verdict,) = predictor.decide(output, [looked], [path])
        reason = verdict.reason
        written = [
            _written(
                predictor,
                overlays.overlay(image, one, declined=reason, signed=config.signed),
                one,
                f"{base}-{one.method}",
            )
            for one in found
        ]
        record = {"path": path, "frame": frame, **verdict.verdict_json(), "explanations": written}
        if len(found) > 1:
            write_bytes(Path(f"{base}-panel.png"), overlays.panel(image, found, declined=reason, signed=config.signed))
            record["panel"] = f"{base}-panel.png"
        write_json(
            Path(f"{base}.json"), {"format": JSON_FORMAT, "notice": NOTICE, "model": predictor.bundle.digest, **record}
        )
        yield record


def _written(predictor: Predictor, picture: bytes, one: Explanation, base: str) -> dict[str, object]:
    """Write a heat map and its overlay, and return their JSON object."""
    buffer = io.BytesIO()
    np.save(buffer, one.heat, allow_pickle=False)
    heat, overlay = Path(f"{base}.npy"), Path(f"{base}.png")
    write_bytes(heat, buffer.getvalue())
    write_bytes(overlay, picture)
    return {**explanation_json(predictor.bundle, one), "heat": str(heat), "overlay": str(overlay)}


def _has_torch() -> bool:
    try:
        method_of("gradcam").load()
    except (ImportError, MissingExtraError):
        return False
    return True
