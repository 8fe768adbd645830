"""``gadolin split``."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gadolin.cli.options import AsJson, Cache, Data, PatientFrom, values
from gadolin.cli.output import class_name, print_json, print_message, progress_bar, table

if TYPE_CHECKING:
    from gadolin.splits.partition import Partition

_SHOWN = 10  # dropped images that are listed


def split(
    data: Data,
    out: Annotated[Path, typer.Option(help="Manifest to write; must be new.")] = Path("manifest.csv"),
    folds: Annotated[int | None, typer.Option(help="Number of folds for cross-validation.")] = None,
    test: Annotated[
        float | None, typer.Option(help="Fraction of each class for the test part; 0.2 without --folds.")
    ] = (None),
    by: Annotated[
        str,
        typer.Option(
            **values("patient", "copies"),
            help="patient: keep patients together, who must all be known; copies: duplicates and the known patients.",
        ),
    ] = "patient",
    against: Annotated[
        Path | None, typer.Option(help="Another data set; its patients are transferred to duplicates of its slices.")
    ] = None,
    one_each: Annotated[bool, typer.Option("--one-each", help="Keep one file of each slice.")] = False,
    seed: Annotated[int, typer.Option(help="Random seed; the same seed gives the same splits.")] = 0,
    patient_from: PatientFrom = None,
    cache: Cache = None,
    as_json: AsJson = False,
) -> None:
    """Write a manifest whose parts share no slice or patient.

    Finds duplicates also if they are mirrored, rotated, rescaled, recompressed, cropped or of other intensities. Drops
    slices that have two labels. Replaces earlier splits and folds.
    """
    from gadolin.datasets.manifest import write_manifest
    from gadolin.files.atomic import require_new_file
    from gadolin.splits.partition import SplitConfig, partition

    config = SplitConfig(folds, 0.2 if folds is None and test is None else test, by=by, one_each=one_each, seed=seed)
    require_new_file(out)
    with progress_bar("splitting") as advance:
        divided = partition(data, config, against=against, patient_from=patient_from, cache=cache, progress=advance)
    write_manifest(out, divided.records)
    if as_json:
        print_json({"manifest": str(out), "by": by, **divided.as_json()})
    else:
        print(_text(divided))
        following = "train {} --out run" if folds is None else "crossval {} --out crossval"
        print_message(f"manifest: {out}\nnext: gadolin {following.format(shlex.quote(str(out)))}", wrap=False)


def _text(divided: Partition) -> str:
    counted = divided.as_json()
    classes, parts = counted["classes"], counted["parts"]
    assert isinstance(classes, list), "as_json lists the classes"
    assert isinstance(parts, dict), "as_json counts by part"
    rows = [
        [part, *(str(counts[name]) for name in classes), str(sum(counts.values()))] for part, counts in parts.items()
    ]
    copies = sum(map(len, divided.merged))
    lines = [table(["part", *map(class_name, classes), "total"], rows), ""]
    lines += [f"patients: {counted['patients'] or 'unknown'}"]
    lines += [f"patients transferred through duplicates: {divided.carried} slices"] if divided.carried else []
    lines += [f"kept together: {copies} duplicates in {len(divided.merged)} groups"] if copies else []
    lines += [f"dropped: {len(divided.dropped)}"] if divided.dropped else []
    lines += [f"  {one}" for one in divided.dropped[:_SHOWN]]
    lines += (
        [f"  ... and {len(divided.dropped) - _SHOWN} more (--json lists all)"] if len(divided.dropped) > _SHOWN else []
    )
    return "\n".join(lines)
