"""Compiled: the points and the pixels of rings. Import after `mmdata.masks.compiled.ready` said yes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmdata.jit import kernel
from mmdata.masks.flat_polygons import FAR as _FAR
from mmdata.masks.rle import Runs

_NEAR = float(_FAR)


@kernel
def whole(points: NDArray[np.float64], result: NDArray[np.int32]) -> bool:
    """Points (n, 2) cut toward zero into `result`; false where a coordinate is far or no number."""
    for i in range(len(points)):
        x, y = points[i, 0], points[i, 1]
        if not (-_NEAR < x < _NEAR and -_NEAR < y < _NEAR):  # NaN is not
            return False
        result[i, 0], result[i, 1] = np.int32(x), np.int32(y)
    return True


@kernel
def bounds(points: NDArray[np.int32]) -> tuple[int, int, int, int]:
    """Lowest x and y, highest x and y of points (n, 2), n at least 1."""
    left, top = points[0]
    right, bottom = left, top
    for i in range(1, len(points)):
        x, y = points[i]
        left, right = min(left, x), max(right, x)
        top, bottom = min(top, y), max(bottom, y)
    return left, top, right, bottom


@kernel
def pick(
    canvas: NDArray[np.uint8],
    rows: Runs,
    columns: Runs,
    part: tuple[int, int, int, int],
    result: NDArray[np.uint8],
) -> None:
    """Take pixel (rows[y], columns[x]) for every x and y from left, top to right, bottom (exclusive) of a result."""
    left, top, right, bottom = part
    for y in range(top, bottom):
        source, target = canvas[rows[y]], result[y]
        for x in range(left, right):
            target[x] = source[columns[x]]


@kernel
def coco_ring(
    canvas: NDArray[np.uint8], points: NDArray[np.float64], above: Runs, before: Runs
) -> tuple[int, int, int, int]:
    """Draw one ring by pycocotools' rule, as `mmdata.masks.coco_fill` describes it, in the same arithmetic.

    Args:
        canvas: zeros, uint8 (h, w), C-contiguous; may hold some rows and columns of the full canvas only.
        points: float64 (n, 2), n at least 3, on the full canvas.
        above: for every row of the full canvas, and past the last, how many rows held lie above it.
        before: for every column, and past the last, how many columns held lie before it.

    Returns:
        Left, top, right, bottom (exclusive) of what may be set; left is -1 and nothing is set where a coordinate is far
        or no number.
    """
    height, width = len(above) - 1, len(before) - 1
    held = canvas.shape[0]
    for i in range(len(points)):
        if not (-_NEAR < points[i, 0] < _NEAR and -_NEAR < points[i, 1] < _NEAR):
            return -1, 0, 0, 0
    left, top, right, bottom = canvas.shape[1], held, 0, 0
    x1, y1 = _fine(points[-1, 0]), _fine(points[-1, 1])
    for i in range(len(points)):
        x0, y0 = x1, y1
        x1, y1 = _fine(points[i, 0]), _fine(points[i, 1])
        first = max(int(np.ceil((min(x0, x1) - 2) / 5)), 0)
        last = min(int(np.floor((max(x0, x1) - 3) / 5)), width - 1)
        if last < first:
            continue
        flat = abs(x1 - x0) >= abs(y1 - y0)
        forward = x0 <= x1 if flat else y0 <= y1
        bx, by, ex, ey = (x0, y0, x1, y1) if forward else (x1, y1, x0, y0)
        slope = (ey - by) / (ex - bx) if flat else (ex - bx) / (ey - by)
        for column in range(first, last + 1):
            start, stop = before[column], before[column + 1]
            if start == stop:
                continue
            target = 5.0 * column + 2
            if flat:
                step = target - bx
                row = min(np.trunc(by + slope * step + 0.5), np.trunc(by + slope * (step + 1) + 0.5))
            else:
                row = by + _steep(bx, slope, target) - 1
            edge = min(max((row + 0.5) / 5 - 0.5, 0.0), float(height))
            y = above[int(np.ceil(edge))]
            if y < held:
                for x in range(start, stop):
                    canvas[y, x] ^= 1
            left, right = min(left, start), max(right, stop)
            top, bottom = min(top, y), max(bottom, y + 1)
    bottom = min(bottom, held)
    for y in range(top + 1, bottom):
        upper, here = canvas[y - 1, left:right], canvas[y, left:right]
        for x in range(right - left):
            here[x] ^= upper[x]
    return left, top, max(left, right), max(top, bottom)


@kernel
def _fine(value: float) -> Any:
    """On the fine grid, five steps a pixel."""
    return np.trunc(5 * value + 0.5)


@kernel
def _steep(begin: float, slope: float, target: float) -> Any:
    """The step along y before which the walk passes the middle of a column."""
    step = max(np.floor((target + 0.5 - begin) / slope) - 3, 1.0)
    # The quotient is right to a few steps; where exactly the walk passes is for its own arithmetic to say.
    for _ in range(7):
        x = np.trunc(begin + slope * step + 0.5)
        step += 1.0 if (x <= target if slope > 0 else x > target) else 0.0
    return step
