"""``gadolin phantom``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gadolin.cli.options import AsJson, output_folder, values
from gadolin.cli.output import print_json, print_message, progress_bar


def phantom(
    out: Annotated[Path | None, typer.Argument(help="Folder to write; must be new or empty.")] = None,
    out_option: Annotated[Path | None, typer.Option("--out", help="The same as OUT.")] = None,
    patients: Annotated[int, typer.Option(help="Patients per class.")] = 32,
    slices: Annotated[int, typer.Option(help="Slices per patient.")] = 4,
    size: Annotated[int, typer.Option(help="Height and width of a slice in pixels.")] = 256,
    seed: Annotated[int, typer.Option(help="Random seed; the same seed draws the same slices.")] = 0,
    fault: Annotated[
        list[str] | None,
        typer.Option(**values("copies", "mirrors", "labels", "unreadable"), help="Add a fault; may be repeated."),
    ] = None,
    dicom: Annotated[bool, typer.Option("--dicom", help="Write each patient as a DICOM series.")] = False,
    as_json: AsJson = False,
) -> None:
    """Draw a synthetic data set of brain MRI slices.

    It has four classes, synthetic patients and the outlines of the tumours, and serves to try Gadolin without data. A
    model that is trained on phantoms is not valid for patients.
    """
    from gadolin.phantoms import CLASSES, PhantomPlan, write_phantoms

    folder = output_folder(out, out_option)
    plan = PhantomPlan(patients=patients, slices=slices, size=size, seed=seed, faults=tuple(fault or ()), dicom=dicom)
    with progress_bar("drawing") as advance:
        manifest = write_phantoms(folder, plan, progress=advance)
    if as_json:
        print_json({"folder": str(folder), "manifest": str(manifest), "classes": list(CLASSES), "seed": seed})
    else:
        everyone = patients * len(CLASSES)
        print_message(f"wrote {everyone * slices} slices of {everyone} synthetic patients to {folder}")
