"""Tests of the list of backbones: Gadolin's own first, then every timm model that matches a pattern."""

from __future__ import annotations

import pytest

from gadolin.errors import RecipeError
from gadolin.networks.backbones import BACKBONES, Backbone, backbone, backbones


def test_names_are_listed_by_a_pattern():
    assert "resnet18" in backbones("resnet1*")
    assert backbones("compact") == ("compact",)
    assert backbones()[0] == "compact"
    assert backbones("no-such-*") == ()


def test_a_model_of_timm_cannot_be_replaced():
    assert BACKBONES.reserved("resnet18")
    assert not BACKBONES.reserved("tinynet")


@pytest.mark.parametrize("build", [lambda side: 1 / 0, lambda side: backbone("compact").build(side)])
def test_a_backbone_of_a_plugin_is_checked_against_its_description(monkeypatch, build):
    kind = Backbone("odd", build, features=(8,), strides=(32,), stages=("s",), mean=(0.2,), std=(0.2,))
    monkeypatch.setattr(BACKBONES, "_plugin", lambda name: kind)
    with pytest.raises(RecipeError) as caught:
        backbone("odd").build(64)
    assert caught.value.code == "backbone_without_feature_maps"
