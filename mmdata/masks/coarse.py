"""Masks at a training resolution, straight from rings or runs: the pixels that resizing the full mask would give.

A resize rule that takes each new pixel from one old pixel needs that pixel alone. Runs are mapped without decoding;
rings are drawn on one scratch canvas that all objects share, and the wanted rows and columns are picked from it. Only
one full-size canvas is ever held, whatever the number of objects. The names of the rules are those of
`mmdata.masks.resize_rules`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from mmdata.errors import DataError, UnknownName
from mmdata.masks import compiled
from mmdata.masks.raster import checked_size, coco_compiled, coco_points, opencv_points
from mmdata.masks.raster import rasterize as rasterize_full
from mmdata.masks.resize_rules import RESIZE_RULES, PickRule, ResizeRule, line_sources
from mmdata.masks.ring_arrays import Rings, as_sequence
from mmdata.masks.rle import LIMIT_PIXELS, runs, size_of
from mmdata.masks.run_lengths import Runs
from schemas.sample import RasterRule

Mask: TypeAlias = NDArray[np.uint8]
Size: TypeAlias = tuple[int, int]

_MARGIN = 2


def target_size(size: Size, wanted: int | Size | None) -> Size:
    """The (height, width) to draw at.

    Args:
        size: (height, width) of the full mask.
        wanted: the length of the longer side (the other is rounded to the nearest, at least 1), an exact (height,
            width), or None for the full size.

    Raises:
        DataError: it is no positive length or size.
    """
    if wanted is None:
        return size
    if isinstance(wanted, tuple | list):
        return checked_size(wanted)
    if type(wanted) is not int or wanted < 1:
        raise DataError(f"a size is the length of the longer side or (height, width), got {wanted!r}")
    longer = max(size)
    height, width = (max(1, (2 * n * wanted + longer) // (2 * longer)) for n in size)
    return checked_size((height, width))


def coarse_rle(
    rle: Mapping[str, Any], size: Size, rule: ResizeRule, *, limit_pixels: int = LIMIT_PIXELS
) -> Mask:
    """An RLE at another size, uint8 (h, w) of 0 and 1.

    Args:
        rle: the mask, compressed or not.
        size: the new (height, width).
        rule: how pixels are chosen.
        limit_pixels: largest ``height * width`` accepted, of both sizes.

    Raises:
        RLEError: it is no RLE.
        DataError: the size is not acceptable, or the rule is for rings.
        UnknownName: there is no such rule.
    """
    height, width = size_of(rle, limit_pixels=limit_pixels)
    new = checked_size(size, limit_pixels)
    sources = _sources(rule, (height, width), new)
    if sources is None:
        from mmdata.masks.rle_decode import decode

        return _smoothed(decode(rle, limit_pixels=limit_pixels), new, rule)
    rows, columns = sources
    return _picked_from_runs(runs(rle, limit_pixels=limit_pixels), height, rows, columns)


def coarse_rings(
    rings: Rings,
    full: Size,
    size: Size,
    raster: RasterRule,
    rule: ResizeRule,
    *,
    limit_pixels: int = LIMIT_PIXELS,
) -> Mask:
    """The rings of one object at another size, uint8 (h, w) of 0 and 1.

    Args:
        rings: each a sequence of [x, y], in pixels of the full mask.
        full: (height, width) of the full mask.
        size: the new (height, width).
        raster: the rule that turns rings into pixels.
        rule: how pixels are chosen.
        limit_pixels: largest ``height * width`` accepted, of both sizes.

    Raises:
        RingError: `raster` cannot draw a ring.
        DataError: a size is not acceptable.
        UnknownName: there is no such rule.
    """
    full, new = checked_size(full, limit_pixels), checked_size(size, limit_pixels)
    if raster not in get_args(RasterRule):
        raise UnknownName("raster rule", raster, get_args(RasterRule))
    if rule == "scaled-rings":
        return _scaled(rings, full, new, raster)
    sources = _sources(rule, full, new)
    if raster == "coco":
        if sources is not None and compiled.ready():
            rings = as_sequence(rings)
            held = coco_compiled(rings, *_held(rule, full, new), new)
            if held is not None:
                return held
        rle = coco_rle(rings, full)
        return coarse_rle(rle, new, rule, limit_pixels=limit_pixels)
    canvas = scratch(full)
    with canvas.drawn(rings) as part:
        if sources is None:
            # Pixels beyond the object's box weigh in with zeros: the whole canvas is resized.
            return _smoothed(canvas.pixels, new, rule)
        if compiled.ready():
            return _picked_compiled(canvas, new, *sources)
        return _picked(part, canvas.box, new, *sources)


def coco_rle(rings: Rings, size: Size) -> dict[str, Any]:
    """The rings of one object as the RLE that pycocotools makes of them.

    Raises:
        RingError: pycocotools cannot draw a ring.
    """
    from pycocotools import mask as reference

    flat = [coco_points(ring, number).ravel() for number, ring in enumerate(as_sequence(rings))]
    if not flat:
        return {"size": [*size], "counts": [size[0] * size[1]]}
    merged: dict[str, Any] = reference.merge(reference.frPyObjects(flat, *size))
    return merged


class Scratch:
    """One canvas on which objects are drawn one after the other, by OpenCV's rule.

    Attributes:
        pixels: uint8 (h, w), zero but inside `drawn`.
        box: left, top, right, bottom (exclusive) of what is drawn, cut at the canvas.
    """

    def __init__(self, size: Size) -> None:
        self.pixels = np.zeros(size, np.uint8)
        self.box = (0, 0, 0, 0)

    @contextmanager
    def drawn(self, rings: Rings) -> Iterator[Mask]:
        """The part of the canvas with the object on it, a view; cleared when the block ends.

        Raises:
            RingError: OpenCV cannot draw a ring.
        """
        import cv2

        points = [opencv_points(ring, number) for number, ring in enumerate(as_sequence(rings))]
        height, width = self.pixels.shape
        left = top = right = bottom = 0
        if points:
            every = points[0] if len(points) == 1 else np.concatenate(points)
            if compiled.ready():
                lowest_x, lowest_y, highest_x, highest_y = compiled.kernels("raster").bounds(every)
                low, high = [lowest_x, lowest_y], [highest_x, highest_y]
            else:
                low, high = every.min(axis=0).tolist(), every.max(axis=0).tolist()
            # Where OpenCV clips a line at the border it rounds: a margin around the points is kept.
            left, top = (min(max(n - _MARGIN, 0), m) for n, m in zip(low, (width, height), strict=True))
            right = max(min(high[0] + 1 + _MARGIN, width), left)
            bottom = max(min(high[1] + 1 + _MARGIN, height), top)
        self.box = left, top, right, bottom
        part = self.pixels[top:bottom, left:right]
        try:
            for ring in points:
                cv2.fillPoly(self.pixels, [ring], 1)
            yield part
        finally:
            part[...] = 0


@lru_cache(maxsize=1)
def scratch(size: Size) -> Scratch:
    """The canvas of that size; the last one is kept, so that the objects of a record share it."""
    return Scratch(size)


def _sources(rule: str, old: Size, new: Size) -> tuple[Runs, Runs] | None:
    """The old row of every new row, and the old column of every new column; None where pixels are mixed."""
    if rule == "scaled-rings":
        raise DataError("scaled-rings scales the points of rings: a mask given as RLE has none")
    if rule not in RESIZE_RULES:
        raise UnknownName("resize rule", rule, RESIZE_RULES)
    if rule in ("cv2-area", "cv2-linear"):
        return None
    return line_sources(old[0], new[0], rule), line_sources(old[1], new[1], rule)


def _picked(part: Mask, box: tuple[int, int, int, int], new: Size, rows: Runs, columns: Runs) -> Mask:
    """The wanted rows and columns of a canvas that is zero outside of `box`."""
    left, top, right, bottom = box
    result = np.zeros(new, np.uint8)
    y0, y1 = np.searchsorted(rows, [top, bottom]).tolist()
    x0, x1 = np.searchsorted(columns, [left, right]).tolist()
    if y0 < y1 and x0 < x1:
        result[y0:y1, x0:x1] = part[rows[y0:y1] - top][:, columns[x0:x1] - left]
    return result


def _picked_compiled(canvas: Scratch, new: Size, rows: Runs, columns: Runs) -> Mask:
    left, top, right, bottom = canvas.box
    result = np.zeros(new, np.uint8)
    y0, y1 = rows.searchsorted((top, bottom)).tolist()
    x0, x1 = columns.searchsorted((left, right)).tolist()
    compiled.kernels("raster").pick(canvas.pixels, rows, columns, (x0, y0, x1, y1), result)
    return result


@lru_cache(maxsize=32)
def _held(rule: PickRule, old: Size, new: Size) -> tuple[Runs, Runs]:
    """How many wanted rows lie above every old one and past the last, and the same for columns."""
    found = []
    for before, after in zip(old, new, strict=True):
        lines = line_sources(before, after, rule).searchsorted(np.arange(before + 1))
        lines.setflags(write=False)
        found.append(lines)
    return found[0], found[1]


def _picked_from_runs(lengths: Runs, height: int, rows: Runs, columns: Runs) -> Mask:
    """The wanted rows and columns of a mask given by its runs, which are not decoded."""
    ends = np.cumsum(lengths)[:-1]
    # How many wanted pixels lie before an end: those of earlier columns, and those above it in its own column.
    column, row = ends // height, ends % height
    own = np.searchsorted(columns, column)
    many = np.searchsorted(columns, column, side="right") - own
    above = np.searchsorted(rows, row)
    if many.max(initial=0) <= 1:
        before = own * len(rows) + many * above
        flips = np.diff(np.concatenate([[0], before, [len(rows) * len(columns)]]))
        if 8 * len(flips) < len(rows) * len(columns):
            from mmdata.masks.rle_decode import fill

            result = np.zeros((len(rows), len(columns)), np.uint8)
            fill(result, flips)
            return result
        values = (np.arange(len(flips)) & 1).astype(np.uint8)
        return np.ascontiguousarray(np.repeat(values, flips).reshape(len(columns), len(rows)).T)
    # Enlarged: a column is wanted several times. The distinct ones are picked and then repeated.
    distinct, times = np.unique(columns, return_inverse=True)
    return np.ascontiguousarray(_picked_from_runs(lengths, height, rows, distinct)[:, times])


def _smoothed(mask: Mask, new: Size, rule: str) -> Mask:
    import cv2

    how = cv2.INTER_AREA if rule == "cv2-area" else cv2.INTER_LINEAR
    grey = cv2.resize(mask * np.uint8(255), (new[1], new[0]), interpolation=how)
    return (grey > 127).view(np.uint8)


def _scaled(rings: Rings, full: Size, new: Size, raster: RasterRule) -> Mask:
    factor = np.array([new[1] / full[1], new[0] / full[0]])
    scaled: Sequence[Any]
    if raster == "opencv":
        # Whole coordinates are the middles of pixels in OpenCV's rule.
        points = [opencv_points(ring, number) for number, ring in enumerate(as_sequence(rings))]
        scaled = [np.floor((ring + 0.5) * factor) for ring in points]
    else:
        scaled = [coco_points(ring, number) * factor for number, ring in enumerate(as_sequence(rings))]
    return rasterize_full(scaled, new, raster)
