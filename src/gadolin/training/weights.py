"""Where training starts from: ImageNet through the hub, a file, an earlier run or bundle, or nothing."""

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
    """Load weights in place and return what the run records of them.

    A file may hold a whole classifier or a bare backbone, under this package's names or timm's; its backbone must be
    ``backbone_name``. A lesion decoder that fits is kept, and the whole head if a bundle has the same ``classes``; what
    recognises MRI sequences is kept if they are the same ``sequences``.
    Raises WeightsError where the weights are missing or do not fit.
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
    """Return whether the weights are of a network that learned from outlines where lesions are."""
    if start.file is None:
        return False
    path = _file_of(start)
    try:
        with safe_open(path, "pt") as content:
            return any(name.startswith(_DECODER) for name in content.keys())  # noqa: SIM118  # it is no dictionary
    except (OSError, SafetensorError) as error:
        raise _damaged(path, error) from error


def _file_of(start: StartingPoint) -> Path:
    assert start.file is not None, "a starting point that is neither random nor ImageNet has a file"
    return start.file


def _require_same_backbone(path: Path, backbone_name: str) -> None:
    """Raise WeightsError if a file is of another backbone: names and shapes may match and the outputs be wrong."""
    try:
        with safe_open(path, "pt") as content:
            named = (content.metadata() or {}).get(BACKBONE_KEY, backbone_name)
    except (OSError, SafetensorError) as error:
        raise _damaged(path, error) from error
    if named != backbone_name:
        raise WeightsError(
            code="weights_of_another_backbone",
            rule=f"weights must be of the backbone {backbone_name}",
            got=f"{path} contains weights of {named}",
            remedy=f"set network.backbone={named}, or give other weights",
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
    """Raise DataError if the weights were trained on slices that are held out among ``records``.

    The package does not list what its own model was trained on: where the weights come from it, a warning says what
    that was.
    """
    if notice := pretraining_notice(start.history):
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
            rule="held-out slices must be new to the weights",
            got=f"{len(wrong)} are not, such as {wrong[0]}",
            remedy=(
                f"give {run.manifest} as the data, which has the split that the weights were trained with; for a "
                "cross-validation, use its folds, seed and validation fraction"
            ),
        )


def _imagenet(backbone_name: str) -> tuple[str, dict[str, Tensor]]:
    """Return where ImageNet weights come from, a package or the hub, and the tensors of the backbone."""
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

    here = try_to_load_from_cache(f"timm/{name}", constants.SAFETENSORS_SINGLE_FILE)
    where = {"file": here} if isinstance(here, str) else {}
    try:
        if not where:
            _require_answer(constants.ENDPOINT)
        model = timm.create_model(
            name, pretrained=True, pretrained_cfg_overlay=where, features_only=True, out_indices=kind.levels
        )
    except Exception as error:
        raise WeightsError(
            code="weights_not_fetched",
            rule=f"the weights {name} could not be fetched from the hub ({type(error).__name__})",
            remedy=OTHER_CHOICES,
        ) from error
    return name, model.state_dict()


def _require_answer(address: str) -> None:
    """Raise OSError at once where nothing answers, which the hub's own client would try for a minute, and say so."""
    try:
        with urlopen(Request(address, method="HEAD"), timeout=_PATIENCE):
            pass
    except HTTPError:
        return  # an answer all the same


def _of_backbone(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the backbone's tensors under its own names, whichever way the file names them."""
    own = {name.removeprefix("backbone."): tensor for name, tensor in state.items() if name.startswith("backbone.")}
    return own or {name: tensor for name, tensor in state.items() if not name.startswith(_CLASSIFIER)}


def _load(network: Classifier, state: dict[str, Tensor], where: str) -> None:
    wanted = network.backbone.state_dict()
    counters = {name for name in wanted if name.endswith("num_batches_tracked")}
    missing = [name for name in wanted if name not in state and name not in counters]
    unknown = [name for name in state if name not in wanted]
    wrong = [name for name in wanted if name in state and state[name].shape != wanted[name].shape]
    if missing or unknown or wrong:
        first = (missing + unknown + wrong)[0]
        raise WeightsError(
            code="weights_do_not_fit",
            rule="weights must fit the recipe's backbone",
            got=(
                f"those of {where} do not: {len(missing)} tensors missing, {len(unknown)} unknown, "
                f"{len(wrong)} of another shape (first: {first})"
            ),
            remedy="use the recipe they were made with",
        )
    with torch.no_grad():
        network.backbone.load_state_dict({**wanted, **state})


def _load_head(head: Head, state: dict[str, Tensor], *, same: bool) -> str:
    """Load what fits of a head in place; ``same``: it scores the same classes."""
    wanted = head.state_dict()
    own = {name.removeprefix("head."): tensor for name, tensor in state.items() if name.startswith("head.")}
    kept = {name: tensor for name, tensor in own.items() if same or f"head.{name}".startswith(_DECODER)}
    fits = all(name in wanted and wanted[name].shape == tensor.shape for name, tensor in kept.items())
    if not kept or not fits or (same and wanted.keys() - kept.keys() - {"lesion"}):
        return "new"
    head.load_state_dict({**wanted, **kept})
    return "kept" if same else "decoder kept"
