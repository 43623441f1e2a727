"""What rings cover, told without all the pixels: its box and the number of pixels, by pycocotools' rule the RLE too."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmdata.masks.coco_fill import coco_spans
from mmdata.masks.picture_rings import ObjectRings
from mmdata.masks.raster import checked_size, coco_points, opencv_part
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
        RingError: pycocotools cannot draw a ring.
        DataError: `size` is no size.
    """
    height, width = checked_size(size)
    if type(rings) is ObjectRings:
        known = rings.picture.extent(rings.number, (height, width))
        if known is not None:
            return known
    drawable = [coco_points(ring, number) for number, ring in enumerate(as_sequence(rings))]
    if not drawable:
        return (0, 0, 0, 0), 0
    encoded = walked(drawable, height, width)
    if encoded is not None:
        from pycocotools import mask as reference

        left, top, wide, high = reference.toBbox(encoded).tolist()
        return (int(left), int(top), int(wide), int(high)), int(reference.area(encoded))
    start, end = deeper(*coco_spans(drawable, height, width), 1)
    return box_of_spans(height, start, end), int((end - start).sum())


def opencv_extent(rings: Rings, size: tuple[int, int]) -> tuple[tuple[int, int, int, int], int]:
    """The same by the rule ``opencv``; only the part of the canvas where the rings lie is drawn.

    Args:
        rings: each a sequence of [x, y] or an array (n, 2), pixels, y down.
        size: (height, width) in pixels. Points may lie outside.

    Raises:
        RingError: OpenCV cannot draw a ring.
        DataError: `size` is no size.
    """
    import cv2

    left, top, part = opencv_part(rings, size)
    if not part.size:
        return (0, 0, 0, 0), 0
    high, wide = part.shape
    # Points are drawn, so that as a rule the rings reach all four sides.
    if not (part[0].any() and part[-1].any() and part[:, 0].any() and part[:, -1].any()):
        x, y, wide, high = cv2.boundingRect(part)
        left, top = left + x, top + y
    pixels = cv2.countNonZero(part)
    return ((left, top, wide, high) if pixels else (0, 0, 0, 0)), pixels


def walked(rings: list[NDArray[np.float64]], height: int, width: int) -> dict[str, Any] | None:
    """The RLE of one object as pycocotools has it, counts as bytes; None where its walk along the rings is a long one.

    Args:
        rings: as `mmdata.masks.raster.coco_points` gives them.
        height: of the canvas, pixels.
        width: of the canvas, pixels.
    """
    # Edges that close the rings are counted by the doubling: each is at most as long as the others of its ring.
    if not rings or 2 * sum(float(np.abs(ring[1:] - ring[:-1]).sum()) for ring in rings) > _SHORT_WALK:
        return None
    from pycocotools import mask as reference

    encoded = reference.frPyObjects([ring.ravel() for ring in rings], height, width)
    found: dict[str, Any] = encoded[0] if len(encoded) == 1 else reference.merge(encoded)
    return found


__all__ = ["coco_extent", "opencv_extent", "walked"]
