"""Tests that responses and their description cannot drift apart: every field is in the models, and no other."""

from __future__ import annotations

import json
import re

import pytest
from pydantic import ValidationError
from test_jobs import FEW, waited  # beside this file

from gadolin.phantoms import CLASSES
from gadolin.records import NOTICE
from gadolin.server import schemas

WHOLE = {"strict": True, "extra": "forbid"}
SLICE_PARTS = {"picture", "evidence"}


def checked(model, answer, status=200):
    """Return a response that must be valid and whole: no other fields, and all but those that may be absent."""
    assert answer.status_code == status, answer.text
    told = model.model_validate_json(answer.text, **WHOLE)
    return told, answer.json()


def missing(model, told):
    """Return the documented fields that a JSON object lacks."""
    return {one.alias or name for name, one in model.model_fields.items()} - set(told)


@pytest.mark.slow
def test_a_prediction_has_the_documented_fields(client, png, sent):
    files = sent(("a.png", png()), ("z/.hidden", b"x"), ("b.png", b"none"))
    plain, full = (
        client.post("/v1/predict", files=files, data={"include": include}) for include in ("", "picture,evidence")
    )

    told, document = checked(schemas.Predictions, full)
    (one,) = document["predictions"]
    assert missing(schemas.Prediction, one) == set()
    assert missing(schemas.Predictions, document) == set()
    assert [each.code for each in told.errors] == ["unknown_format"]
    assert [each.code for each in told.left_out] == ["hidden"]
    (short,) = checked(schemas.Predictions, plain)[1]["predictions"]
    assert missing(schemas.Prediction, short) == SLICE_PARTS


@pytest.mark.parametrize("fields", [{"method": "evidence"}, {"method": "evidence", "class": "pituitary"}, FEW])
def test_an_explanation_has_the_documented_fields(fields, client, png, sent):
    _, document = checked(schemas.Explanations, client.post("/v1/explain", files=sent(("a.png", png())), data=fields))

    (one,) = document["explained"]
    assert missing(schemas.ExplainedSlice, one) == set()
    assert missing(schemas.Explanation, one["explanations"][0]) == set()


@pytest.mark.parametrize("kind", ["predict", "explain"])
def test_a_job_has_the_documented_fields_from_start_to_end(kind, client, png, sent):
    begun = client.post("/v1/jobs", files=sent(("a.png", png())), data={"kind": kind})
    checked(schemas.Job, begun, 202)
    ended = waited(client, begun.json(), "done", "failed")

    told, document = checked(schemas.Job, ended)
    assert missing(schemas.Job, document) == {"problem"}
    assert isinstance(told.result, schemas.Predictions if kind == "predict" else schemas.Explanations)
    client.delete(f"/v1/jobs/{told.id}")


def test_a_failed_job_has_a_whole_problem(client, sent):
    begun = client.post("/v1/jobs", files=sent(("a.png", b"none")))
    told, document = checked(schemas.Job, waited(client, begun.json(), "done", "failed"))

    assert missing(schemas.Problem, document["problem"]) == set()
    assert (told.problem.status, told.problem.code) == (415, "unknown_format")
    client.delete(f"/v1/jobs/{told.id}")


def test_the_model_and_the_state_have_the_documented_fields(client):
    _, document = checked(schemas.Model, client.get("/v1/model"))
    assert missing(schemas.Model, document) == set()
    assert set(document["limits"]) == set(
        client.get("/openapi.json").json()["components"]["schemas"]["Limits"]["properties"]
    )
    checked(schemas.Health, client.get("/health"))
    checked(schemas.Ready, client.get("/ready"))


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("PUT", "/v1/predict", 405),
        ("GET", "/v1/jobs/none", 404),
        ("POST", "/v1/predict", 415),
        ("GET", "/v1/phantom?seed=x", 422),
    ],
)
def test_every_problem_has_the_documented_fields(method, path, status, client):
    answer = client.request(method, path)

    _, document = checked(schemas.Problem, answer, status)
    assert missing(schemas.Problem, document) == set()
    assert answer.headers["content-type"] == "application/problem+json"
    assert document["status"] == status


def test_a_field_that_no_model_has_is_noticed_at_every_depth(client, png, sent):
    document = client.post("/v1/predict", files=sent(("a.png", png())), data={"include": "evidence"}).json()
    document["predictions"][0]["evidence"]["new"] = 1

    with pytest.raises(ValidationError, match="evidence"):
        schemas.Predictions.model_validate_json(json.dumps(document), **WHOLE)


def test_every_example_of_the_document_is_valid(client):
    described = client.get("/openapi.json").json()["components"]["schemas"]
    examples = {name: one["examples"] for name, one in described.items() if "examples" in one}

    assert set(examples) == {"Predictions", "Explanations", "Job", "Problem"}
    for name, (example,) in examples.items():
        getattr(schemas, name).model_validate_json(json.dumps(example), **WHOLE)


@pytest.mark.slow
def test_the_token_is_described_where_one_is_needed(make_client, client):
    token = "a-token-of-some-length"
    with make_client(token=token) as guarded:
        told = guarded.get("/openapi.json", headers={"Authorization": f"Bearer {token}"}).json()

    assert told["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    needed = {path: operation["security"] for path, one in told["paths"].items() for operation in one.values()}
    assert {path for path, security in needed.items() if not security} == {"/health", "/ready"}
    assert "securitySchemes" not in client.get("/openapi.json").json()["components"]


def test_every_field_is_described(client):
    described = client.get("/openapi.json").json()["components"]["schemas"]

    assert [name for name, one in described.items() if not one.get("description")] == []
    fields = [(name, key, one) for name, each in described.items() for key, one in each["properties"].items()]
    assert [(name, key) for name, key, one in fields if not one.get("description")] == []


def test_every_parameter_and_limit_tells_its_values(client):
    document = client.get("/openapi.json").json()
    phantom = {one["name"]: one for one in document["paths"]["/v1/phantom"]["get"]["parameters"]}

    assert all(one["description"] for one in phantom.values())
    assert phantom["label"]["schema"]["enum"] == list(CLASSES)
    for name, most in (("seed", 2**31 - 1), ("series", 40)):
        schema = phantom[name]["schema"]
        assert (schema["minimum"], schema["maximum"], schema["default"]) == (0, most, 0)
        assert client.get(f"/v1/phantom?{name}={most + 1}").status_code == 422
    limits = document["components"]["schemas"]["Limits"]["properties"]
    assert {one["exclusiveMinimum"] for one in limits.values()} == {0}


def test_the_page_of_the_api_shows_headers_values_and_a_command(client):
    page = client.get("/docs").text

    assert "Header <code>Location</code>: URL of the job" in page
    assert page.count("Header <code>Retry-After</code>") == 2
    assert "integer, 0 to 40; default 0" in page
    assert "integer, 0 to 2147483647; default 0" in page
    assert "integer, above 0; default 1000" in page
    assert "curl -F files=@slice.png http://127.0.0.1:8000/v1/predict" in page


def test_the_page_of_the_api_shows_the_whole_document_without_a_script(client):
    document, page = client.get("/openapi.json").json(), client.get("/docs")

    assert page.headers["content-type"].startswith("text/html")
    assert NOTICE in page.text
    assert "<script" not in page.text
    assert "style=" not in page.text
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert f"<code>{method.upper()} {path}</code>" in page.text
            assert operation["summary"] in page.text
    targets = set(re.findall(r'href="#([^"]+)"', page.text))
    assert targets <= set(re.findall(r'id="([^"]+)"', page.text))
    assert set(document["components"]["schemas"]) <= set(re.findall(r'id="([^"]+)"', page.text))
    for link in re.findall(r'(?:href|src)="([^"#]+)"', page.text):
        assert client.get(f"/{link.removeprefix('./')}").status_code == 200
