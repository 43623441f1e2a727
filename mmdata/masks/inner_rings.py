"""Rings inside other rings of the same object: probably meant as holes, and filled by the trainer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmdata.masks.rings import Indices, PolygonFile, enclosing

# Rings are looked at in small groups, so that hostile input (ten thousand nested rings) costs bounded memory.
_GROUP = 16
_KEPT = 4096
_PER_PAIR = 40  # what one call costs besides the points, in points


@dataclass(frozen=True, slots=True)
class InnerRings:
    """Rings that lie fully inside another ring of their object.

    Attributes:
        pairs: (inner ring, outer ring), indices into the file's rings; each inner ring once.
        complete: whether every ring was looked at; False when the work or the number of pairs reached its limit.
    """

    pairs: list[tuple[int, int]]
    complete: bool


@np.errstate(all="ignore")  # coordinates of 1e300 are nonsense, not a reason to stop or to warn
def inner_rings(file: PolygonFile, *, max_pairs: int = 1000, max_work: int = 20_000_000) -> InnerRings:
    """Find the rings whose whole area another ring of the same object covers.

    Rings that enclose no area are left out. Of two equal rings the later one counts as inner.

    Args:
        file: the polygons.
        max_pairs: stop after so many.
        max_work: stop after comparing rings with so many points in total.
    """
    pairs: list[tuple[int, int]] = []
    encloses = enclosing(file, file.points)
    for k in np.flatnonzero(np.diff(file.object_offsets) > 1).tolist():
        rings = np.arange(file.object_offsets[k], file.object_offsets[k + 1])
        rings = rings[encloses[rings]]
        if len(rings) < 2:
            continue
        max_work -= _search(file, rings, pairs, max_pairs, max_work)
        if max_work <= 0 or len(pairs) >= max_pairs:
            return InnerRings(pairs[:max_pairs], complete=False)
    return InnerRings(pairs, complete=True)


def _search(
    file: PolygonFile, rings: Indices, pairs: list[tuple[int, int]], max_pairs: int, max_work: int
) -> int:
    """Append the pairs among some rings of one object; returns the work done, in points compared."""
    first, stop = file.ring_offsets[rings], file.ring_offsets[rings + 1]
    boxes = np.hstack(
        [
            np.array([file.points[a:b].min(axis=0) for a, b in zip(first, stop, strict=True)]),
            np.array([file.points[a:b].max(axis=0) for a, b in zip(first, stop, strict=True)]),
        ]
    )
    shapes = _Shapes(file)
    work = 0
    for begin in range(0, len(rings), _GROUP):
        group = np.arange(begin, min(begin + _GROUP, len(rings)))
        inner, outer = _boxes_inside(boxes, group)
        work += len(group) * len(rings) // 8  # comparing boxes is that much cheaper than comparing points
        for i in np.unique(inner).tolist():
            for o in outer[inner == i].tolist():
                inner_ring, outer_ring = int(rings[i]), int(rings[o])
                work += shapes.work(outer_ring, inner_ring)
                if work > max_work:
                    return work
                if shapes.cover(outer_ring, inner_ring):
                    pairs.append((inner_ring, outer_ring))
                    break
            if len(pairs) >= max_pairs:
                return work
    return work


def _boxes_inside(boxes: NDArray[np.float64], group: Indices) -> tuple[Indices, Indices]:
    """(inner, outer) positions where the box of a member of the group lies in another ring's box."""
    low, high = boxes[:, :2], boxes[:, 2:]
    inside: NDArray[np.bool_] = np.logical_and(
        (low[group, None] >= low[None]).all(axis=2), (high[group, None] <= high[None]).all(axis=2)
    )
    inside[np.arange(len(group)), group] = False
    inner, outer = np.nonzero(inside)
    return group[inner], outer


class _Shapes:
    """The rings as shapely polygons, built when needed."""

    def __init__(self, file: PolygonFile) -> None:
        self._file = file
        self._made: dict[int, tuple[Any, Any, bool]] = {}

    def work(self, outer: int, inner: int) -> int:
        """An estimate of what `cover` will cost, in points."""
        sizes = len(self._file.ring(outer)), len(self._file.ring(inner))
        simple = self._shape(outer)[2] and self._shape(inner)[2]
        return _PER_PAIR + (sum(sizes) if simple else sizes[0] * sizes[1] // 64)

    def cover(self, outer: int, inner: int) -> bool:
        """Whether one ring lies inside the other; of two equal rings, only the later inside the earlier."""
        import shapely

        big, big_outline, big_simple = self._shape(outer)
        small, small_outline, small_simple = self._shape(inner)
        if big_simple and small_simple:
            if not shapely.covers(big, small):
                return False
            return outer < inner or not shapely.covers(small, big)
        # Repairing a ring that crosses itself can take memory without end (every crossing becomes a point). Points
        # inside by the even-odd rule, and outlines that never meet, say the same without a repair.
        points = self._file.ring(inner)
        with np.errstate(all="ignore"):  # coordinates of 1e300
            if not shapely.contains_xy(big, points[:8, 0], points[:8, 1]).all():
                return False
            if shapely.intersects(big_outline, small_outline):
                return False
            return bool(shapely.contains_xy(big, points[:, 0], points[:, 1]).all())

    def _shape(self, ring: int) -> tuple[Any, Any, bool]:
        """The ring as a polygon and as an outline, both prepared, and whether it is simple (never meets itself)."""
        import shapely

        made = self._made.get(ring)
        if made is None:
            if len(self._made) >= _KEPT:
                self._made.clear()
            polygon = shapely.polygons(self._file.ring(ring))
            made = polygon, shapely.get_exterior_ring(polygon), bool(shapely.is_valid(polygon))
            shapely.prepare(made[:2])
            self._made[ring] = made
        return made
