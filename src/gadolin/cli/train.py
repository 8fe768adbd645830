"""``gadolin train``."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gadolin.cli.evaluate import summary
from gadolin.cli.options import (
    Accumulate,
    AsJson,
    Cache,
    Device,
    PatientFrom,
    Precision,
    RecipeName,
    Settings,
    SkipUnreadable,
    Weights,
)
from gadolin.cli.output import log_messages, print_json, print_message, progress_bar

if TYPE_CHECKING:
    from gadolin.models.run_folder import RunFolder
    from gadolin.training.train import Trained
    from gadolin.workflows.card import Cards


def train(
    context: typer.Context,
    data: Annotated[
        Path | None,
        typer.Argument(help="A folder with one subfolder of images per class, or a manifest CSV; none with --repeat."),
    ] = None,
    out: Annotated[Path, typer.Option(help="Run folder to write; must be new or empty.")] = Path("run"),
    recipe: RecipeName = "default",
    setting: Settings = None,
    weights: Weights = "none",
    seed: Annotated[int, typer.Option(help="Random seed; the same seed and machine give the same network.")] = 0,
    device: Device = "auto",
    precision: Precision = "auto",
    accumulate: Accumulate = 1,
    validation: Annotated[float, typer.Option(help="Fraction of the training part held out for validation.")] = 0.1,
    test: Annotated[float, typer.Option(help="Fraction for the test part, if DATA has none.")] = 0.2,
    patient_from: PatientFrom = None,
    skip_unreadable: SkipUnreadable = False,
    cache: Cache = None,
    repeat: Annotated[Path | None, typer.Option(help="Run to repeat with its slices, parts, recipe and seed.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the unfinished run in --out.")] = False,
    as_json: AsJson = False,
) -> None:
    """Train a classifier and evaluate it on held-out slices.

    Splits that Gadolin makes are at patient level and keep duplicates together, also mirrored ones. The test part is
    read once, after training. The run folder has the model, its settings, the learning curves and
    evaluation/report.html.
    """
    from gadolin.models.run_folder import RunFolder
    from gadolin.models.starting_point import StartingPoint
    from gadolin.recipe import load_recipe, with_settings
    from gadolin.training.machine import Machine
    from gadolin.training.plan import Plan
    from gadolin.training.processes import is_rank_zero
    from gadolin.training.train import train_model

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
        _report(RunFolder(out), trained, as_json=as_json)


def _run_to_repeat(repeat: Path | None, context: typer.Context) -> RunFolder:
    """Return the run to repeat; raises RequestError without one, or with options that the run determines."""
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


def _report(folder: RunFolder, trained: Trained, *, as_json: bool) -> None:
    """Write the cards of a finished run, and print its figures and files."""
    from gadolin.workflows.card import write_cards

    evaluation, provenance = trained
    cards = write_cards(folder, evaluation)
    if as_json:
        paths = {
            "run": str(folder.path),
            "bundle": str(folder.bundle),
            "report": str(folder.report),
            "card": str(cards.card),
        }
        print_json(
            {
                **paths,
                "errors_by_code": provenance.errors,
                "left_out_by_code": provenance.left_out,
                "metrics": evaluation.as_json(),
            }
        )
    else:
        print(summary(evaluation))
        for what, counts in (("errors", provenance.errors), ("left out", provenance.left_out)):
            if counts:
                print_message(f"{what}: {', '.join(f'{count} {code}' for code, count in counts.items())}")
        print_message("\n".join(_written(folder, cards)), wrap=False)


def _written(folder: RunFolder, cards: Cards) -> list[str]:
    """Return a line for each file of the run that is looked at first, and one for the next command."""
    from gadolin.checks.wording import counted

    figures = folder.evaluation / "figures"
    return [
        f"run: {folder.path}",
        f"report: {folder.report}",
        f"confusion matrix: {figures / 'confusion.png'}",
        f"history: {folder.history_file}, drawn in {figures / 'training.png'}",
        f"model card: {cards.card}, with {counted(cards.total, 'item')} to fill",
        f"next: gadolin predict SLICE --model {shlex.quote(str(folder.path))}",
    ]


@contextmanager
def _reported_once() -> Iterator[None]:
    """Print the messages of rank 0 only; if all processes raise the same error, one prints it and the others exit."""
    from gadolin.errors import GadolinError, RequestError
    from gadolin.training.processes import is_rank_zero, is_reported_by_another_rank

    try:
        with log_messages(shown=is_rank_zero()):
            yield
    except GadolinError as error:
        if not is_reported_by_another_rank(error):
            raise
        raise typer.Exit(2 if isinstance(error, RequestError) else 1) from error
