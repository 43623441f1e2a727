"""Compiled: RLE text to runs or to the box of its pixels, and runs to pixels. Import after `mmdata.masks.compiled.ready` said yes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mmdata.jit import kernel
from mmdata.masks.run_lengths import Runs

_LONGEST_SHIFT = 35


@kernel
def read(text: bytes, total: int) -> Runs:
    """The runs of RLE text, int64 (m,), if it is in order and they sum to `total` > 0; otherwise none at all."""
    runs = np.empty(len(text), np.int64)
    count = value = shift = place = before = last = 0
    for at in range(len(text)):
        digit = int(text[at]) - 48
        if digit < 0 or digit > 63:
            return runs[:0]
        value |= (digit & 31) << shift
        shift += 5
        if digit >= 32:
            if shift >= _LONGEST_SHIFT:
                return runs[:0]
            continue
        if digit & 16:
            if shift >= _LONGEST_SHIFT:
                return runs[:0]
            value -= 1 << shift
        if count > 2:
            value += before
        if value < 0 or value > total - place:
            return runs[:0]
        place += value
        before, last = last, value
        runs[count] = value
        count += 1
        value = shift = 0
    if shift or place != total:
        return runs[:0]
    return runs[:count]


@kernel
def extent(text: bytes, height: int, total: int) -> tuple[int, int, int, int, int]:
    """Left, top, right and bottom (exclusive) of the pixels of RLE text, and their number; left is -1 where `read` has none."""
    lengths = read(text, total)
    if not len(lengths):
        return -1, 0, 0, 0, 0
    place = pixels = right = bottom = 0
    left = -1
    top = height
    for i in range(len(lengths)):
        begin = place
        place += lengths[i]
        if i & 1 and place > begin:
            pixels += lengths[i]
            column, right = begin // height, (place - 1) // height
            if left < 0:
                left = column
            if column != right:
                top, bottom = 0, height
            else:
                top, bottom = min(top, begin - column * height), max(bottom, place - column * height)
    return max(left, 0), top, right + 1, bottom, pixels


@kernel
def fill(canvas: NDArray[np.uint8], runs: Runs) -> None:
    """Set the pixels of runs that sum to the canvas, on a canvas of zeros, uint8 (h, w), C-contiguous.

    A mark at every start and end of a run and wherever a run enters a column, then every row XOR the row above it,
    inside the box that has pixels.
    """
    height, width = canvas.shape
    flat = canvas.reshape(-1)
    row = column = right = bottom = 0
    left, top = width, height
    for i in range(len(runs)):
        row += runs[i]
        if row >= height:
            passed = row // height
            row -= passed * height
            if i & 1:
                right = min(column + passed + 1, width)
                for entered in range(column + 1, right):
                    flat[entered] ^= 1
                top, bottom = 0, height
            column += passed
        if column < width:
            flat[row * width + column] ^= 1
            left, right = min(left, column), max(right, column + 1)
            top, bottom = min(top, row), max(bottom, row + 1)
    xor_down(canvas, left, right, top, bottom)


@kernel
def xor_down(canvas: NDArray[np.uint8], left: int, right: int, top: int, bottom: int) -> None:
    """Every row of a box XOR all rows of the box above it, in place; a box may be empty."""
    for y in range(top + 1, bottom):
        above, here = canvas[y - 1, left:right], canvas[y, left:right]
        for x in range(right - left):
            here[x] ^= above[x]
