"""``gadolin crossval``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gadolin.cli.evaluate import summary
from gadolin.cli.options import Accumulate, Cache, Device, PatientFrom, RecipeName, Settings, SkipUnreadable, Weights
from gadolin.cli.output import print_json, progress_bar, say


def crossval(
    data: Annotated[Path, typer.Argument(help="A folder of pictures by class, or a manifest CSV.")],
    folds: Annotated[
        Path | None, typer.Option(help="Manifest with the folds, from gadolin split; without it, those of the data.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder to write; must be new or empty.")] = Path("crossval"),
    recipe: RecipeName = "default",
    setting: Settings = None,
    weights: Weights = "none",
    seed: Annotated[int, typer.Option(help="The same seed trains the same networks on the same machine.")] = 0,
    device: Device = "auto",
    accumulate: Accumulate = 1,
    validation: Annotated[float, typer.Option(help="Share of the training folds that chooses the epoch.")] = 0.1,
    patient_from: PatientFrom = None,
    skip_unreadable: SkipUnreadable = False,
    cache: Cache = None,
    only: Annotated[list[int] | None, typer.Option(help="Train for this fold alone, for now; may be repeated.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the folds in --out.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Train once for each fold and measure all slices pooled, each answered for by a model that did not learn from it.

    Every slice's out-of-fold probabilities are kept in evaluation/predictions.csv. Interrupted, it goes on with
    --resume, fold by fold; with --only it trains for some of them, and reports once none is left.
    """
    from gadolin.models.starting_point import StartingPoint
    from gadolin.recipe import load_recipe, with_settings
    from gadolin.training.crossval import cross_validate
    from gadolin.training.machine import Machine
    from gadolin.training.plan import Plan

    plan = Plan(
        data=data,
        out=out,
        recipe=with_settings(load_recipe(recipe), setting or []),
        weights=StartingPoint.resolve(weights),
        machine=Machine(device=device, seed=seed, accumulate=accumulate),
        patient_from=patient_from,
        skip_unreadable=skip_unreadable,
        validation=validation,
        cache=cache,
        resume=resume,
    )
    with progress_bar("cross-validation") as advance:
        evaluation = cross_validate(plan, folds, only=only or (), progress=advance)
    if evaluation is None:
        say(f"folds in {out} are unfinished: continue with --resume")
        if as_json:
            print_json({"out": str(out), "report": None, "metrics": None})
        return
    report = out / "evaluation" / "report.html"
    if as_json:
        print_json({"out": str(out), "report": str(report), "metrics": evaluation.as_json()})
    else:
        print(summary(evaluation))
        say(f"report: {report}")
