"""``gadolin explain``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gadolin.cli.options import Model
from gadolin.cli.output import print_json, progress_bar, say


def explain(
    paths: Annotated[
        list[str],
        typer.Argument(help="Pictures, DICOM files or folders, NIfTI volumes, .mat files, glob patterns, or -."),
    ],
    model: Model = None,
    method: Annotated[
        str,
        typer.Option(help="evidence, gradcam, integrated-gradients, occlusion, lime, shap, or all."),
    ] = "evidence",
    label: Annotated[
        str | None, typer.Option("--class", help="The class to explain; by default the one that is named.")
    ] = None,
    samples: Annotated[int, typer.Option(help="How often lime and shap ask the model.")] = 1000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same map.")] = 0,
    pieces: Annotated[int, typer.Option(help="About how many superpixels lime and shap cut the head into.")] = 60,
    grids: Annotated[int, typer.Option(help="In how many ways lime and shap cut the head; the mean is shown.")] = 4,
    fill: Annotated[
        str, typer.Option(help="What lime and shap show in place of a superpixel: blur, mean or inpaint.")
    ] = "blur",
    out: Annotated[Path, typer.Option(help="Folder for heat (.npy) and overlays (.png).")] = Path("explanations"),
    runtime: Annotated[str, typer.Option(help="onnxruntime or openvino.")] = "onnxruntime",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Show what speaks for a class in slices: heat on the pixels of each slice, and how far to trust it.

    A slice that cannot be read or explained is reported and the rest go on; the exit code is then 1. For research
    only; not a medical device.
    """
    from gadolin.explanations import Options
    from gadolin.files import expand, slices_of
    from gadolin.predictor import Predictor
    from gadolin.records import NOTICE, Failure
    from gadolin.report.explained import Question, explain_slices, methods_for, sentences

    options = Options(samples=samples, seed=seed, pieces=pieces, fill=fill, grids=grids)
    files = expand(paths)
    predictor = Predictor.load(model, runtime=runtime)
    methods, left = methods_for(method, predictor)
    if left:
        say(f"left out, for they need the run folder and gadolin[train]: {', '.join(left)}")
    done: list[dict[str, object] | Failure] = []
    with progress_bar("explaining") as advance:
        question = Question(methods, label, options)
        for one in explain_slices(predictor, slices_of(files), question, out):
            done.append(one)
            advance(len(done), max(len(files), len(done)), "explaining")
    failures = [each for each in done if isinstance(each, Failure)]
    records = [each for each in done if not isinstance(each, Failure)]
    if as_json:
        errors = [each.as_json() for each in failures]
        print_json({"notice": NOTICE, "model": predictor.bundle.digest, "explained": records, "errors": errors})
    elif records:
        print("\n".join(sentences(records)))
        say(NOTICE)
    for failure in failures:
        say(f"gadolin: {failure.error}")
    if failures:
        raise typer.Exit(1)
