"""What can be chosen about an explanation."""

from __future__ import annotations

from dataclasses import dataclass

from gadolin.errors import RequestError

__all__ = ["Options"]


@dataclass(frozen=True, slots=True)
class Options:
    """``samples``: how often the model is asked, at most, by the methods that ask it; ``seed`` of what they draw.

    ``pieces``: about how many superpixels the head is cut into; ``grids``: in how many ways it is cut at most, which
    share the samples and of whose maps the mean is taken; ``fill``: what is seen in place of a piece that is taken
    away, "blur", "mean" or "inpaint".
    """

    samples: int = 1000
    seed: int = 0
    pieces: int = 60
    fill: str = "blur"
    grids: int = 4

    def __post_init__(self) -> None:
        """Refuse values that no map can be made with."""
        if self.samples < 2:
            raise RequestError(
                code="samples_out_of_range",
                rule="a map is made from 2 samples or more",
                got=f"got {self.samples}",
                remedy="1000 is the usual choice",
            )
        if not 1 <= self.grids <= 64:
            raise RequestError(
                code="grids_out_of_range",
                rule="a head is cut in 1 to 64 ways",
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
