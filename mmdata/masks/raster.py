"""Rings to pixels by a named rule. Trainers differ here: the same ring covers other pixels in each.

``opencv`` (GeoPixel): points cut toward zero to int32, every ring drawn with its own ``cv2.fillPoly`` on one canvas.
The border belongs to the mask, rings are joined, no ring is a hole, one or two points draw a dot or a line.

``coco`` (VideoRefer, COCO): the pixels of pycocotools' ``frPyObjects`` for every ring, joined as its ``merge`` does.
Points are rounded to a fifth of a pixel, a pixel belongs where its centre does, and what a ring passes twice cancels.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, TypeAlias, cast, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mmdata.errors import DataError, UnknownName
from mmdata.masks import compiled
from mmdata.masks.coco_fill import coco_spans
from mmdata.masks.flat_polygons import FAR
from mmdata.masks.ring_arrays import RingError, Rings, as_points, as_sequence, extent
from mmdata.masks.rle import LIMIT_PIXELS
from mmdata.masks.rle_decode import decode, fill_spans
from mmdata.masks.run_lengths import Runs
from mmdata.masks.shown import shown
from mmdata.masks.spans import deeper
from schemas.sample import RasterRule

Mask: TypeAlias = NDArray[np.uint8]

# Below both, pycocotools' own walk is done before numpy has begun.
_SMALL_CANVAS, _SHORT_BOUNDARY = 1 << 19, 50_000

_DRAWN_EXACTLY = 1 << 15
"""Coordinates up to which OpenCV's fixed point surely has room: no pixel is set outside the box of the points."""


def rasterize(
    rings: Rings, size: tuple[int, int], rule: RasterRule, *, limit_pixels: int = LIMIT_PIXELS
) -> Mask:
    """The pixels that the rings of one object cover, uint8 (h, w) of 0 and 1, C-contiguous.

    Args:
        rings: each a sequence of [x, y] or an array (n, 2), pixels, y down. No ring at all is an empty mask.
        size: (height, width) in pixels. Points may lie outside.
        rule: ``opencv`` as GeoPixel draws, ``coco`` as pycocotools does.
        limit_pixels: largest ``height * width`` accepted.

    Raises:
        RingError: the rule's reference cannot draw a ring; kind and ring number say why and which.
        DataError: `size` is no size, or over the limit.
        UnknownName: there is no such rule.
    """
    height, width = checked_size(size, limit_pixels)
    draw = {"opencv": _opencv, "coco": _coco}.get(rule)
    if draw is None:
        raise UnknownName("raster rule", rule, get_args(RasterRule))
    return draw(rings, height, width)


def checked_size(size: tuple[int, int], limit_pixels: int = LIMIT_PIXELS) -> tuple[int, int]:
    """A size as two Python integers.

    Raises:
        DataError: it is not two positive integers, or over the limit.
    """
    try:
        height, width = size
        height, width = height.__index__(), width.__index__()
    except (TypeError, ValueError, AttributeError):
        raise DataError(f"a size is (height, width) in pixels, got {shown(size)}") from None
    if height <= 0 or width <= 0:
        raise DataError(f"a size is two positive integers (height, width), got {shown(size)}")
    if height * width > limit_pixels:
        raise DataError(f"the size {shown((height, width))} is over the limit of {limit_pixels} pixels")
    return height, width


def _opencv(rings: Rings, height: int, width: int) -> Mask:
    import cv2

    drawable = [opencv_points(ring, number) for number, ring in enumerate(as_sequence(rings))]
    canvas = np.zeros((height, width), np.uint8)
    for points in drawable:
        cv2.fillPoly(canvas, [points], 1)
    return canvas


def opencv_part(
    rings: Rings, size: tuple[int, int], *, limit_pixels: int = LIMIT_PIXELS
) -> tuple[int, int, Mask]:
    """What `rasterize` draws by the rule ``opencv``, without the rest of the canvas: left, top and the pixels from there.

    Rings that lie on the canvas are drawn on no more of it than they need. OpenCV walks in whole pixels and fixed point
    from each ring's own points, so that it draws the same wherever they lie; where the canvas cuts a ring, its edges are
    cut too, and may bend: such rings are drawn on all of it.

    Args:
        rings: as for `rasterize`.
        size: (height, width) in pixels.
        limit_pixels: largest ``height * width`` accepted.

    Returns:
        Left and top of the part, pixels, and uint8 (h, w) of 0 and 1, C-contiguous, outside of which no pixel is set; h
        and w may be 0.

    Raises:
        RingError: as `rasterize`.
        DataError: as `rasterize`.
    """
    import cv2

    height, width = checked_size(size, limit_pixels)
    drawable = [opencv_points(ring, number) for number, ring in enumerate(as_sequence(rings))]
    if not drawable:
        return 0, 0, np.zeros((0, 0), np.uint8)
    points = drawable[0] if len(drawable) == 1 else np.concatenate(drawable)
    (left, top), (right, bottom) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    whole = left < 0 or top < 0 or right >= width or bottom >= height
    if min(left, top) < -_DRAWN_EXACTLY or max(right, bottom) > _DRAWN_EXACTLY:
        whole, left, top, right, bottom = True, 0, 0, width, height
    left, top = max(left, 0), max(top, 0)
    right, bottom = min(right + 1, width), min(bottom + 1, height)
    if left >= right or top >= bottom:
        return 0, 0, np.zeros((0, 0), np.uint8)
    canvas = np.zeros((height, width) if whole else (bottom - top, right - left), np.uint8)
    offset = (0, 0) if whole else (-left, -top)
    for ring in drawable:
        cv2.fillPoly(canvas, [ring], 1, offset=offset)
    return left, top, np.ascontiguousarray(canvas[top:bottom, left:right]) if whole else canvas


def opencv_points(ring: object, number: int = 0) -> NDArray[np.int32]:
    """The points between which GeoPixel draws, int32 (n, 2): cut toward zero.

    Raises:
        RingError: it has no points (OpenCV fails), or coordinates that int32 cannot hold, or so far above the picture
            that OpenCV walks millions of rows.
    """
    points = as_points(ring, number)  # type: ignore[arg-type]
    if not len(points):
        raise RingError("empty", "a ring without points, at which cv2.fillPoly fails", ring=number)
    if compiled.ready():
        cut = np.empty(points.shape, np.int32)
        if compiled.kernels("raster").whole(_plain(points), cut):
            return cut
    elif _near(points):
        whole: NDArray[np.int32] = points.astype(np.int32, order="C")
        return whole
    low, high = extent(points, number)
    if low <= -(2**31) - 1 or high >= 2**31:
        raise RingError("far", f"coordinates {low} to {high} do not fit int32", ring=number)
    if low < -FAR and points[:, 1].min() < -FAR:
        raise RingError(
            "far", f"y {points[:, 1].min()}: OpenCV walks every row from there to the picture", ring=number
        )
    return cast("NDArray[np.int32]", np.ascontiguousarray(points, np.int32))


def _near(points: NDArray[Any]) -> bool:
    """True tells that no coordinate is far or no number: one norm, without looking for the lowest and the highest."""
    import cv2

    return cv2.norm(points.ravel().astype(np.float64, copy=False)) < FAR


def _plain(points: NDArray[Any]) -> NDArray[np.float64]:
    """Points as the one type of array for which kernels are compiled."""
    array: NDArray[np.float64] = np.ascontiguousarray(points, np.float64)
    return array if array.flags.writeable else array.copy()


def _coco(rings: Rings, height: int, width: int) -> Mask:
    given = as_sequence(rings)
    if compiled.ready():
        mask = coco_compiled(given, every_line(height), every_line(width), (height, width))
        if mask is not None:
            return mask
    drawable = [coco_points(ring, number) for number, ring in enumerate(given)]
    if drawable and height * width <= _SMALL_CANVAS and _boundary(drawable) <= _SHORT_BOUNDARY:
        return _coco_small(drawable, height, width)
    canvas = np.zeros((height, width), np.uint8)
    if drawable:
        start, end = deeper(*coco_spans(drawable, height, width), 1)
        if len(start):
            fill_spans(canvas, start, end)
    return canvas


@lru_cache(maxsize=16)
def every_line(lines: int) -> Runs:
    """For `coco_compiled`: all lines are held, int64 (lines + 1,)."""
    held = np.arange(lines + 1)
    held.setflags(write=False)
    return held


def coco_compiled(
    rings: Sequence[ArrayLike], above: Runs, before: Runs, held: tuple[int, int]
) -> Mask | None:
    """The pixels of rings by pycocotools' rule on some rows and columns of a canvas; None where a ring is refused.

    Args:
        rings: of one object.
        above: how many of the rows held lie above each row of the full canvas, and past its last; read-only.
        before: the same for columns.
        held: number of rows and of columns held.

    Raises:
        RingError: a ring is no list of [x, y].
    """
    draw = compiled.kernels("raster").coco_ring
    canvas = spare = np.zeros(held, np.uint8)
    for number, ring in enumerate(rings):
        points = as_points(ring, number)
        if len(points) < 3:
            return None
        if number == 1:
            spare = np.zeros(held, np.uint8)
        left, top, right, bottom = draw(spare, _plain(points), above, before)
        if left < 0:
            return None
        if number:
            part = spare[top:bottom, left:right]
            canvas[top:bottom, left:right] |= part
            part[...] = 0
    return canvas


def _coco_small(rings: list[NDArray[np.float64]], height: int, width: int) -> Mask:
    from pycocotools import mask as reference

    encoded = reference.frPyObjects([ring.ravel() for ring in rings], height, width)
    # frPyObjects and merge count right, but are checked all the same: it is cheaper than pycocotools' own decoding.
    return decode(reference.merge(encoded), limit_pixels=height * width)


def _boundary(rings: list[NDArray[np.float64]]) -> float:
    """Upper bound of the boundary's length in pixels."""
    flat = [ring.ravel() for ring in rings]
    return sum(len(xy) / 2 * float(np.maximum.reduce(xy) - np.minimum.reduce(xy)) for xy in flat)


def coco_points(ring: object, number: int = 0) -> NDArray[np.float64]:
    """The points that pycocotools reads, float64 (n, 2).

    Raises:
        RingError: it has fewer than three points (pycocotools refuses, or takes four numbers for a box), or a
            coordinate so far away that pycocotools runs out of memory or of int32.
    """
    points = as_points(ring, number)  # type: ignore[arg-type]
    if len(points) >= 3 and _near(points):
        return np.ascontiguousarray(points, np.float64)
    low, high = extent(points, number) if len(points) else (0.0, 0.0)
    if len(points) < 3:
        raise RingError(
            "empty" if not len(points) else "short",
            f"{len(points)} points: pycocotools needs three or more",
            ring=number,
        )
    if low < -FAR or high > FAR:
        raise RingError(
            "far", f"coordinates {low} to {high}: pycocotools walks every pixel of an edge", ring=number
        )
    return np.ascontiguousarray(points, np.float64)
