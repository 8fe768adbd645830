"""The values of a recipe. Each field has its default, its allowed values and its help on one line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from gadolin.errors import RecipeError, RequestError
from gadolin.models.run_folder import RunFolder
from gadolin.preprocessing.prepare import Preparation
from gadolin.recipe.documents import FORMAT, checked_json, read_toml, toml_text
from gadolin.recipe.fields import choice, number, require_fields, switch, text
from gadolin.recipe.keys import changed

__all__ = ["Augmentation", "Corruptions", "Network", "Optimizer", "Recipe", "Sources"]


@dataclass(frozen=True, slots=True)
class Network:
    """The network to train. Raises RecipeError for values that are not allowed or contradict each other.

    The backbone is checked when the network is built, because that needs timm.
    """

    backbone: str = text("compact, or a timm model with feature maps", "compact")
    input_size: int = number(160, 32, 1024, "side in pixels of the network's input", multiple_of=32)
    hidden: int = number(0, 0, 65_536, "width of the dense layer before the output layer; 0 for none")
    evidence: str = choice(
        ("auto", "map", "outlines"), "auto", "evidence maps: class activation maps, or learned from lesion outlines"
    )
    no_lesion_class: str = choice(
        ("auto", "evidence", "residual"), "auto", "score of a class without lesions, with evidence from outlines"
    )
    dropout: float = number(0.2, 0, 0.99, "dropout before the output layer")
    normalise: bool = switch(True, "normalise by the backbone's mean and standard deviation; false keeps [0, 1]")
    freeze: int = number(0, 0, 4, "number of frozen backbone stages, of four; the stem is frozen with them")
    freeze_blocks: int = number(0, 0, 1000, "number of frozen blocks of the next stage")
    mirror_average: bool = switch(True, "average the predictions of a slice and its mirror image")

    def __post_init__(self) -> None:
        """Refuse values that are not allowed or contradict each other."""
        require_fields(self, "network.")
        if self.evidence == "outlines" and self.hidden:
            raise RecipeError(
                code="recipe_values_conflict",
                rule="network.evidence=outlines needs network.hidden=0",
                got=f"got {self.hidden}",
                remedy="set one of them",
            )
        if self.no_lesion_class == "residual" and (self.hidden or self.evidence == "map"):
            raise RecipeError(
                code="recipe_values_conflict",
                rule="network.no_lesion_class=residual needs evidence from outlines",
                got=f"got network.evidence={self.evidence} and network.hidden={self.hidden}",
                remedy="set network.no_lesion_class=auto",
            )


@dataclass(frozen=True, slots=True)
class Augmentation:
    """Limits of augmentation, drawn uniformly for each sample; 0 switches a step off, for ``gamma`` 1."""

    rotate_degrees: float = number(0.0, 0, 180, "largest rotation in degrees, either way")
    shift: float = number(0.0, 0, 1, "largest shift as a fraction of the side, either way")
    zoom: float = number(0.0, 0, 0.9, "largest zoom in or out, as a fraction")
    shear: float = number(0.0, 0, 2, "largest shear")
    flip: float = number(0.0, 0, 1, "probability of mirroring left to right")
    tone: float = number(0.0, 0, 1, "probability of changing the mean brightness of tissue to a value in 0.15 to 0.55")
    gamma: float = number(1.0, 1, 10, "largest exponent of the intensities; the smallest is its inverse; 1 for none")
    contrast: float = number(0.0, 0, 1, "largest relative change of contrast, either way")
    noise: float = number(0.0, 0, 1, "largest standard deviation of added noise, for intensities in 0 to 1")
    blur: float = number(0.0, 0, 1, "probability of a light blur")
    elastic: float = number(
        0.0, 0, 1, "largest typical displacement of an elastic deformation, as a fraction of the side"
    )
    mixup: float = number(0.0, 0, 100, "Beta parameter of mixup (Zhang et al. 2018); 0 for none")
    p_lesion_removal: float = number(0.0, 0, 1, "probability of covering a lesion with tissue of another slice")
    p_lesion_paste: float = number(0.0, 0, 1, "probability of pasting a lesion into a slice known to show none")
    p_style: float = number(0.0, 0, 1, "probability of mixing in the style of another slice of the batch")
    p_foreign: float = number(0.0, 0, 1, "probability of drawing a foreign lesion into a slice known to show none")
    p_inpaint: float = number(0.0, 0, 1, "fraction of removals and pastes that inpaint a region of the slice instead")

    def __post_init__(self) -> None:
        """Refuse values that are not allowed."""
        require_fields(self, "augmentation.")


@dataclass(frozen=True, slots=True)
class Corruptions:
    """Simulated artefacts of scanners, screens and users; 0 switches one off."""

    bias: float = number(0.0, 0, 3, "approximate largest logarithm of a smooth bias field")
    marks: float = number(0.0, 0, 1, "probability of burnt-in text or a frame")
    invert: float = number(0.0, 0, 1, "probability of inverted intensities")

    def __post_init__(self) -> None:
        """Refuse values that are not allowed."""
        require_fields(self, "corruptions.")


@dataclass(frozen=True, slots=True)
class Optimizer:
    """The optimizer and its learning-rate schedule."""

    name: str = choice(("adam", "adamw"), "adamw", "optimizer")
    lr: float = number(2e-3, 1e-9, 100, "largest learning rate")
    weight_decay: float = number(0.05, 0, 10, "weight decay; biases and batch norm are exempt")
    schedule: str = choice(("constant", "cosine"), "cosine", "learning rate after warm-up; cosine falls to a hundredth")
    warmup_epochs: float = number(2.0, 0, 100_000, "epochs of linear warm-up")
    clip_norm: float = number(5.0, 0, 10**9, "largest gradient norm; 0 for no limit")

    def __post_init__(self) -> None:
        """Refuse values that are not allowed."""
        require_fields(self, "optimizer.")


@dataclass(frozen=True, slots=True)
class Sources:
    """How one network learns from several sources and sequences.

    A source is ``source`` in the manifest. Slices that do not teach the kind still teach whether and where there is a
    tumour.
    """

    kinds: str = choice(
        ("all", "mixed"),
        "all",
        "sources that teach the kind of tumour: all, or only those with two or more kinds on one sequence",
    )
    draws: int = number(0, 0, 10_000_000, "slices drawn per epoch; 0 for each slice once")
    kind_share: float = number(0.5, 0, 1, "fraction of the draws that teach the kind, with balance=sources")
    outline_weight: float = number(1.0, 0, 1, "weight of outlines of tumours that do not teach the kind")
    sequence_weight: float = number(
        0.0, 0, 100, "weight of the MRI sequence loss relative to the class loss; 0 recognises none"
    )

    def __post_init__(self) -> None:
        """Refuse values that are not allowed."""
        require_fields(self, "sources.")


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides what is learned, apart from the data, the seed and the machine.

    Raises RecipeError for values that are not allowed or contradict each other.

    >>> Recipe("mine", epochs=10, optimizer=Optimizer(lr=1e-3)).optimizer.schedule
    'cosine'
    """

    name: str = text("name of the recipe in reports")
    epochs: int = number(32, 1, 100_000, "largest number of passes over the training part")
    batch_size: int = number(32, 2, 65_536, "slices per step")
    balance: str = choice(
        ("weights", "sampler", "sources", "none"),
        "weights",
        "balancing: class weights in the loss, class-balanced or source-balanced sampling, or none",
    )
    label_smoothing: float = number(0.0, 0, 0.9, "fraction of each target spread over all classes")
    ema_decay: float = number(
        0.0, 0, 0.99999, "decay of the exponential moving average (EMA) of the weights; 0 for none"
    )
    patience: int = number(0, 0, 100_000, "early stopping: epochs without a lower validation loss; 0 for no limit")
    choose: str = choice(("loss", "last"), "loss", "epoch to export: lowest validation loss, or the last")
    progressive: float = number(1.0, 0.25, 1, "fraction of the input size at the start of training; 1 for full size")
    outline_weight: float = number(1.0, 0, 1000, "weight of the outline loss relative to the class loss")
    sources: Sources = field(default_factory=Sources, metadata={"help": "Learning from several sources and sequences."})
    network: Network = field(default_factory=Network, metadata={"help": "The network."})
    augmentation: Augmentation = field(
        default_factory=Augmentation, metadata={"help": "Random changes to training slices; 0 is off, for gamma 1."}
    )
    corruptions: Corruptions = field(
        default_factory=Corruptions, metadata={"help": "Simulated artefacts of scanners, screens and users; 0 is off."}
    )
    optimizer: Optimizer = field(default_factory=Optimizer, metadata={"help": "The optimizer."})
    preparation: Preparation = field(
        default_factory=Preparation, metadata={"help": "Preparation of slices for the network; stored in the model."}
    )

    def __post_init__(self) -> None:
        """Refuse values that are not allowed or contradict each other."""
        require_fields(self)
        if self.patience and self.choose == "last":
            raise RecipeError(
                code="recipe_values_conflict",
                rule="patience (early stopping) needs choose=loss",
                got=f"got patience={self.patience} and choose=last",
                remedy="set one of them",
            )
        if self.sources.kinds == "mixed" and self.augmentation.mixup:
            raise RecipeError(
                code="recipe_values_conflict",
                rule="sources.kinds=mixed needs augmentation.mixup=0",
                got=f"got {self.augmentation.mixup}",
                remedy="set one of them",
            )

    def as_json(self) -> dict[str, Any]:
        """Return every field, nested, as a JSON object that ``from_json`` reads."""
        return {"format": FORMAT, **asdict(self)}

    def to_toml(self) -> str:
        """Return a recipe file: every key with its allowed values and help; ``from_toml`` reads it."""
        return toml_text(self)

    @classmethod
    def from_toml(cls, source: Path | str) -> Recipe:
        """Return the recipe of a TOML file or text; a str that ends in ``.toml`` is a path too.

        Missing keys come from the built-in recipe in ``base``, else from the defaults of the fields; a missing name is
        that of the file. Raises RecipeError if the file is missing, damaged, of another format, or contains an unknown
        key or invalid value.
        """
        from gadolin.recipe.presets import named_recipe

        if isinstance(source, str) and source.endswith(".toml") and "\n" not in source:
            source = Path(source)
        path = source if isinstance(source, Path) else None
        content = read_toml(source)
        del content["format"]
        try:
            start = cls("recipe")
            if "base" in content:
                start = named_recipe(content.pop("base"))
            name = {"name": path.stem} if path else {}
            return changed(start, name | content)
        except RequestError as error:
            if path is None:
                raise
            raise error.at(path) from error

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Recipe:
        """Return the recipe that ``as_json`` wrote; missing keys have the defaults of the fields.

        Raises RecipeError for another format, an unknown key or an invalid value.
        """
        return changed(cls("recipe"), checked_json(content))

    @classmethod
    def from_run(cls, folder: Path | str) -> Recipe:
        """Return the recipe of a run; raises DataError without a run, RecipeError as from_json."""
        run = RunFolder(Path(folder))
        try:
            return cls.from_json(run.read().recipe)
        except RecipeError as error:
            raise error.at(run.path) from error
