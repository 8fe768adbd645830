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
_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+):/{1,2}(?P<rest>.*)", re.DOTALL)  # a Path collapses two slashes
_PACKED = (".zip", ".gz", ".tgz", ".tar", ".bz2", ".xz", ".7z", ".rar")


SHIPPED = Path(__file__).with_name("shipped")
"""The packaged bundle."""


def model_place(model: Path | str | None) -> Path:
    """Return the path of a model; None and "shipped" are the packaged one, even if a file has that name."""
    return SHIPPED if model is None or str(model) == "shipped" else Path(model)


def beside(model: Path | str | None) -> Path:
    """Return the default folder for reports on a model: its own, or the working folder for the packaged model."""
    place = model_place(model)
    return Path() if place == SHIPPED else place


def model_folder(model: Path | str | None) -> Path:
    """Return the bundle folder of ``model``, which is a bundle or a run folder; raises BundleError otherwise."""
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
        found = next((folder for folder in (model, model / "bundle") if (folder / FACTS).is_file()), None)
        exists = model.exists()
    except OSError as error:
        raise BundleError(
            code="model_unreadable",
            rule=_RULE,
            got=f"{model} cannot be read ({error.strerror or error})",
            remedy="check the path and its permissions",
        ) from error
    if found is not None:
        return found
    if not exists:
        raise BundleError(
            code="model_not_found",
            rule=_RULE,
            got=f"{model} does not exist{suggestion(str(model), ['shipped'])}",
            remedy="check the path",
        )
    raise BundleError(
        code="model_incomplete",
        rule=_RULE,
        got=f"{model} contains no {FACTS}",
        remedy="resume the run" if RunFolder(model).exists else f"give a folder with {FACTS}, as gadolin train writes",
    )


def _not_a_folder(model: Path) -> BundleError:
    """Return the error for a file in place of a model, with what to give instead."""
    if (model.parent / FACTS).is_file():
        remedy = f"give its folder, {model.parent}"
    elif model.suffix.lower() in _PACKED:
        remedy = "unpack it and give the folder"
    else:
        remedy = f"give a folder with {FACTS} and {GRAPH}, as gadolin train writes; other formats are not supported"
    return BundleError(code="model_is_a_file", rule=_RULE, got=f"{model} is a file", remedy=remedy)


def require_folder_of_its_own(folder: Path) -> None:
    """Raise DataError if ``folder`` is a run or a bundle, OutputError if it is not writable.

    A report must not mix with the files of a run or bundle; it may replace an earlier report.
    """
    if RunFolder(folder).exists or (folder / FACTS).is_file():
        raise DataError(
            code="output_not_empty",
            rule="a report needs a separate folder",
            got=f"{folder} is a run or a bundle",
            remedy="choose another --out",
        )
    require_writable(folder / "report.html")
