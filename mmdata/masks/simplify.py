"""Rings with fewer points, and a promise about the pixels that is checked by drawing them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmdata.masks.raster import rasterize
from schemas.sample import RasterRule

_Points: TypeAlias = NDArray[np.int32]
_START, _STOP = 16.0, 0.3
"""Tolerances in pixels tried where only an IoU is asked for, and below which nothing is left to leave out."""


def simplified(
    mask: NDArray[np.uint8],
    rings: Sequence[_Points],
    rule: RasterRule,
    max_pixels: float | None,
    min_iou: float | None,
) -> list[_Points]:
    """The rings with points left out as far as the promise holds; as they are where it never does.

    Args:
        mask: uint8 (h, w) of 0 and 1.
        rings: int32 (n, 2) each, exact for the mask.
        rule: the rule by which they will be drawn.
        max_pixels: every changed pixel has, in the mask, a pixel of its new value within so many pixels.
        min_iou: least intersection over union of the drawn rings and the mask.

    Raises:
        ValueError: `max_pixels` is negative, or `min_iou` is not between 0 and 1.
    """
    if max_pixels is not None and not max_pixels >= 0:
        raise ValueError(f"simplify is a distance in pixels, 0 or more, got {max_pixels}")
    if min_iou is not None and not 0 <= min_iou <= 1:
        raise ValueError(f"min_iou is between 0 and 1, got {min_iou}")
    height, width = mask.shape
    tolerance = min(_START if max_pixels is None else max_pixels, float(height + width))
    while tolerance >= _STOP:
        tried = [_fewer(ring, tolerance) for ring in rings]
        drawn = rasterize(tried, (height, width), rule)
        if _holds(mask, drawn, max_pixels, min_iou):
            return tried
        tolerance /= 2
    return list(rings)


def _fewer(ring: _Points, tolerance: float) -> _Points:
    import shapely

    if len(ring) < 4:
        return ring
    closed = shapely.linestrings(np.concatenate([ring, ring[:1]]).astype(np.float64))
    points = shapely.get_coordinates(shapely.simplify(closed, tolerance, preserve_topology=False))[:-1]
    return points.astype(np.int32) if len(points) >= 3 else ring


def _holds(
    mask: NDArray[np.uint8], drawn: NDArray[np.uint8], max_pixels: float | None, min_iou: float | None
) -> bool:
    if min_iou is not None:
        either = np.count_nonzero(mask | drawn)
        if either and np.count_nonzero(mask & drawn) / either < min_iou:
            return False
    return max_pixels is None or max_change(mask, drawn) <= max_pixels


def max_change(mask: NDArray[np.uint8], drawn: NDArray[np.uint8]) -> float:
    """How far the farthest changed pixel is from a pixel of `mask` with its new value, centre to centre, in pixels.

    0 where nothing changed; infinite where the mask has no pixel of that value.
    """
    import cv2

    farthest = 0.0
    for value in (0, 1):
        changed = (mask != value) & (drawn == value)
        if changed.any():
            if not (mask == value).any():
                return float("inf")
            away = cv2.distanceTransform((mask != value).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
            farthest = max(farthest, float(np.asarray(away)[changed].max()))
    return farthest
