"""The torch modules: from prepared slices to logits, features and evidence."""

from __future__ import annotations

from gadolin.networks.backbones import BACKBONES, Backbone
from gadolin.networks.classifier import Classifier, Output, build_classifier
from gadolin.networks.mirror_average import MirrorAverage

__all__ = ["BACKBONES", "Backbone", "Classifier", "MirrorAverage", "Output", "build_classifier"]
