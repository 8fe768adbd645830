"""``gadolin train``."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gadolin.cli.evaluate import summary
from gadolin.cli.options import Accumulate, Cache, Device, PatientFrom, RecipeName, Settings, SkipUnreadable, Weights
from gadolin.cli.output import print_json, progress_bar, say

if TYPE_CHECKING:
    from gadolin.models.run_folder import RunFolder
    from gadolin.training.run import Trained


def train(
    context: typer.Context,
    data: Annotated[
        Path | None, typer.Argument(help="A folder of pictures by class, or a manifest CSV; none with --repeat.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Run folder to write; must be new or empty.")] = Path("run"),
    recipe: RecipeName = "default",
    setting: Settings = None,
    weights: Weights = "none",
    seed: Annotated[int, typer.Option(help="The same seed trains the same network on the same machine.")] = 0,
    device: Device = "auto",
    precision: Annotated[str, typer.Option(help="auto, float32 or bfloat16.")] = "auto",
    accumulate: Accumulate = 1,
    validation: Annotated[float, typer.Option(help="Share of the training part to choose and calibrate by.")] = 0.1,
    test: Annotated[float, typer.Option(help="Share kept for the test where the data names no test part.")] = 0.2,
    patient_from: PatientFrom = None,
    skip_unreadable: SkipUnreadable = False,
    cache: Cache = None,
    repeat: Annotated[
        Path | None, typer.Option(help="Train again as this run was: its slices, split, recipe, weights and seed.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the unfinished run in --out.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Train a classifier and report honestly how good it is.

    Slices of one patient, and copies of one slice (mirrored ones too), never stand on both sides of a split that
    Gadolin makes. The test part is read once, after training. The run folder holds the model, its settings,
    the curves and evaluation/report.html.
    """
    from gadolin.models.run_folder import RunFolder
    from gadolin.models.starting_point import StartingPoint
    from gadolin.recipe import load_recipe, with_settings
    from gadolin.training.machine import Machine
    from gadolin.training.plan import Plan
    from gadolin.training.processes import is_rank_zero
    from gadolin.training.run import train_model

    with _reported_once():
        if data is None or repeat is not None:
            plan = Plan.of_run(_run_to_repeat(repeat, context), out, cache=cache, resume=resume)
        else:
            plan = Plan(
                data=data,
                out=out,
                recipe=with_settings(load_recipe(recipe), setting or []),
                weights=StartingPoint.resolve(weights),
                machine=Machine(device=device, precision=precision, seed=seed, accumulate=accumulate),
                patient_from=patient_from,
                skip_unreadable=skip_unreadable,
                validation=validation,
                test=test,
                cache=cache,
                resume=resume,
            )
        with progress_bar("training") if is_rank_zero() else nullcontext() as advance:
            trained = train_model(plan, progress=advance)
    if trained is not None:
        _print(RunFolder(out), trained, as_json=as_json)


def _run_to_repeat(repeat: Path | None, context: typer.Context) -> RunFolder:
    """Return the run to repeat; raises RequestError without one, or with options that the run decides."""
    from gadolin.errors import RequestError
    from gadolin.models.run_folder import RunFolder

    given = [
        parameter.opts[0]
        for parameter in context.command.params
        if getattr(context.get_parameter_source(parameter.name or ""), "name", "") == "COMMANDLINE"
        and parameter.name not in ("repeat", "out", "cache", "resume", "as_json")
    ]
    if repeat is None or given:
        raise RequestError(
            code="options_exclude_each_other",
            rule="train needs either DATA and its options, or --repeat RUN with --out, --cache and --resume",
            got=f"got --repeat and {', '.join(given)}" if repeat else "got neither",
            remedy="give one of them",
        )
    return RunFolder(repeat)


def _print(folder: RunFolder, trained: Trained, *, as_json: bool) -> None:
    evaluation, known = trained
    if as_json:
        paths = {"run": str(folder.path), "bundle": str(folder.bundle), "report": str(folder.report)}
        print_json(
            {
                **paths,
                "errors_by_code": known.errors,
                "left_out_by_code": known.left_out,
                "metrics": evaluation.as_json(),
            }
        )
    else:
        print(summary(evaluation))
        for what, counts in (("errors", known.errors), ("left out", known.left_out)):
            if counts:
                say(f"{what}: {', '.join(f'{count} {code}' for code, count in counts.items())}")
        say(f"run: {folder.path}\nreport: {folder.report}")


@contextmanager
def _reported_once() -> Iterator[None]:
    """Print warnings of rank 0; of an error that all processes raise, let one print it and the others only exit."""
    from gadolin.errors import GadolinError, RequestError
    from gadolin.training.processes import is_rank_zero, is_reported_by_another_rank

    handler = logging.StreamHandler() if is_rank_zero() else logging.NullHandler()
    handler.setFormatter(logging.Formatter("gadolin: %(message)s"))
    logger = logging.getLogger("gadolin")
    logger.addHandler(handler)
    try:
        yield
    except GadolinError as error:
        if not is_reported_by_another_rank(error):
            raise
        raise typer.Exit(2 if isinstance(error, RequestError) else 1) from error
    finally:
        logger.removeHandler(handler)
