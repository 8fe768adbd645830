"""``gadolin explain``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gadolin.cli.failures import report_failures, split_failures
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
        typer.Option(help="evidence, gradcam, integrated-gradients, occlusion, lime, shap, that of a plug-in, or all."),
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
    runtime: Annotated[str, typer.Option(help="onnxruntime, openvino, or that of a plug-in.")] = "onnxruntime",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Show what speaks for a class in slices: heat on the pixels of each slice, and how far to trust it.

    What cannot be read or explained is reported, and the other slices are still explained; the exit code is then 1.
    Files that are left out of folders are listed with the reason. For research only; not a medical device.
    """
    from gadolin.explanations import Options
    from gadolin.files.folder_walk import failures_json
    from gadolin.models.predictor import Predictor
    from gadolin.records import JSON_FORMAT, NOTICE, Failure
    from gadolin.workflows.explain import ExplainConfig, OutputNames, explain_slices, methods_for, sentences
    from gadolin.workflows.predict_files import expand, slices_of

    options = Options(samples=samples, seed=seed, pieces=pieces, fill=fill, grids=grids)
    named = expand(paths)
    predictor = Predictor.load(model, runtime=runtime)
    methods, left = methods_for(method, predictor)
    if left:
        say(f"left out, for they need the run folder and gadolin[train]: {', '.join(left)}")
    done: list[dict[str, object] | Failure] = []
    with progress_bar("explaining") as advance:
        question = ExplainConfig(methods, label, options)
        names = OutputNames(out, inputs=[each for each in named.files if isinstance(each, str)])
        for one in explain_slices(predictor, slices_of(named.files), question, names):
            done.append(one)
            advance(len(done), max(len(named.files), len(done)), "explaining")
    records = [each for each in done if not isinstance(each, Failure)]
    failures, left_out = split_failures([each for each in done if isinstance(each, Failure)], named, answered=records)
    if as_json:
        told = {"explained": records, **failures_json(failures, left_out)}
        print_json({"format": JSON_FORMAT, "notice": NOTICE, "model": predictor.bundle.digest, **told})
    elif records:
        print("\n".join(sentences(records)))
        say(NOTICE)
    report_failures(failures, left_out, as_json=as_json)
