"""``gadolin score-explanations``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gadolin.cli.options import AsJson, Samples
from gadolin.cli.output import class_name, print_json, print_message, progress_bar, table

if TYPE_CHECKING:
    from gadolin.models.predictor import Predictor


def score_explanations(
    model: Annotated[Path, typer.Argument(help="A run folder, a bundle, or shipped for the packaged model.")],
    data: Annotated[Path, typer.Argument(help="A manifest with outlines; if it has a test part, only that is used.")],
    methods: Annotated[
        str, typer.Option(metavar="all | NAME,NAME", help="Methods and priors, separated by commas.")
    ] = "all",
    samples: Samples = 1000,
    slices: Annotated[
        int,
        typer.Option(help="Slices for lime, shap, occlusion and the curves, over classes and patients; 0 for all."),
    ] = 120,
    seed: Annotated[int, typer.Option(help="Random seed; the same seed gives the same maps.")] = 0,
    faithfulness: Annotated[bool, typer.Option(help="Compute deletion and insertion curves.")] = True,
    out: Annotated[
        Path | None, typer.Option(help="Folder to write; by default explanations-<data> beside the model.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Score explanation methods against outlines of lesions.

    Priors, maps that do not depend on the model, are scored for comparison. The scores of a run are kept in its bundle,
    and gadolin explain prints them. For research only; not a medical device.
    """
    from gadolin.explanations import Options
    from gadolin.explanations.scoring.score import ScoringConfig
    from gadolin.models.predictor import Predictor
    from gadolin.workflows.score_explanations import score_model

    predictor = Predictor.load(model)
    names, left = _selected(methods, predictor)
    if left:
        print_message(f"left out, because they need the run folder and gadolin[train]: {', '.join(left)}")
    with progress_bar("explaining") as advance:
        folder, lines = score_model(
            predictor,
            model,
            data,
            ScoringConfig(names, Options(samples=samples, seed=seed), slices, seed, faithfulness),
            out=out,
            progress=advance,
        )
    scores = [line.as_json() for line in lines]
    if as_json:
        print_json({"folder": str(folder), "lines": scores})
    else:
        print(_text(scores))
        print_message(f"tables: {folder}")


def _selected(methods: str, predictor: Predictor) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the methods and priors to score, and the methods of "all" that this model does not support."""
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


def _text(lines: list[dict[str, Any]]) -> str:
    from gadolin.explanations.scoring.score import FAITHFUL, MEASURES
    from gadolin.records import NOTICE

    names = (*MEASURES, *(name for name in FAITHFUL if any(name in line for line in lines)))
    rows = []
    for line in lines:
        if line["of"] in ("all", "class"):
            cells = [f"{line[name]['value']:.3f}" if name in line else "" for name in names]
            label = "" if line["of"] == "all" else class_name(line["value"])
            rows.append(
                [line["method"], label, str(line["n"]), *cells, "below centre prior" if line["below_prior"] else ""]
            )
    head = ["method", "predicted", "n", *names, ""]
    return (
        table(head, rows, left=2)
        + f"\n\nMeans over slices; the tables in the folder have intervals by patient. {NOTICE}"
    )
