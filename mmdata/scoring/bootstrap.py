"""How far a score would move with other questions of the same sort."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray


def interval(
    statistic: Callable[[NDArray[np.intp]], float], rows: int, *, resamples: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """The middle 95 % of a statistic over resamples of the rows, drawn with replacement (percentile bootstrap).

    Args:
        statistic: of an array of row numbers, each once or more.
        rows: how many rows there are.
        resamples: how many draws.
        seed: the same seed gives the same interval.
    """
    generator = np.random.default_rng(seed)
    values = [statistic(generator.integers(0, rows, rows)) for _ in range(resamples)]
    low, high = np.nanpercentile(values, (2.5, 97.5))
    return float(low), float(high)


def mean(scores: NDArray[np.float64]) -> float:
    """The mean of what is counted; nan where nothing is."""
    counted = scores[~np.isnan(scores)]
    return float(counted.mean()) if counted.size else float("nan")
