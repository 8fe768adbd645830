"""Locate a model: in the package, in a bundle folder, or in a run folder."""

from __future__ import annotations

import re
from pathlib import Path

from gadolin.errors import BundleError, DataError, suggestion
from gadolin.files.atomic import require_writable
from gadolin.models.run_folder import RunFolder

__all__ = ["FACTS", "GRAPH", "SHIPPED", "beside", "model_folder", "model_place", "require_folder_of_its_own"]

FACTS = "bundle.json"
GRAPH = "model.onnx"
_RULE = "a model must be a run folder or a bundle"
_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+):/{1,2}(?P<rest>.*)", re.DOTALL)  # a Path has one slash left
_PACKED = (".zip", ".gz", ".tgz", ".tar", ".bz2", ".xz", ".7z", ".rar")


SHIPPED = Path(__file__).with_name("shipped")
"""The bundle that comes with the package."""


def model_place(model: Path | str | None) -> Path:
    """Return the path of a model; None and "shipped" are the packaged one, even if a file has that name."""
    return SHIPPED if model is None or str(model) == "shipped" else Path(model)


def beside(model: Path | str | None) -> Path:
    """Return where reports on a model go by default: into its folder, of the packaged one into the working folder."""
    place = model_place(model)
    return Path() if place == SHIPPED else place


def model_folder(model: Path | str | None) -> Path:
    """Return the folder of a bundle: ``model`` itself, or within a run folder; BundleError says what else it is."""
    model = model_place(model)
    url = _URL.match(str(model))
    if url is not None:
        raise BundleError(
            code="model_is_a_url",
            rule=_RULE,
            got=f"{url['scheme']}://{url['rest']} is a URL",
            remedy="download it and give the folder",
        )
    try:
        if model.is_file():
            raise _not_a_folder(model)
        found = next((each for each in (model, model / "bundle") if (each / FACTS).is_file()), None)
        there = model.exists()
    except OSError as error:
        raise BundleError(
            code="model_unreadable",
            rule=_RULE,
            got=f"{model} cannot be read ({error.strerror or error})",
            remedy="check the path and its permissions",
        ) from error
    if found is not None:
        return found
    if not there:
        raise BundleError(
            code="model_not_found",
            rule=_RULE,
            got=f"{model} does not exist{suggestion(str(model), ['shipped'])}",
            remedy="check the path",
        )
    raise BundleError(
        code="model_incomplete",
        rule=_RULE,
        got=f"{model} holds no {FACTS}",
        remedy="resume the run" if RunFolder(model).exists else f"give a folder with {FACTS}, as gadolin train writes",
    )


def _not_a_folder(model: Path) -> BundleError:
    """Return what is wrong with a file in place of a model, and what to give instead."""
    if (model.parent / FACTS).is_file():
        remedy = f"give the folder that it lies in, {model.parent}"
    elif model.suffix.lower() in _PACKED:
        remedy = "unpack it and give the folder"
    else:
        remedy = f"give a folder with {FACTS} and {GRAPH}, as gadolin train writes; others cannot be used"
    return BundleError(code="model_is_a_file", rule=_RULE, got=f"{model} is a file", remedy=remedy)


def require_folder_of_its_own(folder: Path) -> None:
    """Raise DataError if ``folder`` is a run or a bundle, OutputError if nothing can be written in it.

    A report is not written among the files of a run or of a bundle; an earlier report may be replaced.
    """
    if RunFolder(folder).exists or (folder / FACTS).is_file():
        raise DataError(
            code="output_not_empty",
            rule="a report needs a folder of its own",
            got=f"{folder} is a run or a bundle",
            remedy="choose another --out",
        )
    require_writable(folder / "report.html")
