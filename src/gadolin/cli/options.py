"""Arguments and options that several commands share: one name, one wording, one completion in the shell."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = [
    "Accumulate",
    "AsJson",
    "Cache",
    "Data",
    "Device",
    "Inputs",
    "Model",
    "OptionalInputs",
    "PatientFrom",
    "Plane",
    "Precision",
    "RecipeName",
    "Runtime",
    "Samples",
    "Series",
    "Settings",
    "SkipUnreadable",
    "Weights",
    "built_in",
    "completer",
    "output_folder",
    "plugins",
    "values",
]


def completer(*names: str, more: Callable[[], Iterable[str]] | None = None) -> Callable[[str], list[str]]:
    """Return a function that completes a word to ``names`` and to the names that ``more`` returns."""

    def complete(incomplete: str) -> list[str]:
        found = list(names)
        with suppress(ImportError):  # a package of a plug-in or an extra is missing
            found += more() if more else ()
        return [name for name in dict.fromkeys(found) if name.startswith(incomplete)]

    return complete


def values(*names: str, more: Callable[[], Iterable[str]] | None = None, rest: str = "") -> dict[str, Any]:
    """Return the arguments of ``typer.Option`` for an option with a set of values.

    The help lists ``names`` and ``rest``, a placeholder for other values. The shell completes ``names`` and ``more``.
    The parameter stays a string, because the function that uses it raises an error with a code and a suggestion, which
    the usage error of an enumeration has not.
    """
    listed = " | ".join(filter(None, (*names, rest)))  # spaces, so that a long list breaks between two values
    return {"metavar": listed, "autocompletion": completer(*names, more=more)}


def plugins(group: str) -> Callable[[], Iterable[str]]:
    """Return a function that lists the plug-ins of an entry-point group without importing them."""

    def names() -> Iterable[str]:
        from gadolin.registry import installed

        return sorted(installed(group))

    return names


def _recipes() -> Iterable[str]:
    from gadolin.recipe import SUMMARIES

    return SUMMARIES


built_in = completer(more=_recipes)
"""Completes the name of a built-in recipe."""


def output_folder(argument: Path | None, option: Path | None) -> Path:
    """Return the folder to write, given as OUT or as --out; raises RequestError for neither and for both."""
    from gadolin.errors import RequestError

    folder = argument or option
    if folder is None:
        raise RequestError(
            code="usage",
            rule="the folder to write must be given, as OUT or as --out OUT",
            got="got none",
            remedy="see --help",
        )
    if argument is not None and option is not None:
        raise RequestError(
            code="options_exclude_each_other",
            rule="the folder to write must be given once, as OUT or as --out OUT",
            got="got both",
            remedy="give one",
        )
    return folder


AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
_INPUTS = typer.Argument(
    metavar="FILES",
    help="Images, DICOM files, NIfTI volumes, .mat files, folders, glob patterns, or - for standard input.",
)
Inputs = Annotated[list[str], _INPUTS]
OptionalInputs = Annotated[list[str] | None, _INPUTS]
Data = Annotated[Path, typer.Argument(help="A folder with one subfolder of images per class, or a manifest CSV.")]
PatientFrom = Annotated[
    str | None,
    typer.Option(
        **values("parent", "dicom", "bids", rest="REGEX"),
        help="Source of patient IDs: the folder of the image, the PatientID of DICOM (hashed), sub-XX of BIDS, or a "
        "regular expression with one group. By default, the IDs in the files are used.",
    ),
]
Cache = Annotated[Path | None, typer.Option(help="Folder for prepared slices; by default in the user's cache.")]
Model = Annotated[
    Path | None,
    typer.Option("--model", "-m", help="A run folder or a bundle; by default the packaged model."),
]
Series = Annotated[str | None, typer.Option(help="Number of the DICOM series to use in each folder.")]
Plane = Annotated[
    str,
    typer.Option(**values("acquired", "axial", "coronal", "sagittal"), help="Plane of the slices of NIfTI volumes."),
]
Runtime = Annotated[
    str,
    typer.Option(
        **values("onnxruntime", "openvino", more=plugins("gadolin.runtimes")),
        help="Inference runtime; plug-ins can add others.",
    ),
]
RecipeName = Annotated[
    str,
    typer.Option(
        metavar="NAME | FILE.toml | RUN",
        autocompletion=built_in,
        help="A built-in recipe (see gadolin recipes), a recipe file, or the recipe of a run folder.",
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change the recipe, as in optimizer.lr=3e-4; may be repeated."),
]
Weights = Annotated[
    str,
    typer.Option(
        **values("none", "imagenet", "shipped", rest="PATH"),
        help="Starting point: random, ImageNet or packaged weights, a .safetensors file, a run or a bundle.",
    ),
]
Device = Annotated[str, typer.Option(**values("auto", "cpu", "cuda", "mps"), help="Device to train on.")]
Precision = Annotated[str, typer.Option(**values("auto", "float32", "bfloat16"), help="Floating-point precision.")]
Accumulate = Annotated[
    int, typer.Option(help="Micro-batches per step; more need less memory, batch_size stays the same.")
]
SkipUnreadable = Annotated[bool, typer.Option("--skip-unreadable", help="Skip unreadable files and folders.")]
Samples = Annotated[int, typer.Option(help="Perturbed samples per slice for lime and shap.")]
