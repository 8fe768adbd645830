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

from gadolin.bundle import model_place, read_bundle, require_weights
from gadolin.errors import BundleError, DataError, WeightsError
from gadolin.lineage import lineage, shipped_learned
from gadolin.manifest import file_digest, read_manifest
from gadolin.network import Classifier
from gadolin.network.backbones import backbone
from gadolin.network.heads import Head
from gadolin.records import Record
from gadolin.training.imagenet import BACKBONE_KEY, PACKAGES, packaged_weights

__all__ = ["NAMED", "OTHER_CHOICES", "localise", "require_unseen", "start_from", "weights_facts"]

_LOG = logging.getLogger(__name__)
_PATIENCE = 10  # seconds
_DECODER = "head.upwards."
_CLASSIFIER = ("conv_head.", "bn2.", "classifier.", "fc.", "head.")  # of timm's models, after the last map

OTHER_CHOICES = "give --weights none, shipped, a .safetensors file, a run folder or a bundle"
NAMED = ("none", "imagenet", "shipped")
"""What is no path."""


def start_from(network: Classifier, backbone_name: str, weights: str, classes: tuple[str, ...] = ()) -> dict[str, Any]:
    """Load weights in place and return facts for the run's record.

    ``weights`` is "none", "imagenet" (through timm and the hub), "shipped" (the
    model that comes with the package), or a path: a safetensors file (named as a whole
    classifier or as a bare backbone), a run folder or a bundle. The backbone must fit. Of the head a decoder is kept
    that fits, and all of it where a run or bundle names the same ``classes``; else it starts anew.
    Raises WeightsError where they cannot be had or do not fit.
    """
    if weights == "none":
        return {"weights": "none"}
    if weights == "imagenet":
        name, state = _imagenet(backbone_name)
        _load(network, state, name)
        return {"weights": "imagenet", "weights_source": name}
    place = model_place(weights)
    path = _file(weights)
    _require_same_backbone(path, backbone_name)
    state = _read(path)
    _load(network, _of_backbone(state), str(path))
    same = not place.is_file() and read_bundle(place).classes == classes
    head = _load_head(network.head, state, same=same)
    return weights_facts(weights) | {"weights_head": head, "went_on_from": list(_lineage(weights))}


def localise(weights: str) -> bool:
    """Tell whether ``weights`` are of a network that learned from outlines where lesions are."""
    if weights in ("none", "imagenet"):
        return False
    path = _file(weights)
    try:
        with safe_open(path, "pt") as content:
            return any(name.startswith(_DECODER) for name in content.keys())  # noqa: SIM118  # it is no dictionary
    except (OSError, SafetensorError) as error:
        raise _damaged(path, error) from error


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


def require_unseen(weights: str, records: Iterable[Record]) -> None:
    """Raise DataError where ``weights`` are of a run that learned from what is held out among ``records``.

    What the shipped model learned from is not listed with it: where weights are its own, or go on from it, a warning
    says what it was.
    """
    if told := shipped_learned(_lineage(weights)):
        _LOG.warning(told)
    listed = _manifest_of(weights)
    if listed is None:
        return
    seen = {one.key: one.split for one in read_manifest(listed, verify=False)}
    wrong = [
        one.name
        for one in records
        if (one.split == "test" and seen.get(one.key) in ("train", "validation"))
        or (one.split == "validation" and seen.get(one.key) == "train")
    ]
    if wrong:
        raise DataError(
            code="held_out_was_learned",
            rule="what is held out must be new to the weights",
            got=f"{len(wrong)} slices are not, such as {wrong[0]}",
            remedy=(
                f"give {listed} as the data, whose parts are those that the weights were learned "
                "with, or to a cross-validation the folds, seed and share of validation of that "
                "before"
            ),
        )


def _manifest_of(weights: str) -> Path | None:
    """Return the manifest of the run that ``weights`` are of, where they are of one that is here."""
    if weights in NAMED:
        return None
    place = Path(weights).resolve()
    runs = (each for each in (place, *list(place.parents)[:2]) if (each / "run.json").is_file())
    return next((each / "manifest.csv" for each in runs if (each / "manifest.csv").is_file()), None)


def _lineage(weights: str) -> tuple[str, ...]:
    """Return the digests of the weights that training starts from, and of what these went on from; newest first."""
    if weights in ("none", "imagenet"):
        return ()
    path = _file(weights)
    digest = file_digest(path)
    try:
        own = lineage(read_bundle(path.parent))
    except BundleError:  # a file alone
        return (digest,)
    return own if own[0] == digest else (digest,)


def weights_facts(weights: str) -> dict[str, str]:
    """Return what a run records of where it starts from: the name, and of a file its digest; raises WeightsError."""
    if weights in ("none", "imagenet"):
        return {"weights": weights}
    return {"weights": Path(weights).name, "weights_digest": file_digest(_file(weights))}


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


def _file(weights: str) -> Path:
    path = model_place(weights)
    if path.is_file():
        return path
    if not path.exists():
        raise WeightsError(
            code="weights_not_found",
            rule="weights must be none, imagenet, shipped or a path",
            got=f"{path} does not exist",
            remedy=OTHER_CHOICES,
        )
    try:
        return require_weights(read_bundle(path))
    except BundleError as error:
        raise WeightsError(**error.fields()) from error


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
    """Load what fits of a head in place; ``same`` tells whether it scores the same classes."""
    wanted = head.state_dict()
    own = {name.removeprefix("head."): tensor for name, tensor in state.items() if name.startswith("head.")}
    kept = {name: tensor for name, tensor in own.items() if same or f"head.{name}".startswith(_DECODER)}
    fits = all(name in wanted and wanted[name].shape == tensor.shape for name, tensor in kept.items())
    if not kept or not fits or (same and wanted.keys() - kept.keys() - {"lesion"}):
        return "anew"
    head.load_state_dict({**wanted, **kept})
    return "kept" if same else "decoder kept"
