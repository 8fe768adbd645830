"""Tests of metrics, request ids and the access log: they count and name requests, and tell nothing about uploads."""

from __future__ import annotations

import logging
import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gadolin.phantoms import CLASSES

SECRET = "patient-name-of-an-upload.png"


def samples(client):
    """Return each metric with its labels and value."""
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    return {
        (one.name, *sorted(one.labels.values())): one.value
        for family in text_string_to_metric_families(answer.text)
        for one in family.samples
    }


@pytest.mark.slow
def test_requests_are_counted_by_route_and_status(make_client, png, sent):
    with make_client() as client:
        client.post("/v1/predict", files=sent(("a.png", png())))
        client.post("/v1/predict", files=sent(("a.png", b"none")))
        for name in ("one", "two"):
            client.get(f"/v1/jobs/{name}")
        client.get("/nothing")
        client.get("/v1/model", headers={"Host": "evil.example"})
        found = samples(client)

    assert found["gadolin_requests_total", "/v1/predict", "200"] == 1
    assert found["gadolin_requests_total", "/v1/predict", "415"] == 1
    assert found["gadolin_requests_total", "/v1/jobs/{name}", "404"] == 2
    assert found["gadolin_requests_total", "404", "none"] == 1
    assert found["gadolin_requests_total", "/v1/model", "421"] == 1
    assert found["gadolin_request_seconds_count", "/v1/predict"] == 2
    assert found["gadolin_requests_running",] == 1, "the one that asks"


@pytest.mark.slow
def test_predictions_are_counted_by_label_and_abstention(make_client, png, sent):
    with make_client() as client:
        files = sent(*((f"{number}.png", png(number=number)) for number in range(3)))
        labels = [one["label"] for one in client.post("/v1/predict", files=files).json()["predictions"]]
        found = samples(client)

    counts = {key[1:]: value for key, value in found.items() if key[0] == "gadolin_predictions_total"}
    expected = [tuple(sorted((label or "", str(label is None).lower()))) for label in labels]
    assert counts == {key: expected.count(key) for key in expected}


def test_the_queue_is_empty_while_nothing_waits(client):
    found = samples(client)

    assert {found["gadolin_queue_length", purpose] for purpose in ("prediction", "explanation")} == {0}


def test_each_service_counts_for_itself(make_client):
    with make_client() as first, make_client() as second:
        first.get("/v1/model")

        assert ("gadolin_requests_total", "/v1/model", "200") in samples(first)
        assert ("gadolin_requests_total", "/v1/model", "200") not in samples(second)


@pytest.mark.slow
def test_there_are_only_the_documented_metrics(client, png, sent):
    client.post("/v1/predict", files=sent(("a.png", png())))

    found = {name for name, *_ in samples(client)}
    histogram = {f"gadolin_request_seconds_{part}" for part in ("bucket", "count", "sum")}
    others = {"requests_total", "requests_running", "predictions_total", "queue_length"}
    assert found == histogram | {f"gadolin_{name}" for name in others}


def test_metrics_need_the_token(make_client):
    with make_client(token="a-token-of-some-length") as client:
        assert client.get("/metrics").status_code == 401


@pytest.mark.parametrize("given", ["7b1f", "a.b_c-9", "x" * 64])
def test_a_well_formed_request_id_is_kept(given, client):
    assert client.get("/health", headers={"X-Request-ID": given}).headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["", "x" * 65, "a b", "é", "a\tb", '"'])
def test_another_request_id_is_replaced(given, client):
    answers = [client.get("/health", headers={"X-Request-ID": given.encode()}) for _ in range(2)]

    made = {one.headers["x-request-id"] for one in answers}
    assert len(made) == 2
    assert all(re.fullmatch("[0-9a-f]{16}", one) for one in made)


@pytest.mark.slow
def test_the_access_log_tells_route_status_time_and_id_and_nothing_of_the_upload(make_client, png, sent, caplog):
    caplog.set_level(logging.INFO, "gadolin")
    with make_client(access_log=True) as client:
        client.post(
            f"/v1/predict?{SECRET}", files=sent((SECRET, png())), headers={"X-Request-ID": "mine", "User-Agent": SECRET}
        )
        client.get(f"/{SECRET}")
        client.get(f"/v1/jobs/{SECRET}")
        metrics = client.get("/metrics").text

    lines = [one.getMessage() for one in caplog.records if one.name == "gadolin.access"]
    assert re.fullmatch(r"POST /v1/predict 200 \d+\.\d ms mine", lines[0])
    assert re.fullmatch(r"GET none 404 \d+\.\d ms [0-9a-f]{16}", lines[1])
    assert lines[2].startswith("GET /v1/jobs/{name} 404 ")
    assert SECRET not in caplog.text + metrics


def test_there_is_no_access_log_unless_it_is_asked_for(client, caplog):
    caplog.set_level(logging.INFO, "gadolin")
    client.get("/v1/model")

    assert [one for one in caplog.records if one.name == "gadolin.access"] == []


@pytest.mark.slow
def test_the_labels_of_metrics_are_the_classes_of_the_model(make_client, png, sent):
    with make_client() as client:
        client.post("/v1/predict", files=sent(("a.png", png())))
        labels = {key[1:] for key in samples(client) if key[0] == "gadolin_predictions_total"}

    assert {label for pair in labels for label in pair} <= {*CLASSES, "", "true", "false"}
