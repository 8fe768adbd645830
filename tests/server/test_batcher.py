"""Tests of the batcher: every slice is processed; predictions come first, explanations in between."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from gadolin.models.runtime import NetworkOutput
from gadolin.server.batcher import Batcher
from gadolin.server.problems import ProblemError


class Slow:
    """A model whose logits are the first pixels of slices; it waits to be released and records its batches."""

    def __init__(self, strange=True):
        self.asked, self.strange = [], strange
        self.begun, self.go = threading.Semaphore(0), threading.Semaphore(0)

    def run_network(self, prepared):
        self.begun.release()
        assert self.go.acquire(timeout=30)
        first = prepared[:, 0, 0].astype(np.float32)
        self.asked.append(first.astype(int).tolist())
        if 255 in self.asked[-1]:
            raise LookupError
        return NetworkOutput(
            first[:, None], first[:, None], first[:, None, None, None], first if self.strange else None
        )


def slices(*numbers):
    return np.stack([np.full((2, 2), number, np.uint8) for number in numbers])


@pytest.fixture
def model():
    return Slow()


@pytest.fixture
def batcher(model):
    made = Batcher(model)
    yield made
    model.go.release(1000)
    made.close()


def patiently(batcher, prepared):
    """Send a request as an explanation does; return the thread and the list for its output."""
    told = []

    def ask():
        try:
            told.append(batcher.patiently(prepared))
        except ProblemError as error:
            told.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    return thread, told


def test_predictions_overtake_what_an_explanation_asks_and_both_go_on(model, batcher):
    thread, told = patiently(batcher, slices(*range(1, 13)))
    assert model.begun.acquire(timeout=30)
    first = [batcher.submit(slices(number)[0]) for number in (101, 102)]
    model.go.release()
    assert model.begun.acquire(timeout=30)
    second = batcher.submit(slices(103)[0])
    model.go.release(100)

    assert [float(one.result(30).logits[0, 0]) for one in (*first, second)] == [101, 102, 103]
    thread.join(30)
    assert told[0].logits[:, 0].tolist() == list(range(1, 13))
    assert told[0].ood_score.tolist() == list(range(1, 13))
    numbers = [batch for batch in model.asked if batch[0] > 100]
    assert numbers == [[101, 102], [103]]
    places = [model.asked.index(batch) for batch in numbers]
    assert places[1] == places[0] + 2, "an explanation runs between the two"
    assert len(model.asked[places[0] + 1]) == 1, "with one slice, because a prediction waits"


def test_without_predictions_an_explanation_is_answered_in_large_batches(model, batcher):
    thread, told = patiently(batcher, slices(*range(1, 41)))
    model.go.release(100)
    thread.join(30)
    assert told
    assert max(map(len, model.asked)) == 8


def test_a_stream_of_predictions_does_not_stop_an_explanation(model, batcher):
    waiting = [batcher.submit(slices(100)[0])]
    assert model.begun.acquire(timeout=30)
    waiting += [batcher.submit(slices(100)[0]) for _ in range(160)]
    thread, told = patiently(batcher, slices(*range(1, 17)))
    while len(batcher._patient) < 16:
        time.sleep(0.001)
    model.go.release(100)

    for one in waiting:
        one.result(30)
    thread.join(30)
    assert told
    kinds = ["".join(sorted({"p" if number == 100 else "e" for number in batch})) for batch in model.asked]
    assert "pe" not in kinds
    assert kinds[: kinds.index("e") + 3] == ["p", "p", "e", "p", "e"], "they run after each batch"
    assert {len(batch) for batch in model.asked if batch[0] < 100} == {8}, "with half its size"


def test_a_model_that_tells_no_strangeness_is_asked_too():
    model = Slow(strange=False)
    model.go.release(100)
    batcher = Batcher(model)
    assert batcher.patiently(slices(1, 2, 3, 4, 5)).ood_score is None
    assert batcher.submit(slices(1)[0]).result(30).ood_score is None
    batcher.close()


def test_what_the_model_fails_at_is_told_to_those_who_wait_and_the_rest_go_on(model, batcher):
    model.go.release(100)
    with pytest.raises(LookupError):
        batcher.submit(slices(255)[0]).result(30)
    with pytest.raises(LookupError):
        batcher.patiently(slices(255))
    assert batcher.submit(slices(1)[0]).result(30).logits[0, 0] == 1


def test_a_batcher_that_is_closed_answers_predictions_and_gives_up_explanations(model):
    batcher = Batcher(model)
    thread, told = patiently(batcher, slices(*range(1, 13)))
    assert model.begun.acquire(timeout=30)
    waiting = batcher.submit(slices(100)[0])
    closing = threading.Thread(target=batcher.close)
    closing.start()
    while not batcher._closed:
        time.sleep(0.001)
    model.go.release(100)
    closing.join(30)
    thread.join(30)

    assert waiting.result(0).logits[0, 0] == 100
    assert (told[0].status, told[0].code) == (503, "ending")
    for ask in (lambda: batcher.submit(slices(1)[0]), lambda: batcher.patiently(slices(1))):
        with pytest.raises(ProblemError) as caught:
            ask()
        assert caught.value.code == "ending"


@pytest.mark.slow
def test_the_service_asks_its_model_through_the_batcher_alone(make_client, predictor, png, sent, monkeypatch):
    from gadolin.models.predictor import Predictor

    askers = set()
    ask = Predictor.run_network

    def watched(self, prepared):
        if self is predictor:
            askers.add(threading.current_thread().name)
        return ask(self, prepared)

    monkeypatch.setattr(Predictor, "run_network", watched)
    files = sent(("a.png", png()))
    with make_client() as client:
        for method in ("evidence", "lime", "shap"):
            data = {"method": method, "samples": 40, "pieces": 8}
            assert client.post("/v1/explain", files=files, data=data).status_code == 200
        assert client.post("/v1/predict", files=files, data={"include": "evidence"}).status_code == 200

    assert askers == {"network"}
