"""Options of the explanation methods."""

from __future__ import annotations

from dataclasses import dataclass

from gadolin.errors import RequestError

__all__ = ["Options"]


@dataclass(frozen=True, slots=True)
class Options:
    """Options of perturbation methods such as LIME and SHAP.

    ``samples``: largest number of model evaluations; ``seed``: of random choices; ``pieces``: approximate number of
    superpixels of the head; ``grids``: largest number of different segmentations, which share the samples and whose
    maps are averaged; ``fill``: replacement for removed superpixels, "blur", "mean" or "inpaint".
    """

    samples: int = 1000
    seed: int = 0
    pieces: int = 60
    fill: str = "blur"
    grids: int = 4

    def __post_init__(self) -> None:
        """Refuse values out of range."""
        if self.samples < 2:
            raise RequestError(
                code="samples_out_of_range",
                rule="a map needs 2 samples or more",
                got=f"got {self.samples}",
                remedy="1000 is the usual choice",
            )
        if not 1 <= self.grids <= 64:
            raise RequestError(
                code="grids_out_of_range",
                rule="grids must be 1 to 64",
                got=f"got {self.grids}",
                remedy="4 is the usual choice",
            )
        if self.seed < 0:
            raise RequestError(
                code="seed_out_of_range",
                rule="the seed must be 0 or more",
                got=f"got {self.seed}",
                remedy="0 is the usual choice",
            )
