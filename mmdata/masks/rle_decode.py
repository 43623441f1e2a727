"""RLE to pixels: C-contiguous arrays, every pixel written or zero, never memory that nobody filled.

Compiled (see `mmdata.masks.compiled`), or in one of three ways, each the fastest somewhere in numpy:

- few runs on little canvas: 0 and 1 in turn, each repeated as often as its run is long, then transposed into place;
- more: a mark at every start and end of a run, then every row XOR the row above it, in 64-bit words, inside the
  columns and rows that have pixels, so that the rest of a large canvas is never touched;
- very many runs for the canvas: a mark at every change of the column-major sequence, transposed, and XOR as above.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmdata.masks import compiled
from mmdata.masks.rle import LIMIT_PIXELS, lengths_of
from mmdata.masks.run_lengths import AnyRuns, RLEError

Mask: TypeAlias = NDArray[np.uint8]

# All thresholds are measured, none matters for the result.
_REPEATED_RUNS, _REPEATED_BYTES = 6000, 1 << 20
_SMALL_CANVAS, _DENSE = 1 << 17, 64
_ROW_WISE_BYTES = 1 << 21
_IN_TURN = np.arange(8192, dtype=np.uint8) & 1


def decode(rle: Mapping[str, Any], *, limit_pixels: int = LIMIT_PIXELS) -> Mask:
    """The pixels of an RLE, uint8 (h, w), C-contiguous, 0 and 1 (``.view(bool)`` costs nothing).

    Args:
        rle: ``{"size": [height, width], "counts": str | bytes | list[int]}``.
        limit_pixels: largest ``height * width`` accepted; nothing is allocated before this is checked.

    Raises:
        RLEError: it is no RLE; `RLEError.kind` says how.
    """
    height, width, lengths = lengths_of(rle, limit_pixels)
    result = np.zeros((height, width), np.uint8)
    fill(result, lengths)
    return result


def decode_many(
    rles: Sequence[Mapping[str, Any]],
    *,
    size: tuple[int, int] | None = None,
    limit_pixels: int = LIMIT_PIXELS,
) -> Mask:
    """The pixels of RLEs of one size, uint8 (n, h, w), C-contiguous, in their order.

    Args:
        rles: RLEs of the same size.
        size: (height, width) that all must have; an empty list without it gives (0, 0, 0).
        limit_pixels: largest ``height * width`` accepted of one mask.

    Raises:
        RLEError: one is no RLE, or has another size; the message says which.
    """
    result: Mask | None = None if size is None else np.zeros((len(rles), *size), np.uint8)
    for number, rle in enumerate(rles):
        try:
            height, width, lengths = lengths_of(rle, limit_pixels)
        except RLEError as error:
            raise RLEError(error.kind, f"mask {number}: {error}") from None
        if result is None:
            result = np.zeros((len(rles), height, width), np.uint8)
        if result.shape[1:] != (height, width):
            raise RLEError(
                "size", f"mask {number} has the size {[height, width]}, expected {list(result.shape[1:])}"
            )
        fill(result[number], lengths)
    return np.zeros((0, 0, 0), np.uint8) if result is None else result


def fill(canvas: Mask, lengths: list[int] | AnyRuns) -> None:
    """Set the pixels of checked run lengths on a canvas of zeros, uint8 (h, w), C-contiguous."""
    if len(lengths) < 2:
        return
    if compiled.ready():
        compiled.kernels("rle").fill(canvas, np.asarray(lengths, np.int64))
        return
    lengths = np.asarray(lengths)
    height, width = canvas.shape
    tail = int(lengths[-1]) if len(lengths) % 2 else 0
    first, stop = int(lengths[0]) // height, width - tail // height
    if len(lengths) <= _REPEATED_RUNS and (stop - first) * height <= _REPEATED_BYTES:
        if first < stop:
            _repeated(canvas, lengths, first, stop)
        return
    if (
        canvas.size <= max(_SMALL_CANVAS, len(lengths) * _DENSE)
        and min(canvas.shape) > 1
        and lengths[1:].all()
    ):
        _toggled(canvas, np.cumsum(lengths[:-1], dtype=np.intp))
        return
    edges: AnyRuns = np.cumsum(lengths, dtype=np.int32 if canvas.size < 2**31 else np.int64)
    start, end = edges[0:-1:2], edges[1::2]
    start = start[: len(end)]
    if not lengths[1:].all():
        start, end = _merged(start, end)
    if len(start):
        fill_spans(canvas, start, end)


def _toggled(canvas: Mask, edges: NDArray[np.intp]) -> None:
    """Fill by a mark wherever the sequence changes, no two at one pixel; the whole canvas is worked on."""
    import cv2

    height, width = canvas.shape
    marks = np.zeros((width, height), np.uint8)
    marks.reshape(-1)[edges] = 1
    if width % 8:  # rows of whole words
        box = np.zeros((height, (width + 7) & ~7), np.uint8)
        cv2.transpose(marks, box[:, :width])
    else:
        box = canvas
        cv2.transpose(marks, box)
    _xor_down(box.view(np.uint64))
    # A column starts as the one before it ended, which is told by the changes in all columns before.
    passed = np.empty(width, np.uint8)
    passed[0], passed[1:] = 0, np.bitwise_xor.accumulate(box[-1, : width - 1])
    np.bitwise_xor(box[:, :width], passed, canvas)


def _merged(start: AnyRuns, end: AnyRuns) -> tuple[AnyRuns, AnyRuns]:
    """Spans without those that have no pixel, and with adjoining ones made one."""
    some = start < end
    start, end = start[some], end[some]
    apart = start[1:] != end[:-1]
    return start[np.append(True, apart)[: len(start)]], end[np.append(apart, True)[: len(end)]]


def _repeated(canvas: Mask, lengths: AnyRuns, first: int, stop: int) -> None:
    """Fill the columns `first` to `stop`, outside of which there is no pixel."""
    import cv2

    height, width = canvas.shape
    times = lengths
    if first or stop < width:
        times = lengths.copy()
        times[0] -= first * height
        if len(times) % 2:
            times[-1] -= (width - stop) * height
    ones = _IN_TURN if len(times) <= len(_IN_TURN) else np.arange(len(times), dtype=np.uint8) & 1
    columns = ones[: len(times)].repeat(times).reshape(stop - first, height)
    if height == 1 or stop - first == 1:
        canvas[:, first:stop] = columns.T
    else:
        cv2.transpose(columns, canvas[:, first:stop])


def fill_spans(canvas: Mask, start: AnyRuns, end: AnyRuns) -> None:
    """Set spans on a canvas of zeros, uint8 (h, w), C-contiguous.

    Args:
        canvas: changed in place.
        start: first pixel of every span in the column-major sequence, (n,), ascending, n at least 1.
        end: last pixel + 1 of every span; no span is empty or touches the next.
    """
    height, width = canvas.shape
    first, last = start // height, (end - 1) // height  # columns
    upper, lower = start - first * height, end - last * height  # first row, last row + 1
    left, right = int(first[0]), int(last[-1]) + 1
    long = first != last
    passes = bool(long.any())
    top, bottom = (0, height) if passes else (int(upper.min()), int(lower.max()))
    # Whole words of the canvas itself where its rows are whole words, otherwise of a box beside it.
    direct = width % 8 == 0
    if direct:
        left, right = left & ~7, (right + 7) & ~7
        box = canvas[top:bottom, left:right]
        words = canvas.view(np.uint64)[top:bottom, left // 8 : right // 8]
        marks, stride, offset = canvas.reshape(-1), width, left + top * width
    else:
        box = np.zeros((bottom - top, (right - left + 7) & ~7), np.uint8)
        words = box.view(np.uint64)
        marks, stride, offset = box.reshape(-1), box.shape[1], 0
    offset -= left + top * stride
    marks[upper * stride + first + offset] = 1
    inside = lower < bottom
    marks[lower[inside] * stride + last[inside] + offset] = 1
    if passes:
        # A span that goes on in the next column is already set at that column's first pixel.
        change = np.zeros(right - left + 1, np.int8)
        change[first[long] + 1 - left] += 1
        change[last[long] + 1 - left] -= 1
        box[0, : right - left] ^= np.cumsum(change[:-1], dtype=np.int8).view(np.uint8)
    _xor_down(words)
    if not direct:
        canvas[top:bottom, left:right] = box[:, : right - left]


def _xor_down(words: NDArray[np.uint64]) -> None:
    """Every row XOR all rows above it, in place."""
    if words.nbytes <= _ROW_WISE_BYTES:
        np.bitwise_xor.accumulate(words, axis=0, out=words)
        return
    xor = np.bitwise_xor
    rows = list(words)
    above = rows[0]
    for row in rows[1:]:
        xor(above, row, row)
        above = row
