"""``gadolin crossval``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gadolin.cli.evaluate import summary
from gadolin.cli.options import (
    Accumulate,
    AsJson,
    Cache,
    Data,
    Device,
    PatientFrom,
    RecipeName,
    Settings,
    SkipUnreadable,
    Weights,
)
from gadolin.cli.output import log_messages, print_json, print_message, progress_bar


def crossval(
    data: Data,
    folds: Annotated[
        Path | None, typer.Option(help="Manifest with folds, from gadolin split; by default the folds of DATA.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder to write; must be new or empty.")] = Path("crossval"),
    recipe: RecipeName = "default",
    setting: Settings = None,
    weights: Weights = "none",
    seed: Annotated[int, typer.Option(help="Random seed; the same seed and machine give the same networks.")] = 0,
    device: Device = "auto",
    accumulate: Accumulate = 1,
    validation: Annotated[float, typer.Option(help="Fraction of the training folds for model selection.")] = 0.1,
    patient_from: PatientFrom = None,
    skip_unreadable: SkipUnreadable = False,
    cache: Cache = None,
    only: Annotated[list[int] | None, typer.Option(help="Train only this fold now; may be repeated.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the folds in --out.")] = False,
    as_json: AsJson = False,
) -> None:
    """Train one model per fold and evaluate all slices pooled.

    Each slice is predicted by the model that held out its fold; evaluation/predictions.csv has these out-of-fold
    probabilities. --resume continues an interrupted cross-validation; --only trains single folds, and the evaluation
    follows when all folds are trained.
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
    with log_messages(), progress_bar("cross-validation") as advance:
        evaluation = cross_validate(plan, folds, only=only or (), progress=advance)
    if evaluation is None:
        print_message(f"folds in {out} are unfinished: continue with --resume")
        if as_json:
            print_json({"out": str(out), "report": None, "metrics": None})
        return
    report = out / "evaluation" / "report.html"
    if as_json:
        print_json({"out": str(out), "report": str(report), "metrics": evaluation.as_json()})
    else:
        print(summary(evaluation))
        confusion = report.parent / "figures" / "confusion.png"
        print_message(f"report: {report}\nconfusion matrix: {confusion}\nhistory: {out}/fold-*/history.csv")
