"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["Accumulate", "Cache", "Device", "PatientFrom", "RecipeName", "Settings", "SkipUnreadable", "Weights"]

PatientFrom = Annotated[
    str | None,
    typer.Option(
        help="Where patients are named: 'parent' (the folder of a picture), 'dicom' (PatientID, hashed), 'bids' "
        "(sub-XX) or a regular expression with one group. Without it, files that name their patient are believed."
    ),
]
Cache = Annotated[Path | None, typer.Option(help="Folder for prepared slices; by default in the user's cache.")]
Model = Annotated[
    Path | None,
    typer.Option("--model", "-m", help="A run folder or a bundle; by default the model that comes with the package."),
]
RecipeName = Annotated[
    str,
    typer.Option(
        help="A built-in recipe (gadolin recipes lists them), a recipe file FILE.toml, or a run folder to take that of."
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", help="Change the recipe, as in optimizer.lr=3e-4; may be given several times."),
]
Weights = Annotated[
    str,
    typer.Option(
        help="Start from none, imagenet (a package or the hub), shipped, a .safetensors file, a run or a bundle."
    ),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]
Accumulate = Annotated[
    int, typer.Option(help="Micro-batches per step; more need less memory, batch_size stays the same.")
]
SkipUnreadable = Annotated[bool, typer.Option("--skip-unreadable", help="Skip unreadable files and folders.")]
