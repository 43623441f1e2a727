"""The rings of all objects of one picture, by pycocotools' rule: looked at together, as one call costs as much as many."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmdata.masks import compiled
from mmdata.masks.coco_fill import coco_stretches
from mmdata.masks.flat_polygons import FAR
from mmdata.masks.rle import Runs
from mmdata.masks.spans import deeper

Extent: TypeAlias = tuple[tuple[int, int, int, int], int]
"""Left, top, width and height of an object's pixels (zeros where there is none), and their number."""

_MOST_COLUMNS = 1_000_000
"""Columns that all edges together may pass; objects whose edges pass more are looked at one by one."""


class Picture:
    """The objects of one picture; what is asked about one is found for all, once.

    Attributes:
        objects: the rings of each, as COCO has them: ``[x1, y1, x2, y2, …]``, at least three points each.
    """

    __slots__ = ("_extents", "_size", "objects")

    def __init__(self) -> None:
        self.objects: list[Sequence[Sequence[float]]] = []
        self._size: tuple[int, int] | None = None
        self._extents: list[Extent] | None = None

    def add(self, flat: Sequence[Sequence[float]]) -> ObjectRings:
        """The rings of one more object, numbers only, an even number and at least six in each."""
        self.objects.append(flat)
        self._size = None
        return ObjectRings(flat, self, len(self.objects) - 1)

    def extent(self, number: int, size: tuple[int, int]) -> Extent | None:
        """What `mmdata.masks.ring_extent.coco_extent` says of an object; None where it must be asked itself."""
        if self._size != size:
            self._extents, self._size = extents(self.objects, size), size
        return None if self._extents is None else self._extents[number]


class ObjectRings(list[list[list[float]]]):
    """Rings of one object, each a list of [x, y], that know the other objects of their picture.

    Attributes:
        picture: the picture.
        number: of the object in it.
    """

    __slots__ = ("number", "picture")

    def __init__(self, flat: Iterable[Sequence[float]], picture: Picture, number: int) -> None:
        super().__init__([[x, y] for x, y in zip(ring[::2], ring[1::2], strict=True)] for ring in flat)
        self.picture = picture
        self.number = number


def extents(objects: Sequence[Sequence[Sequence[float]]], size: tuple[int, int]) -> list[Extent] | None:
    """The extent of every object; None where a coordinate is far, or where they had better be looked at one by one.

    Args:
        objects: of each object its rings, of each ring its numbers ``[x1, y1, x2, y2, …]``, at least six.
        size: (height, width) in pixels. Points may lie outside.
    """
    rings = list(chain.from_iterable(objects))
    if not rings:
        return [((0, 0, 0, 0), 0)] * len(objects)
    points = np.array(list(chain.from_iterable(rings)), np.float64).reshape(-1, 2)
    sizes = np.fromiter(map(len, rings), np.int64, len(rings)) // 2
    counts = np.fromiter(map(len, objects), np.int64, len(objects))
    if not max(points.max(), -points.min()) <= FAR:  # NaN is not
        return None
    height, width = size
    if compiled.ready():
        found = compiled.kernels("raster").coco_extents(points, sizes, counts, height, width)
        return [((left, top, wide, high), area) for left, top, wide, high, area in found.tolist()]
    x = points[:, 0]
    if np.abs(x[1:] - x[:-1]).sum() > _MOST_COLUMNS:
        return None
    return _by_spans(points, sizes, counts, height, width)


def _by_spans(
    points: NDArray[np.float64], sizes: Runs, counts: Runs, height: int, width: int
) -> list[Extent]:
    stretch = height * width + 1
    start, stop, ring = coco_stretches(points, sizes, height, width)
    if len(counts) < len(sizes):
        # The rings of an object are joined: they share its stretch.
        shift = (np.repeat(np.arange(len(counts)), counts)[ring] - ring) * stretch
        start, stop = deeper(start + shift, stop + shift, 1)
        ring = start // stretch
    result: list[Extent] = [((0, 0, 0, 0), 0)] * len(counts)
    if not len(start):
        return result
    first = np.flatnonzero(np.append(True, ring[1:] != ring[:-1]))
    area = np.add.reduceat(stop - start, first)
    shift = ring * stretch
    start, last = start - shift, stop - shift - 1
    left, right = start // height, last // height
    upper, lower = start - left * height, last - right * height
    # A run that passes from one column to the next covers the last row of one and the first row of the other.
    crossing = left != right
    upper[crossing], lower[crossing] = 0, height - 1
    top, bottom = np.minimum.reduceat(upper, first), np.maximum.reduceat(lower, first)
    end = np.append(first[1:], len(ring)) - 1
    left, right = left[first], right[end]
    rows = np.stack((ring[first], left, top, right - left + 1, bottom - top + 1, area), 1)
    for number, x, y, wide, high, pixels in rows.tolist():
        result[number] = (x, y, wide, high), pixels
    return result


__all__ = ["Extent", "ObjectRings", "Picture", "extents"]
