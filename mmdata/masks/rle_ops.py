"""Set operations, crop and resize of RLEs, on the runs alone: nothing is decoded to pixels.

A *span* is a run of 1s as (start, end), end exclusive, in the column-major pixel sequence.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mmdata.errors import DataError
from mmdata.masks.raster import checked_size
from mmdata.masks.resize_rules import PickRule, line_sources
from mmdata.masks.rle import LIMIT_PIXELS, area, size_of, spans
from mmdata.masks.rle_encode import RLE, to_text
from mmdata.masks.run_lengths import RLEError, Runs
from mmdata.masks.spans import deeper, lengths_between


def iou(a: Mapping[str, Any], b: Mapping[str, Any], *, limit_pixels: int = LIMIT_PIXELS) -> float:
    """Pixels in both by pixels in either; 0.0 when neither has any (as pycocotools has it).

    Raises:
        RLEError: one is no RLE, or their sizes differ.
    """
    both = area(intersection([a, b], limit_pixels=limit_pixels))
    either = area(a, limit_pixels=limit_pixels) + area(b, limit_pixels=limit_pixels) - both
    return both / either if either else 0.0


def union(rles: Sequence[Mapping[str, Any]], *, limit_pixels: int = LIMIT_PIXELS) -> RLE:
    """The pixels in any of the masks.

    Raises:
        RLEError: there is none, one is no RLE, or their sizes differ.
    """
    return _combined(rles, 1, limit_pixels)


def intersection(rles: Sequence[Mapping[str, Any]], *, limit_pixels: int = LIMIT_PIXELS) -> RLE:
    """The pixels in every one of the masks.

    Raises:
        RLEError: there is none, one is no RLE, or their sizes differ.
    """
    return _combined(rles, len(rles), limit_pixels)


def crop(rle: Mapping[str, Any], box: tuple[int, int, int, int], *, limit_pixels: int = LIMIT_PIXELS) -> RLE:
    """The part of a mask inside a box.

    Args:
        rle: the mask.
        box: left, top, width, height in pixels; all of it must lie on the canvas.
        limit_pixels: largest ``height * width`` accepted.

    Raises:
        RLEError: it is no RLE.
        DataError: the box is empty or reaches beyond the canvas.
    """
    height, width = size_of(rle, limit_pixels=limit_pixels)
    left, top, box_width, box_height = (operator.index(n) for n in box)
    if (
        min(left, top) < 0
        or min(box_width, box_height) < 1
        or left + box_width > width
        or top + box_height > height
    ):
        raise DataError(
            f"the box {[left, top, box_width, box_height]} (x, y, w, h) is not inside {width} x {height}"
        )
    column, upper, lower = _columns(rle, limit_pixels)
    upper, lower = np.maximum(upper, top) - top, np.minimum(lower, top + box_height) - top
    keep = (column >= left) & (column < left + box_width) & (upper < lower)
    base = (column[keep] - left) * box_height
    return from_spans((box_height, box_width), *deeper(base + upper[keep], base + lower[keep], 1))


def resize(
    rle: Mapping[str, Any],
    size: tuple[int, int],
    rule: PickRule = "nearest",
    *,
    limit_pixels: int = LIMIT_PIXELS,
) -> RLE:
    """A mask at another size, every pixel taken from the nearest one.

    Args:
        rle: the mask.
        size: the new (height, width).
        rule: which pixel that is: `mmdata.masks.resize_rules` has the names, the same as for tensors.
        limit_pixels: largest ``height * width`` accepted, of both sizes.

    Raises:
        RLEError: it is no RLE, or a size is not acceptable.
        UnknownName: there is no such rule.
    """
    height, width = size_of(rle, limit_pixels=limit_pixels)
    new_height, new_width = checked_size(size, limit_pixels)
    rows, columns = line_sources(height, new_height, rule), line_sources(width, new_width, rule)
    column, upper, lower = _columns(rle, limit_pixels)
    # Sources ascend: the new rows of a piece lie together, and so do the new columns of a column.
    upper, lower = np.searchsorted(rows, upper), np.searchsorted(rows, lower)
    first = np.searchsorted(columns, column)
    times = np.where(upper < lower, np.searchsorted(columns, column, side="right") - first, 0)
    start = np.cumsum(times) - times
    new_column = np.repeat(first - start, times) + np.arange(int(times.sum()))
    base = new_column * new_height
    begin, end = base + np.repeat(upper, times), base + np.repeat(lower, times)
    return from_spans((new_height, new_width), *deeper(begin, end, 1))


def _columns(rle: Mapping[str, Any], limit_pixels: int) -> tuple[Runs, Runs, Runs]:
    """The spans cut at the columns: column, first row, and last row + 1 of every piece, in order."""
    height = size_of(rle, limit_pixels=limit_pixels)[0]
    start, end = spans(rle, limit_pixels=limit_pixels)
    first, last = start // height, (end - 1) // height
    pieces = last - first + 1
    owner = np.repeat(np.arange(len(start)), pieces)
    column = np.arange(len(owner)) - np.repeat(np.cumsum(pieces) - pieces, pieces) + first[owner]
    upper = np.maximum(start[owner] - column * height, 0)
    lower = np.minimum(end[owner] - column * height, height)
    return column, upper, lower


def _combined(rles: Sequence[Mapping[str, Any]], depth: int, limit_pixels: int) -> RLE:
    height, width, start, end = _all_spans(rles, limit_pixels)
    return from_spans((height, width), *deeper(start, end, depth))


def _all_spans(rles: Sequence[Mapping[str, Any]], limit_pixels: int) -> tuple[int, int, Runs, Runs]:
    if not rles:
        raise RLEError("mapping", "at least one mask is needed: none has no size")
    height, width = size_of(rles[0], limit_pixels=limit_pixels)
    starts, ends = [], []
    for number, rle in enumerate(rles):
        found = size_of(rle, limit_pixels=limit_pixels)
        if found != (height, width):
            raise RLEError("size", f"mask {number} has the size {list(found)}, mask 0 has {[height, width]}")
        try:
            start, end = spans(rle, limit_pixels=limit_pixels)
        except RLEError as error:
            raise RLEError(error.kind, f"mask {number}: {error}") from None
        starts.append(start)
        ends.append(end)
    return height, width, np.concatenate(starts), np.concatenate(ends)


def from_spans(size: tuple[int, int], start: Runs, end: Runs) -> RLE:
    """The RLE of spans in order, none touching another."""
    return {"size": [*size], "counts": to_text(lengths_between(start, end, size[0] * size[1]))}
