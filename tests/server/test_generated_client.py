"""A client that is generated from the OpenAPI document asks a running service."""

from __future__ import annotations

import importlib
import io
import json
import sys

import pytest

from behind_nginx import serving
from gadolin.records import NOTICE

pytest.importorskip("openapi_python_client", reason="openapi-python-client is not installed (make installs it)")
pytestmark = pytest.mark.slow


@pytest.fixture
def generated(client, tmp_path, monkeypatch):
    """Generate a client of the service; return a function that imports one of its modules."""
    from openapi_python_client import generate
    from openapi_python_client.config import Config, ConfigFile, MetaType

    document, package = tmp_path / "openapi.json", tmp_path / "gadolin_client"
    document.write_text(json.dumps(client.get("/openapi.json").json()), encoding="utf-8")
    binary = dict.fromkeys(("image/png", "application/zip"), "application/octet-stream")
    settings = ConfigFile(post_hooks=[], content_type_overrides=binary)
    problems = generate(config=Config.from_sources(settings, MetaType.NONE, document, "utf-8", True, package))
    assert [(one.header, one.detail) for one in problems] == []
    monkeypatch.syspath_prepend(str(tmp_path))
    yield lambda name: importlib.import_module(f"gadolin_client{name}")
    for name in [each for each in sys.modules if each.partition(".")[0] == "gadolin_client"]:
        del sys.modules[name]


def test_a_generated_client_is_ready_knows_the_model_and_predicts(generated, predictor, settings, png, loopback):
    with (
        serving(predictor, settings) as port,
        generated("").Client(base_url=f"http://127.0.0.1:{port}") as made,
    ):
        ready = generated(".api.state.ready").sync(client=made)
        model = generated(".api.model.model").sync(client=made)
        upload = generated(".types").File(payload=io.BytesIO(png()), file_name="a.png", mime_type="image/png")
        form = generated(".models").PredictForm(files=[upload])
        found = generated(".api.predictions.predict").sync(client=made, body=form)

    assert (ready.status, model.model) == ("ready", predictor.bundle.digest)
    (one,) = found.predictions
    assert (found.notice, one.path, one.model) == (NOTICE, "a.png", model.model)
    assert sum(one.probabilities.additional_properties.values()) == pytest.approx(1, abs=1e-4)
    assert one.abstained is (one.label is None)
