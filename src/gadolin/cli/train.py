"""``gadolin train``."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Annotated

import typer

from gadolin.cli.evaluate import summary
from gadolin.cli.options import Cache, Device, PatientFrom, RecipeName, Settings, SkipUnreadable, Weights
from gadolin.cli.output import print_json, progress_bar, say


def train(
    data: Annotated[Path, typer.Argument(help="A folder of pictures by class, or a manifest CSV.")],
    out: Annotated[Path, typer.Option(help="Run folder to write; must be new or empty.")] = Path("run"),
    recipe: RecipeName = "default",
    setting: Settings = None,
    weights: Weights = "none",
    seed: Annotated[int, typer.Option(help="The same seed trains the same network on the same machine.")] = 0,
    device: Device = "auto",
    precision: Annotated[str, typer.Option(help="auto, float32 or bfloat16.")] = "auto",
    validation: Annotated[float, typer.Option(help="Share of the training part to choose and calibrate by.")] = 0.1,
    test: Annotated[float, typer.Option(help="Share kept for the test where the data names no test part.")] = 0.2,
    patient_from: PatientFrom = None,
    skip_unreadable: SkipUnreadable = False,
    cache: Cache = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the unfinished run in --out.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Train a classifier and report honestly how good it is.

    Slices of one patient, and copies of one slice (mirrored ones too), never stand on both sides of a split that
    Gadolin makes. The test part is read once, after training. The run folder holds the model, its settings,
    the curves and evaluation/report.html.
    """
    from gadolin.training.machine import Machine
    from gadolin.training.plan import Plan
    from gadolin.training.processes import is_first
    from gadolin.training.recipe import with_settings
    from gadolin.training.recipes import named_recipe
    from gadolin.training.run import train_model

    with _told_once():
        plan = Plan(
            data=data,
            out=out,
            recipe=with_settings(named_recipe(recipe), setting or []),
            weights=weights,
            machine=Machine(device=device, precision=precision, seed=seed),
            patient_from=patient_from,
            skip_unreadable=skip_unreadable,
            validation=validation,
            test=test,
            cache=cache,
            resume=resume,
        )
        with progress_bar("training") if is_first() else nullcontext() as advance:
            page = train_model(plan, progress=advance)
    if is_first():
        _tell(out, page, as_json=as_json)


def _tell(out: Path, page: Path, *, as_json: bool) -> None:
    metrics = json.loads((page.parent / "metrics.json").read_text(encoding="utf-8"))
    facts = json.loads((out / "run.json").read_text(encoding="utf-8"))
    errors, left_out = facts.get("errors", {}), facts.get("left_out", {})
    if as_json:
        told = {"run": str(out), "bundle": str(out / "bundle"), "report": str(page)}
        print_json({**told, "errors_by_code": errors, "left_out_by_code": left_out, "metrics": metrics})
    else:
        print(summary(metrics))
        for what, counts in (("errors", errors), ("left out", left_out)):
            if counts:
                say(f"{what}: {', '.join(f'{count} {code}' for code, count in counts.items())}")
        say(f"run: {out}\nreport: {page}")


@contextmanager
def _told_once() -> Iterator[None]:
    """Print the library's warnings; of an error that several processes have, let one print it and the others end."""
    from gadolin.errors import GadolinError, RequestError
    from gadolin.training.processes import told_elsewhere

    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("gadolin: %(message)s"))
    logger = logging.getLogger("gadolin")
    logger.addHandler(handler)
    try:
        yield
    except GadolinError as error:
        if not told_elsewhere(error):
            raise
        raise typer.Exit(2 if isinstance(error, RequestError) else 1) from error
    finally:
        logger.removeHandler(handler)
