"""``gadolin compare``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gadolin.cli.output import print_json


def compare(
    run_a: Annotated[Path, typer.Argument(help="A run folder, an evaluation folder or a predictions.csv.")],
    run_b: Annotated[Path, typer.Argument(help="Another one, of the same slices.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Tell whether one run is better than another on the slices that both have seen: B minus A, paired.

    The interval resamples patients or groups; McNemar's test counts the slices that only one of them names rightly.
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
