"""``gadolin compare``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gadolin.cli.options import AsJson
from gadolin.cli.output import print_json


def compare(
    run_a: Annotated[Path, typer.Argument(help="A run folder, an evaluation folder or a predictions.csv.")],
    run_b: Annotated[Path, typer.Argument(help="Another one with predictions of the same slices.")],
    as_json: AsJson = False,
) -> None:
    """Test whether run B is better than run A.

    Both need predictions of the same slices; the difference B minus A is paired slice by slice. Its interval resamples
    patients or groups of duplicates. McNemar's test counts the slices that only one of the two classifies correctly.
    """
    from gadolin.metrics import compare as compare_tables
    from gadolin.metrics import read_table
    from gadolin.metrics.assess import predictions_of
    from gadolin.records import NOTICE

    result = compare_tables(read_table(predictions_of(run_a)), read_table(predictions_of(run_b)))
    if as_json:
        print_json(result.as_json())
    else:
        print(f"A: {run_a}\nB: {run_b}\n\n{result.verdict}\n\n{NOTICE}")
