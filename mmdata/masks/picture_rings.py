"""The rings of all objects of one picture, by pycocotools' rule: looked at together, as one call costs as much as many."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import NamedTuple, TypeAlias, overload

import numpy as np
from numpy.typing import NDArray

from mmdata.masks import compiled
from mmdata.masks.coco_fill import coco_stretches
from mmdata.masks.contours import Ring, outlines_of_part
from mmdata.masks.flat_polygons import FAR
from mmdata.masks.rle_decode import fill_spans
from mmdata.masks.run_lengths import Runs
from mmdata.masks.spans import deeper
from schemas.sample import RasterRule

Size: TypeAlias = tuple[int, int]
"""Height and width in pixels."""

Extent: TypeAlias = tuple[tuple[int, int, int, int], int]
"""Left, top, width and height of an object's pixels (zeros where there is none), and their number."""

_MOST_COLUMNS = 1_000_000
"""Columns that all edges together may pass; objects whose edges pass more are looked at one by one."""


class Picture:
    """The objects of one picture; what is asked about one is found for all, once.

    Attributes:
        objects: the rings of each, as COCO has them: ``[x1, y1, x2, y2, …]``, at least three points each.
    """

    __slots__ = ("_extents", "_numbers", "_outlines", "objects")

    def __init__(self) -> None:
        self.objects: list[Sequence[Sequence[float]]] = []
        self._forget()

    def _forget(self) -> None:
        self._numbers: _Numbers | None = None
        self._extents: tuple[Size, list[Extent] | None] | None = None
        self._outlines: tuple[Size, RasterRule, list[list[Ring]] | None] | None = None

    def add(self, flat: Sequence[Sequence[float]]) -> ObjectRings:
        """The rings of one more object, numbers only, an even number and at least six in each."""
        if self._numbers is not None:
            self._forget()
        self.objects.append(flat)
        return ObjectRings(flat, self, len(self.objects) - 1)

    def extent(self, number: int, size: Size) -> Extent | None:
        """What `mmdata.masks.ring_extent.coco_extent` says of an object; None where it must be asked itself."""
        known = self._extents
        if known is None or known[0] != size:
            known = self._extents = size, extents(self._read(), size)
        return None if known[1] is None else known[1][number]

    def outline(self, number: int, size: Size, rule: RasterRule) -> list[Ring] | None:
        """Rings that cover an object's pixels exactly under `rule`; None where they must be found from these pixels."""
        known = self._outlines
        if known is None or known[0] != size or known[1] != rule:
            known = self._outlines = size, rule, outlines(self._read(), size, rule)
        return None if known[2] is None else known[2][number]

    def _read(self) -> _Numbers:
        if self._numbers is None:
            self._numbers = _Numbers.of(self.objects)
        return self._numbers


class _Numbers(NamedTuple):
    """The rings of several objects as arrays.

    Attributes:
        points: of all rings, float64 (n, 2).
        sizes: points of each ring.
        counts: rings of each object.
        near: no coordinate is far.
    """

    points: NDArray[np.float64]
    sizes: Runs
    counts: Runs
    near: bool

    @classmethod
    def of(cls, objects: Sequence[Sequence[Sequence[float]]]) -> _Numbers:
        rings = list(chain.from_iterable(objects))
        values = np.array(list(chain.from_iterable(rings)), np.float64)
        sizes = np.array([len(ring) // 2 for ring in rings], np.int64)
        counts = np.array([len(one) for one in objects], np.int64)
        # NaN is not near.
        near = not len(values) or bool(max(values.max(), -values.min()) <= FAR)
        return cls(values.reshape(-1, 2), sizes, counts, near)


class ObjectRings(Sequence[list[list[float]]]):
    """Rings of one object, each a list of [x, y] that is made when somebody looks; they know the others of their picture.

    Attributes:
        flat: the rings as COCO has them.
        picture: the picture.
        number: of the object in it.
    """

    __slots__ = ("flat", "number", "picture")

    def __init__(self, flat: Sequence[Sequence[float]], picture: Picture, number: int) -> None:
        self.flat = flat
        self.picture = picture
        self.number = number

    def __len__(self) -> int:
        return len(self.flat)

    @overload
    def __getitem__(self, index: int) -> list[list[float]]: ...

    @overload
    def __getitem__(self, index: slice) -> list[list[list[float]]]: ...

    def __getitem__(self, index: int | slice) -> list[list[float]] | list[list[list[float]]]:
        if isinstance(index, slice):
            return [_points(ring) for ring in self.flat[index]]
        return _points(self.flat[index])

    def __iter__(self) -> Iterator[list[list[float]]]:
        return map(_points, self.flat)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ObjectRings | list) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(list(self))


def _points(ring: Sequence[float]) -> list[list[float]]:
    return [[x, y] for x, y in zip(ring[::2], ring[1::2], strict=True)]


def extents(numbers: _Numbers, size: Size) -> list[Extent] | None:
    """The extent of every object; None where a coordinate is far, or where they had better be looked at one by one."""
    if not numbers.near:
        return None
    if compiled.ready(len(numbers.counts)):
        found = compiled.kernels("raster").coco_extents(*numbers[:3], *size)
        return [((left, top, wide, high), area) for left, top, wide, high, area in found.tolist()]
    spans = _spans(numbers, size)
    return None if spans is None else _extents_of_spans(*spans, len(numbers.counts), size)


def outlines(numbers: _Numbers, size: Size, rule: RasterRule) -> list[list[Ring]] | None:
    """The rings of every object that cover its pixels under `rule`, as `mmdata.masks.contours.to_rings` gives them.

    None where a coordinate is far, or where objects had better be looked at one by one.
    """
    if not numbers.near:
        return None
    if compiled.ready(len(numbers.counts)):
        return _outlines_compiled(numbers, size, rule)
    spans = _spans(numbers, size)
    if spans is None:
        return None
    result: list[list[Ring]] = []
    start, stop, owner = spans
    height = size[0]
    firsts = owner.searchsorted(np.arange(len(numbers.counts) + 1)).tolist()
    boxes = _extents_of_spans(*spans, len(numbers.counts), size)
    for number, ((left, top, wide, high), pixels) in enumerate(boxes):
        if not pixels:
            result.append([])
            continue
        # A span that passes from one column to the next lies in a part of full height, where nothing moves.
        own = slice(firsts[number], firsts[number + 1])
        first, last = start[own] - number * (size[0] * size[1] + 1), stop[own] - start[own]
        column = first // height
        first = (column - left) * high + first - column * height - top
        part = np.zeros((high, wide), np.uint8)
        fill_spans(part, first, first + last)
        result.append([ring.tolist() for ring in outlines_of_part(part, (left, top), rule)])
    return result


def _outlines_compiled(numbers: _Numbers, size: Size, rule: RasterRule) -> list[list[Ring]]:
    met, points, ends, borders = compiled.kernels("contour").coco_outlines(
        *numbers[:3], *size, rule == "coco"
    )
    every, stops, result = points.tolist(), [0, *ends.tolist()], []
    at = ring = 0
    for number, count in enumerate(borders.tolist()):
        if met[number]:
            rings = slice(at, at + int(numbers.counts[number]))
            first, last = int(numbers.sizes[:at].sum()), int(numbers.sizes[: rings.stop].sum())
            part, left, top = compiled.kernels("raster").coco_part(
                numbers.points[first:last], numbers.sizes[rings], *size
            )
            result.append([one.tolist() for one in outlines_of_part(part, (left, top), rule)])
        else:
            result.append([every[stops[k] : stops[k + 1]] for k in range(ring + count - 1, ring - 1, -1)])
        at, ring = at + int(numbers.counts[number]), ring + count
    return result


def _spans(numbers: _Numbers, size: Size) -> tuple[Runs, Runs, Runs] | None:
    """Start, end and object of every run of pixels; object k's stretch begins at ``k * (height * width + 1)``."""
    points, sizes, counts, _ = numbers
    if not len(points):
        none = np.empty(0, np.int64)
        return none, none, none
    x = points[:, 0]
    if np.abs(x[1:] - x[:-1]).sum() > _MOST_COLUMNS:
        return None
    start, stop, owner = coco_stretches(points, sizes, *size)
    # The rings of an object are joined: they share its stretch.
    stretch = size[0] * size[1] + 1
    if len(counts) < len(sizes):
        shift = (np.repeat(np.arange(len(counts)), counts)[owner] - owner) * stretch
        start, stop = start + shift, stop + shift
    start, stop = deeper(start, stop, 1)
    return start, stop, start // stretch


def _extents_of_spans(start: Runs, stop: Runs, owner: Runs, count: int, size: Size) -> list[Extent]:
    height, stretch = size[0], size[0] * size[1] + 1
    result: list[Extent] = [((0, 0, 0, 0), 0)] * count
    if not len(start):
        return result
    first = np.flatnonzero(np.append(True, owner[1:] != owner[:-1]))
    area = np.add.reduceat(stop - start, first)
    shift = owner * stretch
    start, last = start - shift, stop - shift - 1
    left, right = start // height, last // height
    upper, lower = start - left * height, last - right * height
    # A run that passes from one column to the next covers the last row of one and the first row of the other.
    crossing = left != right
    upper[crossing], lower[crossing] = 0, height - 1
    top, bottom = np.minimum.reduceat(upper, first), np.maximum.reduceat(lower, first)
    end = np.append(first[1:], len(owner)) - 1
    left, right = left[first], right[end]
    rows = np.stack((owner[first], left, top, right - left + 1, bottom - top + 1, area), 1)
    for number, x, y, wide, high, pixels in rows.tolist():
        result[number] = (x, y, wide, high), pixels
    return result


__all__ = ["Extent", "ObjectRings", "Picture", "Size", "extents", "outlines"]
