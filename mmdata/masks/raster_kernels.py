"""Compiled: the points and the pixels of rings. Import after `mmdata.masks.compiled.ready` said yes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmdata.jit import kernel
from mmdata.masks.flat_polygons import FAR as _FAR
from mmdata.masks.run_lengths import Runs

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
def coco_extents(
    points: NDArray[np.float64], sizes: Runs, counts: Runs, height: int, width: int
) -> NDArray[np.int64]:
    """Box and number of the pixels of several objects, by pycocotools' rule.

    Args:
        points: of all rings, ring after ring, float64 (n, 2), none of them far.
        sizes: points of each ring, at least 3, int64 (rings,).
        counts: rings of each object, int64 (objects,).
        height: of the canvas, pixels.
        width: of the canvas, pixels.

    Returns:
        int64 (objects, 5): left, top, width, height, number of pixels; zeros where there is none.
    """
    result = np.zeros((len(counts), 5), np.int64)
    at = ring = 0
    for number in range(len(counts)):
        own = sizes[ring : ring + counts[number]]
        total = own.sum()
        part, left, top = coco_part(points[at : at + total], own, height, width)
        at, ring = at + total, ring + len(own)
        x1, y1, x2, y2, pixels = part.shape[1], 0, 0, 0, 0
        for y in range(part.shape[0]):
            row = part[y]
            here = 0
            for x in range(len(row)):
                here += row[x]
            if here:
                if not pixels:
                    y1 = y
                y2 = y + 1
                pixels += here
                first, last = 0, len(row)
                while not row[first]:
                    first += 1
                while not row[last - 1]:
                    last -= 1
                x1, x2 = min(x1, first), max(x2, last)
        if pixels:
            result[number, 0], result[number, 1] = left + x1, top + y1
            result[number, 2], result[number, 3], result[number, 4] = x2 - x1, y2 - y1, pixels
    return result


@kernel
def coco_part(
    points: NDArray[np.float64], sizes: Runs, height: int, width: int
) -> tuple[NDArray[np.uint8], int, int]:
    """The pixels of one object by pycocotools' rule, on as much of the canvas as can hold them.

    Args:
        points: of its rings, ring after ring, float64 (n, 2), none of them far.
        sizes: points of each ring, at least 3, int64 (rings,).
        height: of the canvas, pixels.
        width: of the canvas, pixels.

    Returns:
        uint8 (h, w) of 0 and 1; the column and the row of the canvas that its first pixel is.
    """
    low_x = high_x = points[0, 0]
    low_y = high_y = points[0, 1]
    for i in range(1, len(points)):
        x, y = points[i, 0], points[i, 1]
        low_x, high_x = min(low_x, x), max(high_x, x)
        low_y, high_y = min(low_y, y), max(high_y, y)
    # Points are rounded to a fifth of a pixel, outside of the canvas to the other side: a margin of one holds that.
    left, top = min(max(int(low_x) - 1, 0), width), min(max(int(low_y) - 1, 0), height)
    wide = max(min(int(high_x) + 2, width) - left, 0)
    high = max(min(int(high_y) + 2, height) - top, 0)
    canvas = np.zeros((high, wide), np.uint8)
    if not wide or not high:
        return canvas, left, top
    above, before = _held(top, high, height), _held(left, wide, width)
    spare, at = canvas, 0
    for number in range(len(sizes)):
        if number == 1:
            spare = np.zeros_like(canvas)
        x1, y1, x2, y2 = coco_ring(spare, points[at : at + sizes[number]], above, before)
        at += sizes[number]
        if number:
            for y in range(y1, y2):
                for x in range(x1, x2):
                    canvas[y, x] |= spare[y, x]
                    spare[y, x] = 0
    return canvas, left, top


@kernel
def _held(first: int, count: int, lines: int) -> NDArray[np.int64]:
    """For `coco_ring`: of so many lines, `count` from `first` on are held."""
    result = np.empty(lines + 1, np.int64)
    for line in range(lines + 1):
        result[line] = min(max(line - first, 0), count)
    return result


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
