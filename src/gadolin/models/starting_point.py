"""The starting point of training: random weights, ImageNet, the packaged model, a file, a bundle or a run."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from gadolin.datasets.manifest import file_digest
from gadolin.errors import BundleError, WeightsError
from gadolin.models.bundle import Bundle, model_place, read_bundle, require_weights
from gadolin.models.provenance import weights_history
from gadolin.models.run_folder import RunFolder

__all__ = ["OTHER_CHOICES", "StartingPoint"]

Kind = Literal["none", "imagenet", "file", "bundle", "crossval"]

OTHER_CHOICES = "give --weights none, shipped, a .safetensors file, a run folder or a bundle"


@dataclass(frozen=True)
class StartingPoint:
    """The starting point of training.

    ``text`` is what the user gave. ``kind`` is "none" (random weights), "imagenet", "file" (safetensors), "bundle"
    (also that of a run, or the packaged one) or "crossval" (a folder with a run for each fold). ``path`` is the file or
    folder, None for the first two.
    """

    text: str
    kind: Kind
    path: Path | None = None

    @classmethod
    def resolve(cls, text: StartingPoint | str) -> StartingPoint:
        """Return the starting point for ``text``: none, imagenet, shipped or a path.

        A StartingPoint is returned unchanged. Raises WeightsError if the file or folder does not exist.
        """
        if isinstance(text, StartingPoint):
            return text
        if text in ("none", "imagenet"):
            return cls(text, "none" if text == "none" else "imagenet")
        path = model_place(text)
        if path.is_file():
            return cls(text, "file", path)
        if not path.exists():
            raise WeightsError(
                code="weights_not_found",
                rule="weights must be none, imagenet, shipped or a path",
                got=f"{path} does not exist",
                remedy=OTHER_CHOICES,
            )
        return cls(text, "crossval" if (path / "folds.csv").is_file() else "bundle", path)

    @property
    def name(self) -> str:
        """The name in reports and run folders."""
        return self.text if self.path is None or self.text == "shipped" else self.path.resolve().name

    @cached_property
    def bundle(self) -> Bundle | None:
        """The bundle, or None; raises WeightsError if it is damaged."""
        if self.kind != "bundle":
            return None
        try:
            return read_bundle(self.path)
        except BundleError as error:
            raise WeightsError(**error.fields()) from error

    @cached_property
    def file(self) -> Path | None:
        """The safetensors file; None for random and ImageNet weights; raises WeightsError if it is missing."""
        if self.kind == "file":
            return self.path
        if self.kind == "crossval":
            raise WeightsError(
                code="weights_of_many_runs",
                rule="training starts from one network",
                got=f"{self.path} is a cross-validation",
                remedy="give the run folder of one fold, or start a cross-validation of the same folds from it",
            )
        if self.bundle is None:
            return None
        try:
            return require_weights(self.bundle)
        except BundleError as error:
            raise WeightsError(**error.fields()) from error

    @cached_property
    def digest(self) -> str | None:
        """The SHA-256 of the file; None without a file."""
        return None if self.file is None else file_digest(self.file)

    @property
    def run(self) -> RunFolder | None:
        """The run that produced the weights, if its folder exists."""
        return None if self.path is None else RunFolder.containing(self.path.resolve())

    @property
    def history(self) -> tuple[str, ...]:
        """The SHA-256 of the weights and of all that they were fine-tuned from, newest first; empty without a file."""
        if self.file is None or self.digest is None:
            return ()
        try:
            known = weights_history(read_bundle(self.file.parent))
        except BundleError:  # a file without a bundle
            return (self.digest,)
        return known if known[0] == self.digest else (self.digest,)

    def of_fold(self, number: int) -> StartingPoint:
        """Return the starting point for a fold: if this is a cross-validation, its run of that fold, else this one."""
        if self.kind != "crossval" or self.path is None:
            return self
        return StartingPoint(str(Path(self.text) / f"fold-{number}"), "bundle", self.path / f"fold-{number}")
