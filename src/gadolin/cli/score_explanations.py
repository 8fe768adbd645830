"""``gadolin score-explanations``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gadolin.cli.output import print_json, progress_bar, say, table

if TYPE_CHECKING:
    from gadolin.models.predictor import Predictor


def score_explanations(
    model: Annotated[Path, typer.Argument(help="A run folder or a bundle.")],
    data: Annotated[Path, typer.Argument(help="A manifest with an outline column; of a test part, only that is read.")],
    methods: Annotated[str, typer.Option(help="Methods and priors with commas between, or all.")] = "all",
    samples: Annotated[int, typer.Option(help="How often lime and shap ask the model.")] = 1000,
    slices: Annotated[
        int,
        typer.Option(help="Slices that lime, shap, occlusion and the curves see, over classes and persons; 0 for all."),
    ] = 120,
    seed: Annotated[int, typer.Option(help="The same seed gives the same maps.")] = 0,
    faithfulness: Annotated[bool, typer.Option(help="Take deletion and insertion curves, too.")] = True,
    out: Annotated[Path | None, typer.Option(help="Folder for the table; by default beside the model.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Score every method of explanation against outlines of lesions, beside maps that know nothing of the model.

    What a run's model scored is kept in its bundle, for gadolin explain to tell. For research only; not a medical
    device.
    """
    from gadolin.explanations import Options
    from gadolin.explanations.scoring.score import ScoringConfig
    from gadolin.models.predictor import Predictor
    from gadolin.workflows.score_explanations import score_model

    predictor = Predictor.load(model)
    names, left = _named(methods, predictor)
    if left:
        say(f"left out, for they need the run folder and gadolin[train]: {', '.join(left)}")
    with progress_bar("explaining") as advance:
        folder, lines = score_model(
            predictor,
            model,
            data,
            ScoringConfig(names, Options(samples=samples, seed=seed), slices, seed, faithfulness),
            out=out,
            progress=advance,
        )
    told = [line.as_json() for line in lines]
    if as_json:
        print_json({"folder": str(folder), "lines": told})
    else:
        print(_words(told))
        say(f"tables: {folder}")


def _named(methods: str, predictor: Predictor) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the methods and priors to score, and those of "all" that this model cannot be asked by."""
    from gadolin.explanations.registry import METHODS
    from gadolin.explanations.scoring.score import ScoringConfig
    from gadolin.workflows.explain import methods_for

    if methods != "all":
        names = tuple(name.strip() for name in methods.split(","))
        for name in names:
            if name in METHODS:
                methods_for(name, predictor)
        return names, ()
    _, left = methods_for("all", predictor)
    return tuple(name for name in ScoringConfig().methods if name not in left), left


def _words(lines: list[dict[str, Any]]) -> str:
    from gadolin.explanations.scoring.score import FAITHFUL, MEASURES
    from gadolin.records import NOTICE

    names = (*MEASURES, *FAITHFUL)
    rows = []
    for line in lines:
        if line["of"] in ("all", "class"):
            cells = [f"{line[name]['value']:.3f}" if name in line else "" for name in names]
            where = "" if line["of"] == "all" else line["value"]
            rows.append([line["method"], where, str(line["n"]), *cells, "below centre" if line["below_prior"] else ""])
    head = ["method", "named", "n", *names, ""]
    return table(head, rows) + f"\n\nMeans over slices; the folder holds their intervals by person. {NOTICE}"
