"""pycocotools' polygon rule without its dense boundary: only the places where an edge enters the next column.

pycocotools (``rleFrPoly``) multiplies points by five, rounds, walks every step of every edge, and keeps the steps that
pass from column 5c + 2 to 5c + 3 of the fine grid, the middle of pixel column c. There it toggles from the pixel row
of that step downward. These steps are computed here directly, in the same double arithmetic, so that they are the
same to the bit; work and memory follow the columns that edges cross, not their length.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmdata.masks.run_lengths import Runs

_Floats: TypeAlias = NDArray[np.float64]


def coco_spans(rings: Sequence[_Floats], height: int, width: int) -> tuple[Runs, Runs]:
    """Start and end (exclusive) of every run of 1s of every ring, in the column-major sequence, ring after ring.

    Args:
        rings: float64 (n, 2) each, n at least 1, coordinates within 10 million.
        height: of the canvas, pixels.
        width: of the canvas, pixels.
    """
    sizes = np.array([len(ring) for ring in rings])
    start, stop, ring = coco_stretches(np.concatenate(rings), sizes, height, width)
    shift = ring * (height * width + 1)
    return start - shift, stop - shift


def coco_stretches(points: _Floats, sizes: Runs, height: int, width: int) -> tuple[Runs, Runs, Runs]:
    """As `coco_spans`, each ring's spans in a stretch of their own; and the number of each span's ring.

    Args:
        points: of all rings, ring after ring, float64 (n, 2), coordinates within 10 million.
        sizes: points of each ring, at least 1, int64 (rings,).
        height: of the canvas, pixels.
        width: of the canvas, pixels.

    Returns:
        Start and end of spans in ascending order; the stretch of ring k begins at ``k * (height * width + 1)``.
    """
    fine = np.trunc(5 * points + 0.5)
    last = np.cumsum(sizes) - 1
    following = np.arange(1, len(fine) + 1)
    following[last] = last + 1 - sizes
    owner = np.repeat(np.arange(len(sizes)), sizes)
    begin, end = fine, fine[following]
    dx, dy = np.abs(end - begin).T
    flat = dx >= dy
    swap = np.where(flat, begin[:, 0] > end[:, 0], begin[:, 1] > end[:, 1])[:, None]
    begin, end = np.where(swap, end, begin), np.where(swap, begin, end)
    low, high = np.minimum(begin[:, 0], end[:, 0]), np.maximum(begin[:, 0], end[:, 0])
    first = np.maximum(np.ceil((low - 2) / 5), 0).astype(np.int64)
    crossed = np.maximum(np.minimum(np.floor((high - 3) / 5), width - 1).astype(np.int64) - first + 1, 0)
    edge = np.repeat(np.arange(len(fine)), crossed)
    column = np.arange(len(edge)) - np.repeat(np.cumsum(crossed) - crossed, crossed) + first[edge]
    row = np.empty(len(edge), np.float64)
    for of_kind, rows_of in ((flat[edge], _rows_of_flat), (~flat[edge], _rows_of_steep)):
        chosen = edge[of_kind]
        row[of_kind] = rows_of(begin[chosen], end[chosen], column[of_kind])
    y = np.ceil(np.clip((row + 0.5) / 5 - 0.5, 0, height)).astype(np.int64)
    canvas = height * width
    # One sort for all rings: a ring's toggles lie in a stretch of their own, and their number is even.
    stretch = owner[edge] * (canvas + 1)
    toggles = np.sort(stretch + column * height + y)
    start, stop = toggles[0::2], toggles[1::2]
    some = start < stop
    start = start[some]
    return start, stop[some], start // (canvas + 1)


def _rows_of_flat(begin: _Floats, end: _Floats, column: Runs) -> _Floats:
    """Edges walked along x: the fine row, the upper of the two around the middle of the column."""
    slope = (end[:, 1] - begin[:, 1]) / (end[:, 0] - begin[:, 0])
    step = 5 * column + 2 - begin[:, 0]
    here = np.trunc(begin[:, 1] + slope * step + 0.5)
    there = np.trunc(begin[:, 1] + slope * (step + 1) + 0.5)
    upper: _Floats = np.minimum(here, there)
    return upper


def _rows_of_steep(begin: _Floats, end: _Floats, column: Runs) -> _Floats:
    """Edges walked along y: the fine row of the last step before the middle of the column is passed."""
    slope = (end[:, 0] - begin[:, 0]) / (end[:, 1] - begin[:, 1])
    rising = slope > 0
    target = 5 * column + 2
    step = np.floor((target + 0.5 - begin[:, 0]) / slope) - 3
    np.maximum(step, 1, out=step)
    # The quotient is right to a few steps; where exactly the walk passes is for its own arithmetic to say.
    for _ in range(7):
        x = np.trunc(begin[:, 0] + slope * step + 0.5)
        step += np.where(rising, x <= target, x > target)
    before: _Floats = begin[:, 1] + step - 1
    return before
