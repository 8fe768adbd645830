"""Methods that need gradients or the torch network, implemented with Captum."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from captum.attr import IntegratedGradients, LayerAttribution, LayerGradCam, Occlusion
from torch import Tensor

from gadolin.errors import RequestError
from gadolin.explanations.explained_slice import ExplainedSlice, Heat, onto_slice
from gadolin.explanations.options import Options
from gadolin.networks import Classifier
from gadolin.networks.restore import restored
from gadolin.preprocessing.prepare import prepare

__all__ = ["gradcam", "integrated_gradients", "occlusion"]

_STEPS = 32  # on the path from black to the slice
_WINDOW, _STRIDE = 8, 16  # of the input's side: a window of an eighth, moved by a sixteenth
_AT_ONCE = 32

Attribute = Callable[[Classifier, Tensor, int], Tensor]


def gradcam(subject: ExplainedSlice, _: Options) -> tuple[Heat, int]:
    """Return Grad-CAM (Selvaraju et al., ICCV 2017) at the last feature map, with both signs."""

    def attribute(network: Classifier, scaled: Tensor, target: int) -> Tensor:
        method = LayerGradCam(_logits(network), network.last_map)
        found: Tensor = LayerAttribution.interpolate(method.attribute(scaled, target), scaled.shape[2:], "bilinear")
        return found

    return _mirror_averaged(subject, attribute), 2


def integrated_gradients(subject: ExplainedSlice, _: Options) -> tuple[Heat, int]:
    """Return integrated gradients (Sundararajan, Taly and Yan, ICML 2017) from a black slice."""

    def attribute(network: Classifier, scaled: Tensor, target: int) -> Tensor:
        method = IntegratedGradients(_logits(network))
        found: Tensor = method.attribute(scaled, target=target, n_steps=_STEPS, internal_batch_size=_AT_ONCE)
        return found

    return _mirror_averaged(subject, attribute), 2 * _STEPS


def occlusion(subject: ExplainedSlice, _: Options) -> tuple[Heat, int]:
    """Return the drop of the logit when a grey window covers the slice (Zeiler and Fergus, ECCV 2014)."""
    evaluations = 0

    def attribute(network: Classifier, scaled: Tensor, target: int) -> Tensor:
        nonlocal evaluations
        side = scaled.shape[-1]
        window, stride = max(1, side // _WINDOW), max(1, side // _STRIDE)
        evaluations += (-(-(side - window) // stride) + 1) ** 2 + 1
        found: Tensor = Occlusion(_logits(network)).attribute(
            scaled,
            sliding_window_shapes=(1, window, window),
            strides=(1, stride, stride),
            baselines=scaled[scaled > 0].mean() if bool((scaled > 0).any()) else 0.0,
            target=target,
            perturbations_per_eval=_AT_ONCE,
        )
        return found

    return _mirror_averaged(subject, attribute), evaluations


def _mirror_averaged(subject: ExplainedSlice, attribute: Attribute) -> Heat:
    """Return the mean heat of the slice and of its mirror image, mirrored back."""
    if subject.predictor is None:
        raise RequestError(
            code="method_needs_predictor",
            rule="gradients need a Gadolin model",
            got="got a callable",
            remedy="give a Predictor of a run folder, or use lime or shap",
        )
    bundle = subject.predictor.bundle
    network = restored(bundle)
    prepared = prepare(subject.image, bundle.preparation, subject.frame)
    scaled = network.input_layer.scale(torch.from_numpy(np.array(prepared[None]))).detach()
    heat = attribute(network, scaled, subject.target).detach()[0, 0]
    back = attribute(network, scaled.flip(3), subject.target).detach()[0, 0].flip(1)
    mean = ((heat + back) / 2).numpy()
    return onto_slice(mean, subject.frame.box, subject.image.pixels.shape)


def _logits(network: Classifier) -> Callable[[Tensor], Tensor]:
    return lambda scaled: network.classify(scaled).logits
