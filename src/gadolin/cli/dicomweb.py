"""``gadolin dicomweb``."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gadolin.cli.failures import report_failures
from gadolin.cli.interrupts import terminated_as_interrupted
from gadolin.cli.options import AsJson, Model, Runtime
from gadolin.cli.output import print_json, print_message, progress_bar, table

if TYPE_CHECKING:
    from gadolin.dicom_network.dicomweb_study import AnsweredSeries, AnsweredStudy, SeriesAnswerer
    from gadolin.dicom_network.dicomweb_watch import Watched
    from gadolin.records import Failure

Every = Annotated[float, typer.Option(min=1.0, help="Seconds between two searches of --watch.")]
Days = Annotated[int, typer.Option(min=0, help="Largest age in days of the studies that --watch covers; 0 for all.")]
TokenFile = Annotated[Path | None, typer.Option(help="File with the bearer token.")]
TokenVariable = Annotated[str | None, typer.Option(metavar="NAME", help="Environment variable with the bearer token.")]
Certificate = Annotated[Path | None, typer.Option(help="Client certificate, a PEM file.")]
Key = Annotated[Path | None, typer.Option(help="Its private key, if that is in another file.")]
Authorities = Annotated[Path | None, typer.Option(help="Certificates of the authorities to trust, a PEM file.")]
Timeout = Annotated[float, typer.Option(min=1.0, help="Seconds that the archive may be silent.")]
AllowHttp = Annotated[bool, typer.Option("--allow-http", help="Allow a token over http to another computer.")]


def dicomweb(
    url: Annotated[str, typer.Argument(metavar="URL", help="Address of the DICOMweb services.")],
    study: Annotated[str | None, typer.Option(metavar="UID", help="Study Instance UID.")] = None,
    series: Annotated[
        str | None, typer.Option(metavar="UID", help="Series Instance UID; by default, all MR series.")
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Keep running, and answer each MR series once it is complete.")
    ] = False,
    every: Every = 60.0,
    days: Days = 7,
    token_file: TokenFile = None,
    token_variable: TokenVariable = None,
    certificate: Certificate = None,
    key: Key = None,
    authorities: Authorities = None,
    timeout: Timeout = 30.0,
    allow_http: AllowHttp = False,
    model: Model = None,
    overlays: Annotated[
        bool, typer.Option("--overlays", help="Also store pictures of the evidence, as Secondary Capture.")
    ] = False,
    runtime: Runtime = "onnxruntime",
    as_json: AsJson = False,
) -> None:
    """Answer series of an archive with DICOMweb.

    Retrieves the MR series of a study (QIDO-RS, WADO-RS), predicts their slices, and stores a report (SR) and the
    predicted lesions (SEG) in the same study (STOW-RS), as gadolin results makes them. Objects that the archive has
    already are not sent again. Images are kept in a temporary folder meanwhile. For research only; not a medical
    device.
    """
    from gadolin.errors import MissingExtraError

    try:
        from gadolin.dicom_network.dicomweb import Access, DicomWebArchive
        from gadolin.dicom_network.dicomweb_study import SeriesAnswerer
        from gadolin.dicom_network.dicomweb_watch import Watched
    except ModuleNotFoundError as error:
        raise MissingExtraError((error.name or "").partition(".")[0], "hospital") from error
    from gadolin.models.predictor import Predictor

    _require_series(study, series, watch=watch)
    access = Access(token_file, token_variable, certificate, key, authorities, timeout, allow_http)
    archive = DicomWebArchive(url, access)
    answerer = SeriesAnswerer(archive, Predictor.load(model, runtime=runtime), overlays)
    with terminated_as_interrupted():
        if watch:
            _watch(answerer, Watched(study, series, days), every, as_json=as_json)
        elif study is not None:
            with progress_bar("searching") as advance:
                done = answerer.answer_study(study, series, progress=advance)
            _print_study(done, answerer, study, as_json=as_json)


def _require_series(study: str | None, series: str | None, *, watch: bool) -> None:
    """Raise RequestError unless a study is given or the archive watched, and for a UID that is none."""
    from gadolin.dicom_network.dicomweb_study import require_uid
    from gadolin.errors import RequestError

    if study is None and not watch:
        raise RequestError(
            code="usage",
            rule="the study must be given with --study, or --watch",
            got="got neither",
            remedy="see --help",
        )
    for uid in (study, series):
        require_uid(uid)


def _print_study(done: AnsweredStudy, answerer: SeriesAnswerer, study: str, *, as_json: bool) -> None:
    from gadolin.dicom_network.dicomweb_study import name_of
    from gadolin.files.folder_walk import failures_json
    from gadolin.records import NOTICE

    if as_json:
        head = {**_head(answerer), "study_instance_uid": study}
        print_json(
            {**head, "series": [one.as_json() for one in done.series], **failures_json(done.failures, done.left_out)}
        )
    else:
        rows = [
            [name_of(one.series), each.kind, "new" if each.is_new else "unchanged", each.instance]
            for one in done.series
            for each in one.objects
        ]
        print(table(["series", "object", "", "SOP Instance UID"], rows, left=4, wrap=()))
        for one in done.series:
            print_message(_summary(one))
        print_message(NOTICE)
    report_failures(done.failures, done.left_out, as_json=as_json)


def _watch(answerer: SeriesAnswerer, watched: Watched, every: float, *, as_json: bool) -> None:
    """Watch until the process is interrupted; print a line for each outcome."""
    from gadolin.dicom_network.dicomweb_watch import SeriesWatch, watch
    from gadolin.records import NOTICE, Failure

    def show(outcome: AnsweredSeries | Failure) -> None:
        if as_json:
            print(json.dumps(_line(outcome, answerer)), flush=True)
        elif isinstance(outcome, Failure):
            print_message(f"gadolin: {outcome}")
        else:
            print_message(_summary(outcome))
            for failure in outcome.failures:
                print_message(f"gadolin: {failure}")

    print_message(NOTICE)
    print_message("watching; Ctrl-C ends it")
    try:
        watch(SeriesWatch(answerer, watched), every, show=show, notify=print_message, wait=time.sleep)
    except KeyboardInterrupt:
        print_message("ended; series without results are answered after the next start")


def _line(outcome: AnsweredSeries | Failure, answerer: SeriesAnswerer) -> dict[str, Any]:
    """Return the JSON object for an outcome of --watch, which is one line of JSON Lines."""
    from gadolin.files.folder_walk import failures_json
    from gadolin.records import Failure

    if isinstance(outcome, Failure):
        return {**_head(answerer), **failures_json([outcome], [])}
    return {**_head(answerer), **outcome.as_json(), **failures_json(outcome.failures, outcome.left_out)}


def _head(answerer: SeriesAnswerer) -> dict[str, Any]:
    from gadolin.records import JSON_FORMAT, NOTICE

    return {"format": JSON_FORMAT, "notice": NOTICE, "model": answerer.predictor.bundle.digest}


def _summary(one: AnsweredSeries) -> str:
    """Return a line about an answered series, without a UID."""
    from gadolin.dicom_network.dicomweb_study import name_of

    if not one.slices:
        return f"{name_of(one.series)}: left out ({', '.join(sorted({each.code for each in one.left_out}))})"
    without = one.lesions_without_geometry
    lesions = f"; {without} lesions have no segmentation, because the geometry is incomplete" if without else ""
    new = sum(each.is_new for each in one.objects)
    declined = one.slices - one.answered
    return (
        f"{name_of(one.series)}: {one.answered} of {one.slices} slices are answered, {declined} declined; "
        f"{new} of {len(one.objects)} objects are new{lesions}"
    )
