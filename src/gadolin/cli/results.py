"""``gadolin results``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gadolin.cli.failures import report_failures, split_failures
from gadolin.cli.options import AsJson, Model, Runtime, Series
from gadolin.cli.output import print_json, print_message, progress_bar, table

if TYPE_CHECKING:
    from gadolin.dicom_results.entry import ResultEntry


def results(
    paths: Annotated[list[str], typer.Argument(metavar="FILES", help="The DICOM files of one series, or its folder.")],
    out: Annotated[Path, typer.Option(help="Folder for the objects.")] = Path("results"),
    model: Model = None,
    overlays: Annotated[
        bool, typer.Option("--overlays", help="Also write pictures of the evidence, as Secondary Capture.")
    ] = False,
    reject: Annotated[
        bool, typer.Option("--reject", help="FILES are results: write the note that takes them back.")
    ] = False,
    why: Annotated[str, typer.Option(help="Reason in the rejection note.")] = "Taken back by the reader",
    runtime: Runtime = "onnxruntime",
    series: Series = None,
    as_json: AsJson = False,
) -> None:
    """Write predictions as DICOM objects of the same study.

    A report (SR, TID 1500) with the probabilities of each slice, and the predicted lesions (SEG). The objects have
    the patient and study of the slices. The same slices and model give the same files, so a second run adds nothing. If
    the folder holds results of fewer slices of the series, or of another model, a note rejects these. The objects
    identify the patient as the slices do. For research only; not a medical device.
    """
    from gadolin.dicom_results import objects as dicom
    from gadolin.dicom_results.result_files import write_objects
    from gadolin.dicom_results.series import answer_series, read_series
    from gadolin.files.folder_walk import failures_json
    from gadolin.models.predictor import Predictor
    from gadolin.records import JSON_FORMAT, NOTICE
    from gadolin.workflows.predict_files import expand

    if reject:
        written = list(write_objects([dicom.reject(dicom.results_among(paths), why)], out))
        _print(written, as_json=as_json, more={"format": JSON_FORMAT, "notice": NOTICE})
        return
    expanded = expand(paths, series=series)
    sources, unread = read_series(expanded.files)
    predictor = Predictor.load(model, runtime=runtime)
    with progress_bar("predicting") as advance:
        answered, unanswered = answer_series(predictor, sources, overlays=overlays, progress=advance)
    found, objects, unusable = dicom.make_results(answered, dicom.KeptResults.read(out))
    written = list(write_objects(objects, out))
    failures, left_out = split_failures([*unread, *unanswered, *unusable], expanded, results=found.slices)
    without = found.lesions_without_geometry
    counts = {"slices": len(found.slices), "answered": found.answered, "lesions_without_segmentation": without}
    head = {"format": JSON_FORMAT, "notice": NOTICE, "model": found.model, **counts}
    _print(written, as_json=as_json, more={**head, **failures_json(failures, left_out)})
    if not as_json:
        declined = len(found.slices) - found.answered
        print_message(f"{found.answered} of {len(found.slices)} slices are answered, {declined} declined")
        if without:
            print_message(
                f"predicted lesions without segmentation, because the header has no complete geometry: {without}"
            )
        print_message(NOTICE)
    report_failures(failures, left_out, as_json=as_json)


def _print(written: list[ResultEntry], *, as_json: bool, more: dict[str, object]) -> None:
    """Print the files as JSON after the fields ``more``, or as a table."""
    if as_json:
        print_json({**more, "objects": [one.as_json() for one in written]})
    else:
        rows = [[one.kind, "new" if one.is_new else "unchanged", str(one.path)] for one in written]
        print(table(["object", "", "file"], rows, left=3, wrap=()))
