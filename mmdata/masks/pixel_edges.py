"""From contours through border pixels, as OpenCV walks them, to the outline along the edges of these pixels.

OpenCV walks with the region on its left. At a pixel it looks for the next one from where it came, turning through the
background on its right: every side of the pixel that it turns past is a piece of the outline.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

_Points: TypeAlias = NDArray[np.int32]

# Directions in the order of the turn: east, north-east, north, … south-east. 8 stands for a pixel on its own.
_STEPS = [(1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (0, 0)]
_ALONE = 8
# The end of a side when it is passed with the pixel on the left, by the direction in which the side lies.
_END = {0: (1, 0), 2: (0, 0), 4: (0, 1), 6: (1, 1)}


# A point as one number, both halves at once, for a third of the work. Points are not negative and small: sums of two
# do not run over from one half into the other.
def _packed(points: _Points) -> NDArray[np.int64]:
    """Points (..., 2) as int64 (...)."""
    return np.ascontiguousarray(points).view(np.int64)[..., 0]


# The remainder by 11 of the difference of two neighbours is another one for each direction.
_CODE = np.zeros(11, np.int64)
for _code, _step in enumerate(_STEPS):
    _origin = np.array([1, 1], np.int32)
    _CODE[(_packed(_origin + np.array(_step, np.int32)) - _packed(_origin)) % 11] = _code


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

SIDES_PASSED: NDArray[np.int64] = np.full((81, 4), -1)
"""By 9 * arrival + departure: the directions of the sides that are turned past, in order, then -1."""
SIDE_ENDS = np.array([_END.get(_direction, (0, 0)) for _direction in range(8)])
"""By direction of a side: where on its pixel it ends."""
for _turn in range(81):
    _passed = _sides(*divmod(_turn, 9))
    SIDES_PASSED[_turn, : len(_passed)] = _passed

_SIDES = _USED.sum(axis=1)
_PACKED = _packed(_CORNERS)


def pixel_edges(contours: Sequence[_Points]) -> list[_Points]:
    """The outline of every contour, int32 (m, 2), m at least 4, corners only.

    Args:
        contours: outer contours and those of holes, int32 (n, 2), every pixel of them (``CHAIN_APPROX_NONE``).

    Returns:
        x from 0 to w, y from 0 to h: pixel (x, y) is the square from (x, y) to (x + 1, y + 1).
    """
    if not contours:
        return []
    pixels = _packed(np.concatenate(contours) if len(contours) > 1 else contours[0])
    first = _starts(contours)
    departure = _CODE.take((_following(pixels, first) - pixels) % 11)
    turn = 9 * _preceding(departure, first) + departure
    corners = (_PACKED.take(turn, 0) + pixels[:, None])[_USED.take(turn, 0)]
    if first is not None:
        first = np.cumsum(_SIDES.take(turn))[first - 1]
        first[0] = 0
    # Every side goes one pixel along x or along y: a corner lies where that changes.
    x = corners.view(np.int32)[::2]
    along = x != _following(x, first)
    bent = along != _preceding(along, first)
    kept = corners[bent].view(np.int32).reshape(-1, 2)
    if first is None:
        return [kept]
    ends = np.cumsum(bent)[np.append(first[1:], len(corners)) - 1].tolist()
    return [kept[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def _starts(contours: Sequence[_Points]) -> NDArray[np.int64] | None:
    """Where each contour begins among all points; None for a single one."""
    if len(contours) == 1:
        return None
    sizes = np.fromiter(map(len, contours), np.int64, len(contours))
    return np.cumsum(sizes) - sizes


def _following(values: NDArray[Any], first: NDArray[np.int64] | None) -> NDArray[Any]:
    """For every value the next one around its closed ring; rings lie one after the other, each from `first` on."""
    result = np.empty_like(values)
    result[:-1] = values[1:]
    if first is None:
        result[-1] = values[0]
    else:
        result[first[1:] - 1], result[-1] = values[first[:-1]], values[first[-1]]
    return result


def _preceding(values: NDArray[Any], first: NDArray[np.int64] | None) -> NDArray[Any]:
    """As `_following`, the value before."""
    result = np.empty_like(values)
    result[1:] = values[:-1]
    if first is None:
        result[0] = values[-1]
    else:
        result[first[0]] = values[first[1] - 1]
        result[first[1:-1]], result[first[-1]] = values[first[2:] - 1], values[-1]
    return result
