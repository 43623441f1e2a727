"""The box and the number of the pixels that rings cover, by pycocotools' rule, without the pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mmdata.masks.coco_fill import coco_spans
from mmdata.masks.raster import checked_size, coco_points
from mmdata.masks.ring_arrays import Rings, as_sequence
from mmdata.masks.rle import box_of_spans
from mmdata.masks.spans import deeper

_SHORT_WALK = 20_000
"""Pixels of boundary that pycocotools walks in less time than numpy needs to begin and to sort."""


def coco_extent(rings: Rings, size: tuple[int, int]) -> tuple[tuple[int, int, int, int], int]:
    """Left, top, width and height of the pixels of one object's rings (zeros where there is none), and their number.

    Args:
        rings: each a sequence of [x, y] or an array (n, 2), pixels, y down.
        size: (height, width) in pixels. Points may lie outside.

    Raises:
        RingError, DataError: as `mmdata.masks.rasterize`.
    """
    height, width = checked_size(size)
    given = as_sequence(rings)
    if not len(given):
        return (0, 0, 0, 0), 0
    drawable = [coco_points(ring, number) for number, ring in enumerate(given)]
    if _walk(drawable) <= _SHORT_WALK:
        from pycocotools import mask as reference

        encoded = reference.frPyObjects([ring.ravel() for ring in drawable], height, width)
        whole = encoded[0] if len(encoded) == 1 else reference.merge(encoded)
        left, top, wide, high = reference.toBbox(whole).tolist()
        return (int(left), int(top), int(wide), int(high)), int(reference.area(whole))
    start, end = deeper(*coco_spans(drawable, height, width), 1)
    return box_of_spans(height, start, end), int((end - start).sum())


def _walk(rings: list[NDArray[np.float64]]) -> float:
    """Upper bound of the length of the boundary, in pixels, but for the edges that close the rings: a part of the others."""
    return 2 * sum(float(np.abs(np.diff(ring, axis=0)).sum()) for ring in rings)


__all__ = ["coco_extent"]
