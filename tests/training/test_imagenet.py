"""Tests of ImageNet weights from a package: verified before reading and stored as safetensors.

The package is synthetic: random tensors with the published names, in a test distribution.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
import timm
import torch
from safetensors import safe_open

from gadolin.errors import MissingExtraError, WeightsError
from gadolin.extras import extra_command
from gadolin.models.starting_point import StartingPoint
from gadolin.networks import build_classifier
from gadolin.networks.backbones import backbone
from gadolin.recipe import Network
from gadolin.training import imagenet
from gadolin.training.imagenet import BACKBONE_KEY, packaged_weights
from gadolin.training.pretrained_weights import load_weights

NAME = "tf_efficientnet_lite0"
DISTRIBUTION = "made-weights"


@pytest.fixture(scope="module")
def stored():
    """Return random tensors in timm's order under other names."""
    torch.manual_seed(0)
    state = timm.create_model(NAME, pretrained=False).state_dict()
    return {
        f"_{place}": torch.rand_like(one) if one.is_floating_point() else one
        for place, one in enumerate(state.values())
    }


@pytest.fixture
def package(stored, tmp_path, monkeypatch):
    """Install a synthetic package with the tensors and use a temporary cache; return the file."""
    site = tmp_path / "site"
    facts = site / "made_weights-0.1.0.dist-info"
    facts.mkdir(parents=True)
    file = site / "made_weights" / "model.pth"
    file.parent.mkdir()
    torch.save(stored, file)
    (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {DISTRIBUTION}\nVersion: 0.1.0\n")
    (facts / "LICENSE").write_text("a licence")
    (facts / "RECORD").write_text("made_weights/model.pth,,\nmade_weights-0.1.0.dist-info/LICENSE,,\n")
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("GADOLIN_CACHE", str(tmp_path / "cache"))
    known = replace(
        imagenet.PACKAGES[NAME],
        name=DISTRIBUTION,
        file="made_weights/model.pth",
        digest=hashlib.sha256(file.read_bytes()).hexdigest(),
    )
    monkeypatch.setitem(imagenet.PACKAGES, NAME, known)
    return file


def kept(tmp_path):
    return sorted((tmp_path / "cache" / "weights").glob("*.safetensors"))


def test_the_tensors_arrive_in_the_backbone_and_the_source_is_told(package, stored):
    network = build_classifier(Network(backbone=NAME, input_size=64), 3)

    facts = load_weights(network, NAME, StartingPoint.resolve("imagenet"))

    assert facts == {"weights": "imagenet", "weights_source": f"{DISTRIBUTION} 0.1.0"}
    assert torch.equal(network.backbone.state_dict()["conv_stem.weight"], stored["_0"])


def test_they_are_kept_as_safetensors_that_name_their_backbone_with_the_licence_beside(package, tmp_path):
    packaged_weights(NAME)

    (file,) = kept(tmp_path)
    with safe_open(file, "pt") as content:
        assert content.metadata()[BACKBONE_KEY] == NAME
    assert file.with_suffix(".LICENSE").read_text() == "a licence"


def test_the_second_time_the_package_is_not_read(package, stored):
    packaged_weights(NAME)
    package.unlink()

    assert torch.equal(packaged_weights(NAME)[1]["conv_stem.weight"], stored["_0"])


def test_a_damaged_cache_is_made_again(package, stored, tmp_path):
    packaged_weights(NAME)
    kept(tmp_path)[0].write_bytes(b"damaged")

    assert torch.equal(packaged_weights(NAME)[1]["conv_stem.weight"], stored["_0"])


def test_an_altered_file_is_refused_before_it_is_read(package):
    package.write_bytes(package.read_bytes()[:-1] + b"x")

    with pytest.raises(WeightsError) as refused:
        packaged_weights(NAME)
    assert refused.value.code == "imagenet_package_changed"


def test_a_missing_package_is_named_with_its_extra(package, monkeypatch):
    monkeypatch.setitem(imagenet.PACKAGES, NAME, replace(imagenet.PACKAGES[NAME], name="not-installed-anywhere"))

    with pytest.raises(MissingExtraError) as caught:
        packaged_weights(NAME)
    assert caught.value.code == "missing_package"
    assert extra_command("imagenet") in caught.value.remedy


def test_without_a_cache_that_can_be_written_training_goes_on(package, tmp_path, monkeypatch, caplog):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("GADOLIN_CACHE", str(tmp_path / "file"))

    _, state = packaged_weights(NAME)

    assert "conv_stem.weight" in state
    assert "are not cached" in caplog.text


def test_the_variant_without_tf_is_refused_though_its_shapes_fit(package, tmp_path):
    packaged_weights(NAME)
    other = build_classifier(Network(backbone="efficientnet_lite0", input_size=64), 3)

    with pytest.raises(WeightsError) as refused:
        load_weights(other, "efficientnet_lite0", StartingPoint.resolve(str(kept(tmp_path)[0])))
    assert refused.value.code == "weights_of_another_backbone"


def test_the_statistics_are_those_that_the_weights_expect():
    kind = backbone(NAME)
    value = torch.tensor(200.0)

    assert float((value / 255 - kind.mean[0]) / kind.std[0]) == pytest.approx((200 - 127) / 128, abs=1e-6)


def test_the_backbone_computes_what_timms_whole_model_does(package):
    """Same padding, epsilon and layer order: the feature map at stride 32 equals that of timm's model."""
    network = build_classifier(Network(backbone=NAME, input_size=64), 3).eval()
    load_weights(network, NAME, StartingPoint.resolve("imagenet"))
    whole = timm.create_model(NAME, pretrained=False).eval()
    whole.load_state_dict(packaged_weights(NAME)[1])
    pictures = torch.rand(2, 3, 64, 64)

    with torch.no_grad():
        torch.testing.assert_close(network.backbone(pictures)[-1], whole.blocks(whole.bn1(whole.conv_stem(pictures))))
