"""Pixels and runs to RLE, byte for byte what pycocotools writes."""

from __future__ import annotations

from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from mmdata.errors import DataError
from mmdata.masks.run_lengths import Runs
from mmdata.masks.spans import lengths_between

# Up to this many pixels pycocotools' own walk over the transposed mask is faster.
_SMALL = 1 << 17
_BLOCK = 1 << 15  # words looked at in one go: they stay in the cache
_MOST_DIGITS = 12


class RLE(TypedDict):
    """COCO's compressed RLE.

    Attributes:
        size: [height, width] in pixels.
        counts: the run lengths as text.
    """

    size: list[int]
    counts: str


class MaskError(DataError):
    """An array that is no mask: not (h, w), or values other than 0 and 1."""


def encode(mask: NDArray[Any]) -> RLE:
    """The RLE of a mask, as pycocotools writes it, ready for JSON.

    Args:
        mask: bool or integers of 0 and 1, (h, w), in any memory order.

    Raises:
        MaskError: it has another shape, or other values. A picture of 0 and 255 is made a mask by ``picture > 0``.
    """
    pixels = as_mask(mask)
    size = [*pixels.shape]
    if pixels.size > _SMALL and pixels.flags.c_contiguous:
        found = _spans(pixels, pixels.shape[0])
        if found is not None:
            return {"size": size, "counts": to_text(lengths_between(*found, pixels.size))}
    return {"size": size, "counts": _by_pycocotools(pixels)}


def encode_part(part: NDArray[np.uint8], left: int, top: int, size: tuple[int, int]) -> RLE:
    """The RLE of a mask of which all pixels lie in a part.

    Args:
        part: uint8 (h, w) of 0 and 1, C-contiguous; h and w may be 0.
        left: where the part begins, in pixels.
        top: likewise.
        size: (height, width) of the mask.
    """
    height, width = size
    found: tuple[Runs, Runs] | None = np.empty(0, np.int64), np.empty(0, np.int64)
    if part.size:
        found = _spans(part, height, left, top) if height * width > _SMALL else None
    if found is not None:
        return {"size": [height, width], "counts": to_text(lengths_between(*found, height * width))}
    pixels = np.zeros(size, np.uint8)
    pixels[top : top + part.shape[0], left : left + part.shape[1]] = part
    return {"size": [height, width], "counts": _by_pycocotools(pixels)}


def _by_pycocotools(pixels: NDArray[np.uint8]) -> str:
    import cv2
    from pycocotools import mask as reference

    if not pixels.flags.f_contiguous:
        columns = cv2.transpose(np.ascontiguousarray(pixels))
        pixels = np.asarray(columns, np.uint8).reshape(pixels.shape[::-1]).T
    counts: bytes = reference.encode(pixels)["counts"]
    return counts.decode("ascii")


def _spans(
    pixels: NDArray[np.uint8], canvas_height: int, beside: int = 0, above: int = 0
) -> tuple[Runs, Runs] | None:
    """Spans, ascending and apart, of a C-contiguous mask; None where they are so many that a plain walk is faster.

    The mask may be a part of a canvas, so many pixels from its left and upper edge.

    Every row XOR the row above it, eight pixels a word, tells where columns change; few words do.
    """
    import cv2

    width = pixels.shape[1]
    left, top, box_width, box_height = cv2.boundingRect(pixels)
    if not box_width:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    if width % 8 == 0:
        left, stop = left & ~7, (left + box_width + 7) & ~7
        words = pixels.view(np.uint64)[top : top + box_height, left // 8 : stop // 8]
    else:
        box = np.zeros((box_height, (box_width + 7) & ~7), np.uint8)
        box[:, :box_width] = pixels[top : top + box_height, left : left + box_width]
        words = box.view(np.uint64)
    n_words = words.shape[1]
    changed_words, changes, count = [], [], 0
    block = max(1, _BLOCK // n_words)
    for first in range(0, box_height + 1, block):
        # Row r of the differences is mask row r XOR r - 1; above and below the box there is nothing.
        last = min(first + block, box_height + 1)
        change = np.zeros((last - first, n_words), np.uint64)
        filled = min(last, box_height)
        change[: filled - first] = words[first:filled]
        begin = max(first, 1)
        change[begin - first :] ^= words[begin - 1 : last - 1]
        at = np.flatnonzero(change)
        count += len(at)
        if count > last * n_words // 4:
            return None
        changed_words.append(at + first * n_words)
        changes.append(change.reshape(-1)[at])
    word = np.concatenate(changed_words)
    at = np.flatnonzero(np.concatenate(changes).view(np.uint8))
    word, byte = word[at >> 3], at & 7
    row, column = word // n_words, (word % n_words) * 8 + byte
    # Down a column changes come in pairs: begin, end. Sorted by column they are the spans.
    keys = np.sort(column * (box_height + 1) + row)
    column, row = np.divmod(keys, box_height + 1)
    edges = (column + (left + beside)) * canvas_height + row + (top + above)
    start, end = edges[0::2], edges[1::2]
    apart = start[1:] != end[:-1]  # a span may go on at the top of the next column
    return start[np.append(True, apart)], end[np.append(apart, True)]


def as_mask(mask: NDArray[Any]) -> NDArray[np.uint8]:
    """A mask as uint8 (h, w) of 0 and 1, the same memory where that is possible.

    Raises:
        MaskError: it is none.
    """
    array = np.asarray(mask)
    if array.ndim != 2 or not array.size:
        raise MaskError(f"a mask has the shape (h, w), both positive, got {array.shape}")
    if array.dtype == np.bool_:
        return array.view(np.uint8)
    if array.dtype.kind not in "iu":
        raise MaskError(f"a mask holds bool or integers, got {array.dtype}")
    low, high = 0 if array.dtype.kind == "u" else int(array.min()), int(array.max())
    if low < 0 or high > 1:
        raise MaskError(f"a mask holds 0 and 1, got values from {low} to {high}; `mask > 0` makes one")
    return array if array.dtype == np.uint8 else array.astype(np.uint8)


def to_text(lengths: Runs) -> str:
    """COCO's text for run lengths (m,) that alternate between 0s and 1s, starting with 0s."""
    values = lengths.astype(np.int64)
    values[3:] -= lengths[1:-2]
    size = np.where(values < 0, ~values, values)
    digits = np.ones(len(values), np.int64)
    for bits in range(4, 4 + 5 * _MOST_DIGITS, 5):
        longer = size >= 1 << bits
        if not longer.any():
            break
        digits += longer
    end = np.cumsum(digits)
    out = np.empty(int(end[-1]), np.uint8)
    at = end - digits
    while len(values):
        more = digits > 1
        out[at] = (values & 31) + np.where(more, 80, 48)
        values, at, digits = values[more] >> 5, at[more] + 1, digits[more] - 1
    return out.tobytes().decode("ascii")
