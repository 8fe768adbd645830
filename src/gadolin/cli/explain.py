"""``gadolin explain``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from gadolin.cli.failures import report_failures, split_failures
from gadolin.cli.options import AsJson, Inputs, Model, Plane, Runtime, Samples, Series, completer, plugins, values
from gadolin.cli.output import class_name, print_json, print_message, progress_bar, wrapped

_METHODS = ("evidence", "gradcam", "integrated-gradients", "occlusion", "lime", "shap")
_Method = Annotated[
    str,
    typer.Option(
        metavar="METHOD",
        autocompletion=completer(*_METHODS, "all", more=plugins("gadolin.methods")),
        help=f"{', '.join(_METHODS)}, all, or a plug-in.",
    ),
]


def explain(
    paths: Inputs,
    model: Model = None,
    method: _Method = "evidence",
    label: Annotated[str | None, typer.Option("--class", help="Class to explain; by default, the predicted.")] = None,
    samples: Samples = 1000,
    seed: Annotated[int, typer.Option(help="Random seed; the same seed gives the same map.")] = 0,
    pieces: Annotated[int, typer.Option(help="Approximate number of superpixels for lime and shap.")] = 60,
    grids: Annotated[int, typer.Option(help="Number of superpixel segmentations that lime and shap average.")] = 4,
    fill: Annotated[
        str, typer.Option(**values("blur", "mean", "inpaint"), help="Replacement of a superpixel by lime and shap.")
    ] = "blur",
    signed: Annotated[bool, typer.Option("--signed", help="Also draw heat below 0 or outside the head.")] = False,
    out: Annotated[Path, typer.Option(help="Folder for heat maps (.npy) and overlays (.png).")] = Path("explanations"),
    runtime: Runtime = "onnxruntime",
    series: Series = None,
    plane: Plane = "acquired",
    as_json: AsJson = False,
) -> None:
    """Explain predictions as heat maps over the slices.

    Writes heat maps and overlays, and prints how reliable such maps were on outlined slices. Slices that cannot be read
    or explained are reported, and the others are explained; the exit code is then 1. Files that are left out of folders
    are listed with the reason. For research only; not a medical device.
    """
    from gadolin.explanations import Options
    from gadolin.files.folder_walk import failures_json
    from gadolin.models.predictor import Predictor
    from gadolin.records import JSON_FORMAT, NOTICE, Failure
    from gadolin.workflows.explain import ExplainConfig, OutputNames, explain_slices, methods_for
    from gadolin.workflows.predict_files import expand, slices_of

    options = Options(samples=samples, seed=seed, pieces=pieces, fill=fill, grids=grids)
    expanded = expand(paths, series=series)
    predictor = Predictor.load(model, runtime=runtime)
    methods, left = methods_for(method, predictor)
    if left:
        print_message(f"left out, because they need the run folder and gadolin[train]: {', '.join(left)}")
    done: list[dict[str, object] | Failure] = []
    with progress_bar("explaining") as advance:
        config = ExplainConfig(methods, label, options, signed)
        names = OutputNames(out, inputs=[each for each in expanded.files if isinstance(each, str)])
        for one in explain_slices(predictor, slices_of(expanded.files, plane=plane), config, names):
            done.append(one)
            advance(len(done), max(len(expanded.files), len(done)), "explaining")
    records = [each for each in done if not isinstance(each, Failure)]
    failures, left_out = split_failures([each for each in done if isinstance(each, Failure)], expanded, results=records)
    if as_json:
        content = {"explained": records, **failures_json(failures, left_out)}
        print_json({"format": JSON_FORMAT, "notice": NOTICE, "model": predictor.bundle.digest, **content})
    elif records:
        print(wrapped("\n".join(_text(records)), sys.stdout))
        print_message(NOTICE)
    report_failures(failures, left_out, as_json=as_json)


def _text(records: Sequence[dict[str, object]]) -> list[str]:
    """Return three lines per explanation: method, class and maximum of the heat map; its picture; reliability.

    For an abstention, two lines that say so, with the reason, come first.
    """
    from gadolin.records import slice_name

    lines = []
    for record in records:
        explanations = record["explanations"]
        assert isinstance(explanations, list), "explain_slices lists them"
        name = slice_name(str(record["path"]), record["frame"])  # type: ignore[arg-type]  # an int or None
        if record["abstained"]:
            lines += [f"{name}: the model abstains", f"  reason: {record['reason']}"]
        for one in explanations:
            row, column = one["hottest"] or (None, None)
            maximum = "no heat above 0" if row is None else f"hottest at row {row}, column {column}"
            label = class_name(one["class"])
            lines.append(f"{name}: {one['method']} for {label} ({one['probability']:.3f}), {maximum}")
            lines += [f"  picture: {one['overlay']}", f"  reliability: {one['trust']}"]
    return lines
