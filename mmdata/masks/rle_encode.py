"""Pixels and runs to RLE, byte for byte what pycocotools writes."""

from __future__ import annotations

from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from mmdata.errors import DataError
from mmdata.masks.rle import Runs


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
    flat = pixels.ravel(order="F")
    starts = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    lengths = np.diff(np.concatenate([[0], starts, [len(flat)]]))
    if flat[0]:
        lengths = np.concatenate([[0], lengths])
    return {"size": [*pixels.shape], "counts": to_text(lengths)}


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
    low, high = int(array.min()), int(array.max())
    if low < 0 or high > 1:
        raise MaskError(f"a mask holds 0 and 1, got values from {low} to {high}; `mask > 0` makes one")
    return array if array.dtype == np.uint8 else array.astype(np.uint8)


def to_text(lengths: Runs) -> str:
    """COCO's text for run lengths (m,) that alternate between 0s and 1s, starting with 0s."""
    out = bytearray()
    values = lengths.tolist()
    for i, value in enumerate(values):
        left = value - values[i - 2] if i > 2 else value
        more = True
        while more:
            bits = left & 31
            left >>= 5
            more = left != (-1 if bits & 16 else 0)
            out.append(bits + 48 + (32 if more else 0))
    return out.decode("ascii")
