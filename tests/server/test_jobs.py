"""Tests of long jobs: they report progress, can be cancelled, and are deleted."""

from __future__ import annotations

import asyncio
import time
import weakref
from functools import partial
from threading import Event, current_thread

import numpy as np
import pytest

from gadolin.explanations import Options
from gadolin.models.predictor import Predictor
from gadolin.phantoms import draw_patient
from gadolin.preprocessing.prepare import prepare
from gadolin.records import Slice
from gadolin.server.batcher import Batcher
from gadolin.server.decoding import Found
from gadolin.server.engine import PredictRequest
from gadolin.server.explain import CancelledError, ExplainRequest, explain
from gadolin.server.jobs import Jobs

FEW = {"method": "lime", "samples": 120, "pieces": 12}
MANY = {"method": "shap", "samples": 20_000, "pieces": 12}


def waited(client, job, *until, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        told = client.get(f"/v1/jobs/{job['id']}")
        if told.status_code != 200 or told.json()["status"] in until:
            return told
        time.sleep(0.02)
    pytest.fail(f"the job is still {told.json()['status']}")


@pytest.mark.slow
def test_a_job_ends_with_the_answer_that_is_given_at_once(client, png, sent):
    files = sent(("a.png", png()))

    begun = client.post("/v1/jobs", files=files, data={"kind": "explain", **FEW})
    told = waited(client, begun.json(), "done", "failed").json()

    assert begun.status_code == 202
    assert told["status"] == "done"
    assert told["progress"]["done"] == told["progress"]["total"]
    assert told["result"] == client.post("/v1/explain", files=files, data=FEW).json()
    client.delete(f"/v1/jobs/{told['id']}")


def test_predictions_can_be_a_job_too(client, png, sent):
    files = sent(("a.png", png()), ("b.png", png(number=1)))

    begun = client.post("/v1/jobs", files=files, data={"kind": "predict"}).json()
    told = waited(client, begun, "done", "failed").json()

    assert told["result"] == client.post("/v1/predict", files=files).json()
    assert told["progress"] == {"done": 2, "total": 2, "unit": "slices", "what": "done"}
    client.delete(f"/v1/jobs/{begun['id']}")


@pytest.mark.slow
def test_a_job_that_is_given_up_stops_soon_and_is_gone(client, png, sent):
    begun = client.post("/v1/jobs", files=sent(("a.png", png(size=256))), data=MANY).json()
    waited(client, begun, "running")

    assert client.delete(f"/v1/jobs/{begun['id']}").status_code == 204
    assert client.get(f"/v1/jobs/{begun['id']}").status_code == 404
    after = client.post("/v1/jobs", files=sent(("a.png", png())), data={**FEW, "samples": 60}).json()
    assert waited(client, after, "done", "failed", seconds=30).json()["status"] == "done", "no other job blocks it"
    client.delete(f"/v1/jobs/{after['id']}")


@pytest.mark.parametrize("method", ["lime", "shap"])
def test_an_explanation_tells_how_far_it_is_and_stops_at_the_next_question(method, predictor):
    image = Slice(np.asarray(draw_patient("glioma", 0, slices=3, size=96)[1].pixels, np.float32))
    asked = [PredictRequest("a.png", Found(None, False, prepare(image, predictor.bundle.preparation), image))]
    wanted, told, cancelled = ExplainRequest(method, None, Options(samples=400, pieces=12)), [], Event()

    explain(predictor, asked, wanted, progress=lambda done, total, _: told.append(done / total))

    assert len(set(told)) > 8, "progress is reported between batches"
    assert told == sorted(told)
    told.clear()

    def give_up(done, total, _):
        told.append(done)
        if len(told) == 4:
            cancelled.set()

    with pytest.raises(CancelledError):
        explain(predictor, asked, wanted, cancelled=cancelled, progress=give_up)
    assert len(told) == 4, "no batch follows"


@pytest.mark.parametrize("method", ["evidence", "lime"])
def test_the_network_runs_for_an_explanation_only_where_the_batcher_runs_it(method, predictor):
    threads = set()

    def runtime(prepared):
        threads.add(current_thread().name)
        return predictor.run_network(prepared)

    image = Slice(np.asarray(draw_patient("glioma", 0, slices=3, size=96)[1].pixels, np.float32))
    asked = [PredictRequest("a.png", Found(None, False, prepare(image, predictor.bundle.preparation), image))]
    batcher = Batcher(Predictor(predictor.bundle, runtime))
    try:
        patient = Predictor(predictor.bundle, batcher.patiently)
        found = explain(patient, asked, ExplainRequest(method, None, Options(samples=60, pieces=12)))
    finally:
        batcher.close()

    assert len(found["explained"]) == 1
    assert threads == {"network"}


def test_evidence_asks_about_each_slice_once_and_about_many_at_a_time(predictor):
    pictures = [Slice(np.asarray(one.pixels, np.float32)) for one in draw_patient("glioma", 0, slices=5, size=96)]
    found = [
        Found(number, False, prepare(one, predictor.bundle.preparation), one) for number, one in enumerate(pictures)
    ]
    counted = []

    def counting(prepared):
        counted.append(len(prepared))
        return predictor.run_network(prepared)

    told = explain(
        Predictor(predictor.bundle, counting),
        [PredictRequest("a.nii", one) for one in found],
        ExplainRequest("evidence", None, Options()),
    )

    assert len(told["explained"]) == 5
    assert counted == [4, 1]


def test_a_job_whose_files_are_none_fails_with_the_reason(client, sent):
    begun = client.post("/v1/jobs", files=sent(("a.png", b"none")), data=FEW).json()

    told = waited(client, begun, "done", "failed").json()

    assert told["status"] == "failed"
    assert (told["problem"]["status"], told["problem"]["code"]) == (415, "unknown_format")
    client.delete(f"/v1/jobs/{begun['id']}")


def test_more_jobs_than_are_kept_are_sent_away(make_client, png, sent):
    with make_client(limits={"max_jobs": 2}) as client:
        files = sent(("a.png", png(size=256)))
        begun = [client.post("/v1/jobs", files=files, data=MANY) for _ in range(3)]

        assert [one.status_code for one in begun] == [202, 202, 429]
        assert begun[2].headers["retry-after"] == "5"
        for one in begun[:2]:
            client.delete(f"/v1/jobs/{one.json()['id']}")


@pytest.mark.slow
def test_the_eldest_ended_job_makes_room(make_client, png, sent):
    with make_client(limits={"max_jobs": 1}) as client:
        files = sent(("a.png", png()))
        first = client.post("/v1/jobs", files=files, data={"kind": "predict"}).json()
        waited(client, first, "done")

        assert client.post("/v1/jobs", files=files, data={"kind": "predict"}).status_code == 202
        assert client.get(f"/v1/jobs/{first['id']}").status_code == 404


def test_a_queued_job_that_is_given_up_keeps_nothing_in_memory():
    async def one_runs_and_one_waits():
        jobs, begun, files = Jobs(2), asyncio.Event(), np.zeros(8)

        async def running(_):
            begun.set()
            await asyncio.Event().wait()

        async def waiting(content, _):
            return {"bytes": content.nbytes}

        jobs.start("explain", running)
        job, kept = jobs.start("predict", partial(waiting, files)), weakref.ref(files)
        await begun.wait()
        jobs.cancel(job.id)
        del files
        await asyncio.sleep(0.01)
        forgotten = kept() is None
        jobs.close()
        return forgotten

    assert asyncio.run(one_runs_and_one_waits())


def test_old_jobs_are_no_obstacle_to_the_end_of_the_service(monkeypatch):
    async def one_ends():
        jobs = Jobs(2)

        async def work(_):
            return {}

        job = jobs.start("predict", work)
        while not job.ended:
            await asyncio.sleep(0)
        monkeypatch.setattr("gadolin.server.jobs._KEPT_SECONDS", -1)
        jobs.close()

    asyncio.run(one_ends())


def test_a_job_names_what_it_does_in_each_state():
    async def states():
        jobs, told = Jobs(3), []

        async def work(job):
            told.append(job.as_json()["progress"])
            job.advance(1, 2, "lime")
            raise CancelledError if job.kind == "explain" else ValueError

        for kind in ("explain", "predict"):
            job = jobs.start(kind, work)
            told.append(job.as_json()["progress"])
            while not job.ended:
                await asyncio.sleep(0)
            told.append(job.as_json()["progress"])
        jobs.close()
        return [(one["done"], one["total"], one["what"]) for one in told]

    begin = [(0, 1, "waiting"), (0, 1, "decode")]
    assert asyncio.run(states()) == [*begin, (1, 2, "cancelled"), *begin, (1, 2, "failed")]


def test_a_job_says_where_it_is_and_when_to_ask_again_until_it_has_ended(client, png, sent):
    begun = client.post("/v1/jobs", files=sent(("a.png", png(size=256))), data=MANY)
    working = waited(client, begun.json(), "running")

    assert begun.headers["location"] == f"jobs/{begun.json()['id']}"
    assert (begun.headers["retry-after"], working.headers["retry-after"]) == ("1", "1")
    assert working.json()["progress"]["unit"] == "samples"
    client.delete(f"/v1/jobs/{begun.json()['id']}")
    quick = client.post("/v1/jobs", files=sent(("a.png", png())), data={"kind": "predict"}).json()
    ended = waited(client, quick, "done")
    assert "retry-after" not in ended.headers
    client.delete(f"/v1/jobs/{quick['id']}")


@pytest.mark.parametrize(
    ("method", "unit", "total"), [("evidence", "slices", 3), ("lime", "samples", 360), ("shap", "samples", 360)]
)
@pytest.mark.slow
def test_progress_is_counted_in_the_units_of_the_method(method, unit, total, predictor):
    pictures = [Slice(np.asarray(one.pixels, np.float32)) for one in draw_patient("glioma", 0, slices=5, size=96)[1:4]]
    asked = [
        PredictRequest("a", Found(None, False, prepare(one, predictor.bundle.preparation), one)) for one in pictures
    ]
    wanted, told = ExplainRequest(method, None, Options(samples=120, pieces=12)), []

    explain(predictor, asked, wanted, progress=lambda *each: told.append(each))

    assert wanted.unit == unit
    assert {(whole, what) for _, whole, what in told} == {(total, method)}
    assert [done for done, _, _ in told] == sorted(done for done, _, _ in told)
    assert max(done for done, _, _ in told) <= total
