"""Fuzz the API with requests that its OpenAPI document allows; each response must match the document."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")
requests = pytest.importorskip("requests", reason="it comes with schemathesis")

pytestmark = pytest.mark.fuzz


def test_what_the_document_allows_is_answered_with_a_status_that_it_names(client):
    told = client.get("/openapi.json").json()
    operations = [each.ok() for each in schemathesis.openapi.from_dict(told).get_all_operations()]
    assert len(operations) == 11

    @settings(max_examples=100, suppress_health_check=list(HealthCheck))
    @given(st.one_of([each.as_strategy() for each in operations]))
    def ask(case):
        asked = requests.Request(**case.as_transport_kwargs(base_url="http://testserver")).prepare()
        headers = {name: value for name, value in asked.headers.items() if name != "Content-Length"}
        answer = client.request(asked.method, asked.url, content=asked.body, headers=headers)
        named = told["paths"][case.operation.path][case.method.lower()]["responses"]
        assert str(answer.status_code) in named, (answer.status_code, answer.text[:300], asked.url, asked.body)
        if answer.status_code >= 400:
            assert answer.headers["content-type"] == "application/problem+json"
            assert json.loads(answer.text)["status"] == answer.status_code

    ask()
