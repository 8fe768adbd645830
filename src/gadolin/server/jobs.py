"""Jobs: work that one request starts and others poll or cancel. Jobs are kept in memory for 15 minutes."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from threading import Event
from typing import Any, Literal

from gadolin.errors import GadolinError
from gadolin.server.explain import CancelledError
from gadolin.server.problems import ProblemError, internal_error, problem_json, problem_of

__all__ = ["Job", "Jobs"]

_KEPT_SECONDS = 900
_POLL_SECONDS = 1


@dataclass(slots=True)
class Job:
    """A job; ``status`` is queued, running, done, failed or cancelled, ``unit`` what its progress counts."""

    kind: str
    id: str = field(default_factory=lambda: secrets.token_urlsafe(18))
    status: str = "queued"
    progress: tuple[int, int, str] = (0, 1, "waiting")
    unit: Literal["samples", "slices"] = "slices"
    result: dict[str, Any] | None = field(default=None, repr=False)
    problem: ProblemError | None = None
    cancelled: Event = field(default_factory=Event)
    ended: float = 0.0

    def advance(self, done: int, total: int, what: str) -> None:
        """Set the progress."""
        self.progress = (done, total, what)

    def as_json(self) -> dict[str, Any]:
        """Return the JSON object of the job, with its result or problem after its end."""
        done, total, what = self.progress
        content: dict[str, Any] = {
            "id": self.id,
            "kind": self.kind,
            "status": self.status,
            "progress": {"done": done, "total": total, "unit": self.unit, "what": what},
        }
        if self.result is not None:
            content["result"] = self.result
        if self.problem is not None:
            content["problem"] = problem_json(self.problem)
        return content

    @property
    def headers(self) -> dict[str, str]:
        """The headers of a response with the job: when to poll again, unless it has ended."""
        return {"Retry-After": str(_POLL_SECONDS)} if self.status in ("queued", "running") else {}


class Jobs:
    """The jobs of a service; one runs at a time."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._jobs: dict[str, Job] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._turn = asyncio.Semaphore(1)

    def start(self, kind: str, work: Callable[[Job], Awaitable[dict[str, Any]]]) -> Job:
        """Queue a job; raises ProblemError (429) if too many wait or are kept."""
        self._forget_old()
        if len(self._jobs) >= self._most:
            self._forget_ended()
        if len(self._jobs) >= self._most:
            raise ProblemError(
                429,
                code="too_many_jobs",
                rule=f"at most {self._most} jobs are kept",
                got="all are waiting or running",
                remedy="cancel one, or retry later",
                retry_seconds=5,
            )
        job = Job(kind)
        self._jobs[job.id] = job
        task = self._tasks[job.id] = asyncio.create_task(self._run(job, work))
        task.add_done_callback(lambda _: self._tasks.pop(job.id))
        return job

    def get(self, name: str) -> Job:
        """Return a job; raises ProblemError (404) for an unknown or deleted one."""
        self._forget_old()
        if name not in self._jobs:
            minutes = _KEPT_SECONDS // 60
            raise ProblemError(
                404,
                code="job_not_found",
                rule=f"a job must be one of the last {minutes} minutes",
                got="there is none with this id",
                remedy="start it again",
            )
        return self._jobs[name]

    def cancel(self, name: str) -> None:
        """Cancel a job and forget it, with its files if it has not begun."""
        job = self.get(name)
        job.cancelled.set()
        if job.status == "queued":
            self._tasks[name].cancel()
        if not job.ended:
            job.status = "cancelled"
        del self._jobs[name]

    def close(self) -> None:
        """Cancel all jobs."""
        for job in self._jobs.values():
            job.cancelled.set()
        self._jobs.clear()
        for task in self._tasks.values():
            task.cancel()

    async def _run(self, job: Job, work: Callable[[Job], Awaitable[dict[str, Any]]]) -> None:
        async with self._turn:
            job.status = "running"
            job.advance(0, 1, "decode")
            try:
                job.result = await work(job)
                job.status = "done"
                job.progress = (job.progress[1], job.progress[1], "done")
            except CancelledError:
                job.status = "cancelled"
            except GadolinError as error:
                job.status, job.problem = "failed", problem_of(error)
            except Exception as error:  # noqa: BLE001 -- the job reports it
                job.status, job.problem = "failed", internal_error(error)
            if job.status != "done":
                job.advance(*job.progress[:2], job.status)
            job.ended = time.monotonic()

    def _forget_old(self) -> None:
        limit = time.monotonic() - _KEPT_SECONDS
        for name in [name for name, job in self._jobs.items() if job.ended and job.ended < limit]:
            del self._jobs[name]

    def _forget_ended(self) -> None:
        ended = [job for job in self._jobs.values() if job.ended]
        for job in sorted(ended, key=lambda one: one.ended)[:1]:
            del self._jobs[job.id]
