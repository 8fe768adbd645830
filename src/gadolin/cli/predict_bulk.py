"""``gadolin predict --out``: predict very many files into Parquet."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gadolin.cli.options import values
from gadolin.cli.output import print_json, print_message, progress_bar

if TYPE_CHECKING:
    from gadolin.workflows.predict_bulk import BulkPlan

__all__ = [
    "EngineName",
    "Manifest",
    "MaxFailures",
    "Out",
    "PartitionSize",
    "Processes",
    "Resume",
    "predict_into_folder",
]

Out = Annotated[Path | None, typer.Option(help="New folder for the answers as Parquet, for very many files.")]
Manifest = Annotated[str | None, typer.Option(help="A CSV or Parquet file with a column path; needs --out.")]
EngineName = Annotated[str, typer.Option("--engine", **values("local"), help="What runs the work of --out.")]
Processes = Annotated[int, typer.Option(help="Processes of the local engine.")]
PartitionSize = Annotated[int, typer.Option("--partition", help="Files in each Parquet file of --out.")]
Resume = Annotated[bool, typer.Option("--resume", help="Continue the answers in --out.")]
MaxFailures = Annotated[
    int | None, typer.Option(help="Stop the job of --out when more files have failed; by default never.")
]


def predict_into_folder(plan: BulkPlan, *, engine: str, processes: int, as_json: bool) -> None:
    """Predict into the folder of a plan and print how many slices have an answer; exit with 1 if files failed.

    Raises typer.Exit.
    """
    from dataclasses import asdict

    from gadolin.engines.engine import engine_of
    from gadolin.records import JSON_FORMAT, NOTICE
    from gadolin.workflows.predict_bulk import predict_bulk

    with progress_bar("predicting") as progress:
        total = predict_bulk(plan, engine_of(engine, processes=processes), progress=progress)
    if as_json:
        print_json({"format": JSON_FORMAT, "notice": NOTICE, "out": str(plan.out), **asdict(total)})
    else:
        answered = total.predicted - total.abstained
        print(
            f"{total.files:,} files, {total.predicted:,} slices: {answered:,} answered, {total.abstained:,} abstentions"
        )
        print(f"failed: {total.failed:,}; left out: {total.left_out:,}")
        print(f"answers: {plan.out}")
        print_message(NOTICE)
    if total.failed:
        print_message(f"gadolin: {total.failed:,} files failed; their rows have an error")
        raise typer.Exit(1)
