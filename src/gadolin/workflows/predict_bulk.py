"""Predict very many files into partitions of Parquet, on an engine; a job can be interrupted and resumed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path

from gadolin._version import __version__
from gadolin.bulk.job import Job, JobFolder, Outcomes
from gadolin.bulk.listing import Partition, files_of, partitions
from gadolin.bulk.packages import require
from gadolin.bulk.parquet import write_rows
from gadolin.bulk.storage import is_address, read_address
from gadolin.engines.engine import Engine
from gadolin.errors import DataError, RequestError
from gadolin.models.predictor import Predictor
from gadolin.progress import Progress
from gadolin.readers import content_of
from gadolin.records import Failure, Omitted
from gadolin.workflows.predict_files import predict_files

__all__ = ["BulkPlan", "predict_bulk"]

PARTITION = 500
"""Files of a partition by default: on one core, those of some ten seconds."""


@dataclass(frozen=True, slots=True)
class BulkPlan:
    """What to predict, and how.

    ``paths`` and ``manifest`` are those of ``files_of``; ``model`` is that of ``Predictor.load``. ``partition`` is the
    number of files in each Parquet file. More than ``max_failures`` files without a prediction end the job; None for no
    limit. ``threads`` are those of the network in each process, 0 for one per core.
    """

    out: Path
    paths: tuple[str, ...] = ()
    manifest: str | None = None
    model: Path | str | None = None
    runtime: str = "onnxruntime"
    threads: int = 0
    plane: str = "acquired"
    partition: int = PARTITION
    resume: bool = False
    max_failures: int | None = None

    def parts(self) -> Iterator[Partition]:
        """Yield all partitions, in order."""
        return partitions(files_of(self.paths, self.manifest), self.partition)


def predict_bulk(plan: BulkPlan, engine: Engine, *, progress: Progress | None = None) -> Outcomes:
    """Predict every slice of every file of a plan once, and write the answers to ``plan.out``.

    A partition is either complete or absent; with ``plan.resume``, complete ones are kept. Returns the outcomes of all
    partitions, also of those kept. Raises RequestError and DataError before anything is written for a plan that cannot
    be followed; DataError for too many failures, ArchiveError for a store that fails, EngineError for processes that
    die: what is complete stays, so each can be resumed.
    """
    _check(plan)
    require("pyarrow")
    predictor = Predictor.load(plan.model, runtime=plan.runtime, threads=plan.threads)
    listed = [(one.number, one.digest, len(one.files)) for one in plan.parts()]
    counted = sum(files for _, _, files in listed)
    sources = (*plan.paths, *([plan.manifest] if plan.manifest else ()))
    folder = JobFolder(plan.out)
    job = Job(predictor.bundle.digest, __version__, sources, plan.partition, plan.plane)
    folder.open(job, resume=plan.resume)
    done = {number: found for number, digest, _ in listed if (found := folder.finished(number, digest)) is not None}
    total = sum(done.values(), Outcomes())
    waiting = (one for one in plan.parts() if one.number not in done)
    for outcomes in chain([Outcomes()], engine.map(partial(_Worker, predictor, plan.plane, folder), waiting)):
        total += outcomes
        if progress is not None:
            progress(total.files, counted, "predicting")
        _check_failures(plan, total)
    return total


def _check(plan: BulkPlan) -> None:
    if plan.partition < 1:
        raise RequestError(
            code="partition_out_of_range", rule="a partition must hold one file or more", got=f"got {plan.partition}"
        )
    if not plan.paths and plan.manifest is None:
        raise RequestError(
            code="usage", rule="there must be paths or a manifest", got="got neither", remedy="see --help"
        )
    for path in plan.paths:
        if not is_address(path) and plan.out.resolve().is_relative_to(Path(path).resolve()):
            raise RequestError(
                code="output_inside_data",
                rule="the answers must not be written into the data",
                got=f"{plan.out} is in {path}",
                remedy="choose a folder beside it",
            )
    if "-" in plan.paths:
        raise RequestError(
            code="standard_input_in_bulk",
            rule="a job with a folder of answers reads files only",
            got="got - for standard input",
            remedy="give paths, or leave out --out",
        )


def _check_failures(plan: BulkPlan, total: Outcomes) -> None:
    if plan.max_failures is not None and total.failed > plan.max_failures:
        raise DataError(
            code="too_many_failures",
            rule=f"at most {plan.max_failures} files may fail",
            got=f"{total.failed} of {total.files} did",
            remedy=f"see the rows with an error in {plan.out}, then continue with --resume and a higher --max-failures",
        )


@dataclass(frozen=True, slots=True)
class _Worker:
    """Predicts partitions with one predictor."""

    predictor: Predictor
    plane: str
    folder: JobFolder

    def __call__(self, task: Partition) -> Outcomes:
        """Predict one partition, write its file and return its outcomes."""
        digests: dict[str, str] = {}

        def content(path: str) -> bytes:
            found = read_address(path) if is_address(path) else content_of(path)
            digests[path] = hashlib.sha256(found).hexdigest()
            return found

        results = list(predict_files(self.predictor, task.files, plane=self.plane, content=content))
        failed = sum(isinstance(one, Failure) and not isinstance(one, Omitted) for one in results)
        left_out = sum(isinstance(one, Omitted) for one in results)
        outcomes = Outcomes(
            files=len(task.files),
            predicted=len(results) - failed - left_out,
            abstained=sum(getattr(one, "abstained", False) for one in results),
            failed=failed,
            left_out=left_out,
        )
        facts = {"files": task.digest, "outcomes": {name: getattr(outcomes, name) for name in Outcomes.__slots__}}
        write_rows(self.folder.file(task.number), results, digests, self.predictor.bundle.classes, facts)
        return outcomes
