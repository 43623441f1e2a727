"""From contours through border pixels, as OpenCV walks them, to the outline along the edges of these pixels.

OpenCV walks with the region on its left. At a pixel it looks for the next one from where it came, turning through the
background on its right: every side of the pixel that it turns past is a piece of the outline.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

_Points: TypeAlias = NDArray[np.int32]

# Directions in the order of the turn: east, north-east, north, … south-east. 8 stands for a pixel on its own.
_STEPS = [(1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (0, 0)]
_ALONE = 8
# The end of a side when it is passed with the pixel on the left, by the direction in which the side lies.
_END = {0: (1, 0), 2: (0, 0), 4: (0, 1), 6: (1, 1)}

_CODE = np.zeros(9, np.int64)
for _code, (_x, _y) in enumerate(_STEPS):
    _CODE[3 * _y + _x + 4] = _code


def _sides(arrival: int, departure: int) -> list[int]:
    """The sides that are turned past between two steps, in order."""
    if _ALONE in (arrival, departure):
        return [0, 2, 4, 6]
    back = arrival + 4
    turn = (departure - back) % 8 or 8
    return [(back + k) % 8 for k in range(1, turn) if (back + k) % 2 == 0]


_CORNERS = np.zeros((81, 4, 2), np.int32)
_USED = np.zeros((81, 4), np.bool_)
for _in in range(9):
    for _out in range(9):
        for _k, _side in enumerate(_sides(_in, _out)):
            _CORNERS[9 * _in + _out, _k] = _END[_side]
            _USED[9 * _in + _out, _k] = True

_SIDES = _USED.sum(axis=1)


def pixel_edges(contours: Sequence[_Points]) -> list[_Points]:
    """The outline of every contour, int32 (m, 2), m at least 4, corners only.

    Args:
        contours: outer contours and those of holes, int32 (n, 2), every pixel of them (``CHAIN_APPROX_NONE``).

    Returns:
        x from 0 to w, y from 0 to h: pixel (x, y) is the square from (x, y) to (x + 1, y + 1).
    """
    if not contours:
        return []
    pixels = np.concatenate(contours)
    sizes = np.fromiter(map(len, contours), np.int64, len(contours))
    before, after = _neighbours(sizes)
    step = pixels[after] - pixels
    departure = _CODE[3 * step[:, 1] + step[:, 0] + 4]
    turn = 9 * departure[before] + departure
    used = _USED[turn]
    corners = (pixels[:, None] + _CORNERS[turn])[used]
    sizes = _summed(_SIDES[turn], sizes)
    before, after = _neighbours(sizes)
    # On a straight line neither coordinate changes on both sides.
    x, y = corners.T
    bent = (x[before] != x[after]) & (y[before] != y[after])
    ends = np.cumsum(_summed(bent, sizes)).tolist()
    corners = corners[bent]
    return [corners[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def _neighbours(sizes: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices of the points before and after each one, around closed rings that lie one after the other."""
    last = np.cumsum(sizes) - 1
    first = last + 1 - sizes
    before, after = np.arange(-1, last[-1]), np.arange(1, last[-1] + 2)
    before[first], after[last] = last, first
    return before, after


def _summed(values: NDArray[np.int64] | NDArray[np.bool_], sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Sums over each ring."""
    sums: NDArray[np.int64] = np.add.reduceat(values, np.cumsum(sizes) - sizes, dtype=np.int64)
    return sums
