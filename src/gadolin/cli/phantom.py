"""``gadolin phantom``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gadolin.cli.output import print_json, progress_bar, say


def phantom(
    out: Annotated[Path, typer.Argument(help="Folder to write to; must be new or empty.")],
    patients: Annotated[int, typer.Option(help="Patients of each class.")] = 32,
    slices: Annotated[int, typer.Option(help="Slices of each patient.")] = 4,
    size: Annotated[int, typer.Option(help="Side of a picture in pixels.")] = 256,
    seed: Annotated[int, typer.Option(help="The same seed draws the same pictures.")] = 0,
    fault: Annotated[
        list[str] | None,
        typer.Option(help="Plant faults: copies, mirrors, labels or unreadable; may be given several times."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Draw a synthetic brain MRI data set: four classes, patients, true tumour outlines.

    For trying Gadolin out where no data may be had. The pictures are made up; a model trained on them knows nothing
    of patients.
    """
    from gadolin.phantoms import CLASSES, PhantomPlan, write_phantoms

    plan = PhantomPlan(patients=patients, slices=slices, size=size, seed=seed, faults=tuple(fault or ()))
    with progress_bar("drawing") as advance:
        manifest = write_phantoms(out, plan, progress=advance)
    if as_json:
        print_json({"folder": str(out), "manifest": str(manifest), "classes": list(CLASSES), "seed": seed})
    else:
        say(f"wrote {patients * slices * len(CLASSES)} slices of {patients * len(CLASSES)} made-up patients to {out}")
