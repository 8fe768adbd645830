"""Slices explained into a folder: what ``gadolin explain`` does."""

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
from gadolin.explanations.trust import told
from gadolin.files.atomic import write_bytes, write_json
from gadolin.models.predictor import Predictor
from gadolin.models.run_folder import RunFolder
from gadolin.records import JSON_FORMAT, NOTICE, Failure, Slice, slice_name
from gadolin.reports.drawings import load

__all__ = ["ExplainConfig", "OutputNames", "explain_slices", "methods_for", "sentences"]

_LONGEST_STEM = 180  # bytes; most file systems allow names of 255

Named = tuple[str, int | None, Slice | Failure]


@dataclass(frozen=True, slots=True)
class ExplainConfig:
    """By which ``methods`` a slice is explained, for which class (None: the one that is named), with which options."""

    methods: tuple[str, ...]
    label: str | None = None
    options: Options = field(default_factory=Options)


class OutputNames:
    """File names for an output folder: no slice overwrites the files of another one or an input.

    Names that differ only in case or Unicode normalisation count as equal, as on some file systems.
    """

    def __init__(self, folder: Path, *, inputs: Iterable[str] = ()) -> None:
        self._folder = folder
        self._taken: set[str] = set()
        self._inputs = {_folded(os.path.abspath(each)) for each in inputs if each != "-"}  # noqa: PTH100

    def of(self, path: str, frame: int | None, methods: Sequence[str]) -> str:
        """Return folder and stem of the files of a slice, to which "-method.png" and other endings are added."""
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
    """Return a name that every file system allows: without control and reserved characters, not too long."""
    kept = re.sub(r'[\x00-\x1f\x7f<>:"/\\|?*\ud800-\udfff]', "_", stem).rstrip(". ") or "slice"
    return kept.encode()[:_LONGEST_STEM].decode(errors="ignore")


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def methods_for(wanted: str, predictor: Predictor) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the methods that ``wanted`` names, "all" or one, and those of "all" that this model cannot be asked by.

    Gradient methods need the run folder and torch. Raises RequestError for an unknown method, and for one of gradients
    where the model lies in no run folder.
    """
    folder = predictor.bundle.folder.resolve()
    bare = not RunFolder(folder.parent).exists
    if wanted != "all":
        if method_of(wanted).torch and bare:
            others = ", ".join(name for name, one in METHODS.items() if not one.torch)
            raise RequestError(
                code="run_folder_needed",
                rule=f"{wanted} needs the run folder that the model was trained in",
                got=f"{folder} is in none",
                remedy=f"use {others}",
            )
        return (wanted,), ()
    left = tuple(name for name, one in METHODS.items() if one.torch and (bare or not _has_torch()))
    return tuple(name for name in METHODS if name not in left), left


def explain_slices(
    predictor: Predictor,
    slices: Iterator[Named],
    question: ExplainConfig,
    names: OutputNames,
    *,
    progress: Callable[[str], None] | None = None,
) -> Iterator[dict[str, object] | Failure]:
    """Explain slice after slice and yield what was written for each: heat as ``.npy``, overlays and a panel as PNG.

    A slice that cannot be read or explained is yielded as a Failure, and the rest go on; a class that the model lacks
    ends it with RequestError before anything is written.
    """
    overlays = load("gadolin.explanations.overlays", "explain")
    if question.label is not None:
        class_index(question.label, predictor.bundle.classes)
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
                explain(reusing, image, method=name, label=question.label, options=question.options)
                for name in question.methods
            ]
        except RequestError as error:
            yield Failure(path, error, frame)
            continue
        base = names.of(path, frame, question.methods)
        (verdict,) = predictor.decide(output, [looked], [path])
        why = verdict.reason
        written = [
            _written(predictor, overlays.overlay(image, one, declined=why), one, f"{base}-{one.method}")
            for one in found
        ]
        record = {"path": path, "frame": frame, **verdict.verdict_json(), "explanations": written}
        if len(found) > 1:
            write_bytes(Path(f"{base}-panel.png"), overlays.panel(image, found, declined=why))
            record["panel"] = f"{base}-panel.png"
        write_json(
            Path(f"{base}.json"), {"format": JSON_FORMAT, "notice": NOTICE, "model": predictor.bundle.digest, **record}
        )
        yield record


def _written(predictor: Predictor, picture: bytes, one: Explanation, base: str) -> dict[str, object]:
    """Write the heat and its overlay, and return what the JSON says of it."""
    buffer = io.BytesIO()
    np.save(buffer, one.heat, allow_pickle=False)
    heat, overlay = Path(f"{base}.npy"), Path(f"{base}.png")
    write_bytes(heat, buffer.getvalue())
    write_bytes(overlay, picture)
    return {**told(predictor.bundle, one), "heat": str(heat), "overlay": str(overlay)}


def _has_torch() -> bool:
    try:
        method_of("gradcam").load()
    except (ImportError, MissingExtraError):
        return False
    return True


def sentences(records: Sequence[dict[str, object]]) -> list[str]:
    """Return two lines for each explanation: what was asked and where the heat is highest; how far to trust it.

    A slice that the model declines to answer has a line before them that says so.
    """
    lines = []
    for record in records:
        explanations = record["explanations"]
        assert isinstance(explanations, list), "explain_slices lists them"
        name = slice_name(str(record["path"]), record["frame"])  # type: ignore[arg-type]  # an int or None
        if record["abstained"]:
            lines.append(f"{name}: the model gives no answer here ({record['reason']})")
        for one in explanations:
            asked = f"{name}: {one['method']} for {one['class']} ({one['probability']:.3f})"
            row, column = one["hottest"] or (None, None)
            where = "0 everywhere" if row is None else f"hottest at row {row}, column {column}"
            lines.append(f"{asked}, {where}: {one['overlay']}")
            lines.append(f"  {one['trust']}")
    return lines
