"""``gadolin split``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gadolin.cli.options import Cache, PatientFrom
from gadolin.cli.output import print_json, progress_bar, say, table

if TYPE_CHECKING:
    from gadolin.splits.partition import Partition

_SHOWN = 10  # dropped pictures told one by one


def split(
    data: Annotated[Path, typer.Argument(help="A folder of pictures by class, or a manifest CSV.")],
    out: Annotated[Path, typer.Option(help="The manifest to write; must be new.")] = Path("manifest.csv"),
    folds: Annotated[int | None, typer.Option(help="Number of folds for cross-validation.")] = None,
    test: Annotated[float | None, typer.Option(help="Share of each class for the test part; 0.2 without --folds.")] = (
        None
    ),
    by: Annotated[
        str, typer.Option(help="'patient' needs every patient known; 'copies' keeps copies of one slice together.")
    ] = "patient",
    against: Annotated[
        Path | None, typer.Option(help="Another collection: its patients are carried over to copies of its slices.")
    ] = None,
    one_each: Annotated[bool, typer.Option("--one-each", help="Keep one picture of each slice.")] = False,
    seed: Annotated[int, typer.Option(help="The same seed splits alike.")] = 0,
    patient_from: PatientFrom = None,
    cache: Cache = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Write a manifest whose parts share no slice, however copied, and no patient.

    Copies are found mirrored, turned, rescaled, recompressed, cropped or in other tones. Pictures of one slice under
    two labels are dropped. Earlier parts and folds are not kept.
    """
    from gadolin.datasets.manifest import write_manifest
    from gadolin.files.atomic import require_new_file
    from gadolin.splits.partition import SplitConfig, partition

    wish = SplitConfig(folds, 0.2 if folds is None and test is None else test, by=by, one_each=one_each, seed=seed)
    require_new_file(out)
    with progress_bar("splitting") as advance:
        divided = partition(data, wish, against=against, patient_from=patient_from, cache=cache, progress=advance)
    write_manifest(out, divided.records)
    if as_json:
        print_json({"manifest": str(out), "by": by, **divided.as_json()})
    else:
        print(_words(divided))
        say(f"manifest: {out}")


def _words(divided: Partition) -> str:
    told = divided.as_json()
    classes, parts = told["classes"], told["parts"]
    assert isinstance(classes, list), "as_json lists the classes"
    assert isinstance(parts, dict), "as_json counts by part"
    rows = [
        [part, *(str(counts[name]) for name in classes), str(sum(counts.values()))] for part, counts in parts.items()
    ]
    copies = sum(map(len, divided.merged))
    lines = [table(["part", *classes, "total"], rows), ""]
    lines += [f"patients: {told['patients'] or 'unknown'}"]
    lines += [f"patients carried over through matched slices: {divided.carried} slices"] if divided.carried else []
    lines += [f"kept together: {copies} pictures that are copies, in {len(divided.merged)} groups"] if copies else []
    lines += [f"dropped: {len(divided.dropped)}"] if divided.dropped else []
    lines += [f"  {one}" for one in divided.dropped[:_SHOWN]]
    lines += (
        [f"  ... and {len(divided.dropped) - _SHOWN} more (--json lists all)"] if len(divided.dropped) > _SHOWN else []
    )
    return "\n".join(lines)
