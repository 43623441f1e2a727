"""Objects that cover almost the same pixels: an object that was annotated twice, as a rule."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from mmdata.masks.rings import Points

MAX_PAIRS = 20_000
"""Pairs of one record that are compared by their pixels at most."""

_SLACK = 0.8
"""Areas of rings leave out the border; how far a pair may miss the limit and still be compared by pixels."""
_AT_ONCE = 2_000_000
"""Pairs of boxes held at a time."""

_MAX_MEETINGS = 50_000_000
"""Pairs of boxes of one record that are looked at at most."""


class Twins(NamedTuple):
    """Pairs of objects with the intersection over union of their pixels, and whether every pair was looked at."""

    pairs: list[tuple[int, int, float]]
    complete: bool


def twins(
    boxes: Points,
    areas: Points,
    compare: Callable[[int, int], float],
    *,
    least: float = 0.95,
    max_pairs: int = MAX_PAIRS,
) -> Twins:
    """The pairs whose pixels agree by at least `least`.

    A tree of boxes finds those that meet; boxes and areas rule out most of them; only the rest is compared.

    Args:
        boxes: float64 (n, 4): least x, least y, greatest x, greatest y; NaN for an empty object.
        areas: float64 (n,): about the number of pixels.
        compare: the intersection over union of two objects.
        least: the limit.
        max_pairs: pairs compared at most.
    """
    import shapely

    there = np.flatnonzero(np.isfinite(boxes).all(axis=1) & np.isfinite(areas))
    if len(there) < 2:
        return Twins([], complete=True)
    box, area = boxes[there], np.maximum(areas[there], 1.0)
    shapes = shapely.box(box[:, 0], box[:, 1], box[:, 2], box[:, 3])
    tree = shapely.STRtree(shapes)
    found: list[tuple[int, int, float]] = []
    compared = met = 0
    chunk = max(1, min(256, _AT_ONCE // len(there)))
    for begin in range(0, len(there), chunk):
        a, b = tree.query(shapes[begin : begin + chunk])
        met += len(a)
        if met > _MAX_MEETINGS:
            return Twins(found, complete=False)
        a = a + begin
        a, b = a[a < b], b[a < b]
        meet = np.minimum(box[a, 2:], box[b, 2:]) - np.maximum(box[a, :2], box[b, :2]) + 1
        low, high = np.minimum(area[a], area[b]), np.maximum(area[a], area[b])
        close = (low >= least * _SLACK * high) & (meet.prod(axis=1) >= least * _SLACK * high)
        for i, j in zip(there[a[close]].tolist(), there[b[close]].tolist(), strict=True):
            compared += 1
            if compared > max_pairs:
                return Twins(found, complete=False)
            share = compare(i, j)
            if share >= least:
                found.append((i, j, share))
    return Twins(found, complete=True)


def ring_iou(first: Sequence[Points], second: Sequence[Points], *, side: int = 512) -> float:
    """Intersection over union of two objects given by rings, as OpenCV fills them.

    Args:
        first: rings, float64 (n, 2) each.
        second: likewise.
        side: pixels; larger objects are drawn at a smaller scale.
    """
    import cv2

    points = np.concatenate([*first, *second])
    low = points.min(axis=0)
    with np.errstate(all="ignore"):
        extent = float((points.max(axis=0) - low).max()) + 1
    if not np.isfinite(extent):
        return 0.0
    scale = min(1.0, side / extent)
    drawn = []
    for rings in (first, second):
        canvas = np.zeros((side + 1, side + 1), np.uint8)
        for ring in rings:
            if len(ring):
                cv2.fillPoly(canvas, [np.ascontiguousarray((ring - low) * scale, np.int32)], 1)
        drawn.append(canvas)
    either = int(np.count_nonzero(drawn[0] | drawn[1]))
    return int(np.count_nonzero(drawn[0] & drawn[1])) / either if either else 0.0
