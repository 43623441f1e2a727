"""Compiled: polygon files from their bytes, and a first look at their rings. Import after `compiled.ready` said yes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mmdata.jit import kernel

_MAX_DIGITS = 15
_POWERS = 10.0 ** np.arange(_MAX_DIGITS + 1)
"""Integers below 10**15 and powers of ten up to 10**15 are exact floats: their quotient is rounded once, as it must be."""

_SMALL = float(1 << 30)
_COMMA, _MINUS, _POINT, _ZERO, _OPEN, _CLOSE = 44, 45, 46, 48, 91, 93


@kernel
def nested(
    data: NDArray[np.uint8],
) -> tuple[bool, NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Points, ring offsets and object offsets of the text ``[[[[x, y], …], …], …]``.

    Args:
        data: one JSON value; it must be known to be valid JSON.

    Returns:
        Whether it is an ordinary list of polygons: without empty lists, exponents, and numbers of more than 15 digits.
        If so, points float64 (n, 2), ring_offsets int64 (rings + 1,), object_offsets int64 (objects + 1,), with exactly
        the values that a JSON parser gives.
    """
    # A point takes at least six bytes with its comma, a ring eight, an object ten.
    points = np.empty((len(data) // 5 + 1, 2), np.float64)
    rings, objects = np.empty(len(data) // 7 + 2, np.int64), np.empty(len(data) // 9 + 2, np.int64)
    rings[0] = objects[0] = 0
    n_points = n_rings = n_objects = depth = column = 0
    at, closed = 0, False
    while at < len(data):
        char = data[at]
        if char in (32, 9, 10, 13):
            at += 1
        elif char == _OPEN:
            # A list opens where a value belongs: at the start, after another opening, after a comma.
            if closed or depth == 4:
                return False, points, rings, objects
            depth += 1
            at += 1
        elif char == _CLOSE:
            if depth == 4:
                if column != 2:
                    return False, points, rings, objects
                n_points, column = n_points + 1, 0
            elif not closed:  # an empty list
                return False, points, rings, objects
            elif depth == 3:
                n_rings += 1
                rings[n_rings] = n_points
            elif depth == 2:
                n_objects += 1
                objects[n_objects] = n_rings
            depth -= 1
            at += 1
            closed = True
        elif char == _COMMA:
            closed = False
            at += 1
        else:
            negative = char == _MINUS
            if negative:
                at += 1
            value, digits, fraction = 0, 0, -1
            while at < len(data):
                digit = int(data[at]) - _ZERO
                if 0 <= digit < 10:
                    value, digits = 10 * value + digit, digits + 1
                    fraction += fraction >= 0
                elif data[at] == _POINT and fraction < 0:
                    fraction = 0
                else:
                    break
                if digits > _MAX_DIGITS:
                    return False, points, rings, objects
                at += 1
            if depth != 4 or not digits or column == 2 or (at < len(data) and data[at] in (101, 69)):
                return False, points, rings, objects
            number = float(value)
            if fraction > 0:
                number /= _POWERS[fraction]
            points[n_points, column] = -number if negative else number
            column += 1
            closed = True
    whole = depth == 0 and n_objects > 0
    return whole, points[:n_points], rings[: n_rings + 1], objects[: n_objects + 1]


@kernel
def surely_sound(
    points: NDArray[np.float64], ring_offsets: NDArray[np.int64]
) -> tuple[bool, float, float, float, float]:
    """Whether every ring has three points or more and encloses an area, and every coordinate is a whole number of 31 bits.

    Where it is not so, or cannot be told from the sum of a ring alone, the answer is no.

    Args:
        points: of all rings, float64 (n, 2), n at least 1.
        ring_offsets: int64 (rings + 1,).

    Returns:
        That, and least x, least y, greatest x, greatest y.
    """
    left, top = right, bottom = points[0, 0], points[0, 1]
    for ring in range(len(ring_offsets) - 1):
        first, stop = ring_offsets[ring], ring_offsets[ring + 1]
        if stop - first < 3:
            return False, left, top, right, bottom
        doubled = 0
        start_x, start_y = points[first, 0], points[first, 1]
        before_x = before_y = 0
        for k in range(first, stop):
            x, y = points[k, 0], points[k, 1]
            if not (-_SMALL < x < _SMALL and -_SMALL < y < _SMALL and x == np.trunc(x) and y == np.trunc(y)):
                return False, left, top, right, bottom
            left, right = min(left, x), max(right, x)
            top, bottom = min(top, y), max(bottom, y)
            # The edges from and to the first point add nothing: the sum is taken from there.
            here_x, here_y = np.int64(x - start_x), np.int64(y - start_y)
            doubled += before_x * here_y - here_x * before_y
            before_x, before_y = here_x, here_y
        if doubled == 0:
            return False, left, top, right, bottom
    return True, left, top, right, bottom
