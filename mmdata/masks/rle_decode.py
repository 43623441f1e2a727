"""RLE to pixels: C-contiguous arrays, every pixel written or zero, never memory that nobody filled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmdata.masks import rle as checked
from mmdata.masks.rle import LIMIT_PIXELS, RLEError

Mask: TypeAlias = NDArray[np.uint8]


def decode(rle: Mapping[str, Any], *, limit_pixels: int = LIMIT_PIXELS) -> Mask:
    """The pixels of an RLE, uint8 (h, w), C-contiguous, 0 and 1 (``.view(bool)`` costs nothing).

    Args:
        rle: ``{"size": [height, width], "counts": str | bytes | list[int]}``.
        limit_pixels: largest ``height * width`` accepted; nothing is allocated before this is checked.

    Raises:
        RLEError: it is no RLE; `RLEError.kind` says how.
    """
    height, width = checked.size_of(rle, limit_pixels=limit_pixels)
    lengths = checked.runs(rle, limit_pixels=limit_pixels)
    values = (np.arange(len(lengths)) & 1).astype(np.uint8)
    return np.ascontiguousarray(np.repeat(values, lengths).reshape(width, height).T)


def decode_many(
    rles: Sequence[Mapping[str, Any]],
    *,
    size: tuple[int, int] | None = None,
    limit_pixels: int = LIMIT_PIXELS,
) -> Mask:
    """The pixels of RLEs of one size, uint8 (n, h, w), C-contiguous, in their order.

    Args:
        rles: RLEs of the same size.
        size: (height, width) that all must have; needed only for an empty list.
        limit_pixels: largest ``height * width`` accepted of one mask.

    Raises:
        RLEError: one is no RLE, or has another size; the message says which.
    """
    sizes = [checked.size_of(rle, limit_pixels=limit_pixels) for rle in rles]
    height, width = size or (sizes[0] if sizes else (0, 0))
    for number, found in enumerate(sizes):
        if found != (height, width):
            raise RLEError("size", f"mask {number} has the size {list(found)}, expected {[height, width]}")
    result = np.zeros((len(rles), height, width), np.uint8)
    for number, rle in enumerate(rles):
        try:
            result[number] = decode(rle, limit_pixels=limit_pixels)
        except RLEError as error:
            raise RLEError(error.kind, f"mask {number}: {error}") from None
    return result
