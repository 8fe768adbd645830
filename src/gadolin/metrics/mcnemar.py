"""McNemar's test: do two models on the same slices differ by more than chance?"""

from __future__ import annotations

from gadolin.errors import RequestError

__all__ = ["mcnemar"]


def mcnemar(only_first: int, only_second: int) -> float:
    """Return the exact two-sided p value of McNemar's test (McNemar, 1947; binomial form).

    Args:
        only_first: Pairs that only the first model classified correctly, at least 0.
        only_second: Pairs that only the second model classified correctly, at least 0.

    Returns:
        The probability of a split at least as uneven if both are equally accurate; 1.0 where no pair differs.

    Raises:
        RequestError: A negative count.
    """
    if min(only_first, only_second) < 0:
        raise RequestError(
            code="value_out_of_range",
            rule="counts of pairs are at least 0",
            got=f"got {only_first} and {only_second}",
            remedy="count the discordant pairs",
        )
    trials = only_first + only_second
    term = tail = 1
    for hits in range(min(only_first, only_second)):
        term = term * (trials - hits) // (hits + 1)
        tail += term
    return min(1.0, 2 * tail / (1 << trials))
