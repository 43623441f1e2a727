"""What is unusual about rings as shapes: crossings, repeated and needless points, the part beyond the picture.

All rings of a `PolygonFile` at once; the cost grows with the number of points (times its logarithm for crossings).
Coordinates are pixels, x right, y down; the picture spans 0 to width and 0 to height.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmdata.masks.rings import Indices, Points, PolygonFile, enclosing, ring_area

MAX_MEETINGS = 50_000_000
"""Pairs of edges of a ring that may lie over each other; with more, only its first edges are searched for crossings."""

_FEW = 512
"""Rings with fewer points are always searched whole."""

_MAX_REPAIRS = 300_000
"""Pairs of edges of all rings that may be repaired to see what a crossing costs."""

_FIRST = 1000
"""Edges of a hostile ring that are searched, each against each."""


class Crossing(NamedTuple):
    """A ring that meets itself.

    Attributes:
        ring: index into the file's rings.
        x: the first place found, in pixels.
        y: likewise.
        touch: it only touches itself in a point, or runs back along itself: no area is passed twice. False where that
            would take too long to find out.
    """

    ring: int
    x: float
    y: float
    touch: bool


class Crossings(NamedTuple):
    """The rings that meet themselves, and those of which only the first edges could be searched (indices)."""

    found: list[Crossing]
    unsearched: list[int]


def crossings(file: PolygonFile, *, max_meetings: int = MAX_MEETINGS) -> Crossings:
    """The rings that enclose an area and meet themselves, each with the first place found.

    Args:
        file: the polygons.
        max_meetings: see `MAX_MEETINGS`.
    """
    import shapely

    sizes = np.diff(file.ring_offsets)
    closed = enclosing(file, file.points)
    found: list[Crossing] = []
    unsearched: list[int] = []
    for ring in np.flatnonzero(closed & (sizes > _FEW)).tolist():
        if _meetings(file.ring(ring)) > max_meetings:
            closed[ring] = False
            place = _early_crossing(file.ring(ring))
            if place is None:
                unsearched.append(ring)
            else:
                found.append(Crossing(ring, *place, touch=False))
    rings = np.flatnonzero(closed)
    if len(rings):
        points = file.points[np.repeat(closed, sizes)]
        owner = np.repeat(np.arange(len(rings)), sizes[rings])
        with np.errstate(all="ignore"):  # coordinates of 1e300 are nonsense, not a reason to stop
            polygons = shapely.polygons(shapely.linearrings(points, indices=owner))
            invalid = np.flatnonzero(~shapely.is_valid(polygons))
            reasons = shapely.is_valid_reason(polygons[invalid])
        touching = _touching(file, rings[invalid], polygons[invalid])
        for ring, reason, touch in zip(rings[invalid].tolist(), reasons.tolist(), touching, strict=True):
            found.append(Crossing(ring, *_place(reason), touch=touch))
    return Crossings(sorted(found), unsearched)


def _touching(file: PolygonFile, rings: Indices, polygons: NDArray[Any]) -> list[bool]:
    """Which of these rings, all of which meet themselves, pass no area twice."""
    import shapely

    touching = [False] * len(rings)
    areas = ring_area(file)
    meetings = np.array([_meetings(file.ring(ring)) for ring in rings.tolist()], np.int64)
    order = np.argsort(meetings, kind="stable")
    affordable = order[np.cumsum(meetings[order]) <= _MAX_REPAIRS]
    for k in affordable.tolist():
        # A repair keeps the area once. The signed area of what is passed twice counts twice, or not at all where the
        # second pass goes the other way round.
        with np.errstate(all="ignore"):
            try:
                once = float(shapely.make_valid(polygons[k], method="structure").area)
            except shapely.errors.GEOSException:  # coordinates so far apart that GEOS gives up
                continue
            touching[k] = bool(abs(once - areas[rings[k]]) <= 1e-9 * max(once, 1.0))
    return touching


def _meetings(ring: Points) -> int:
    """At most how many pairs of edges have boxes that meet, from their extents in x and in y."""
    following = np.roll(ring, -1, axis=0)
    low, high = np.minimum(ring, following), np.maximum(ring, following)
    counts = []
    for axis in (0, 1):
        starts = np.sort(low[:, axis])
        # An edge meets all that begin before it ends, less those that begin before it begins.
        before_end = np.searchsorted(starts, high[:, axis], side="right")
        before_start = np.searchsorted(starts, low[:, axis], side="left")
        counts.append(int((before_end - before_start - 1).sum()))
    return min(counts)


def _early_crossing(ring: Points) -> tuple[float, float] | None:
    """A place where one of the ring's first edges crosses or repeats another of them, or None."""
    p, q = ring[:_FIRST], np.roll(ring, -1, axis=0)[:_FIRST]
    edges = np.sort(np.stack([p, q], axis=1).view([("x", "f8"), ("y", "f8")])[..., 0], axis=1)
    _, first, times = np.unique(edges, axis=0, return_index=True, return_counts=True)
    repeated = first[(times > 1) & (p[first] != q[first]).any(axis=1)]
    if len(repeated):
        x, y = p[repeated.min()].tolist()
        return x, y

    def side(a: Points, b: Points, c: Points) -> Any:
        return np.sign(
            (b[:, None, 0] - a[:, None, 0]) * (c[None, :, 1] - a[:, None, 1])
            - (b[:, None, 1] - a[:, None, 1]) * (c[None, :, 0] - a[:, None, 0])
        )

    with np.errstate(all="ignore"):
        ends = side(p, q, p) * side(p, q, q)
        across = np.argwhere(np.triu((ends < 0) & (ends.T < 0)))
        if not len(across):
            return None
        i, j = across[0].tolist()
        r, s = q[i] - p[i], q[j] - p[j]
        offset = p[j] - p[i]
        x, y = (p[i] + r * ((offset[0] * s[1] - offset[1] * s[0]) / (r[0] * s[1] - r[1] * s[0]))).tolist()
    return x, y


def _place(reason: str) -> tuple[float, float]:
    """The coordinates in ``Self-intersection[10 20]``."""
    x, _, y = reason.partition("[")[2].rstrip("]").partition(" ")
    try:
        return float(x), float(y)
    except ValueError:
        return float("nan"), float("nan")


def repeated_points(file: PolygonFile) -> Indices:
    """For every ring, how many points are the same as the point before, int64 (rings,).

    A last point that is the first again closes the ring and is not counted.
    """
    return _by_ring(file, _repeats(file))


def straight_points(file: PolygonFile) -> Indices:
    """For every ring, how many points lie on the straight line between their neighbours, int64 (rings,).

    Repeated points count as one; a point at which the ring turns back is no such point. Exact for whole pixels.
    """
    kept = ~_repeats(file)
    first, last = _ends(file)
    again = (last > first) & (file.points[first] == file.points[last]).all(axis=1) if len(first) else first
    kept[last[np.asarray(again, np.bool_)]] = False
    points = file.points[kept]
    owner = _owners(file)[kept]
    counts = np.bincount(owner, minlength=file.n_rings)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    filled = counts > 0
    start, stop = offsets[:-1][filled], offsets[1:][filled] - 1
    following, before = np.arange(1, len(points) + 1), np.arange(-1, len(points) - 1)
    following[stop], before[start] = start, stop
    with np.errstate(all="ignore"):
        there, back = points[following] - points, points - points[before]
        cross = there[:, 0] * back[:, 1] == there[:, 1] * back[:, 0]
        ahead = (there * back).sum(axis=1) > 0
    return np.bincount(owner[cross & ahead], minlength=file.n_rings)


def _repeats(file: PolygonFile) -> NDArray[np.bool_]:
    """Which points are the same as the one before in their ring, bool (n,)."""
    same = np.zeros(file.n_points, np.bool_)
    if file.n_points:
        same[1:] = (file.points[1:] == file.points[:-1]).all(axis=1)
        same[_ends(file)[0]] = False
    return same


def _ends(file: PolygonFile) -> tuple[Indices, Indices]:
    """First and last point of every ring that has points."""
    filled = np.diff(file.ring_offsets) > 0
    return file.ring_offsets[:-1][filled], file.ring_offsets[1:][filled] - 1


def _owners(file: PolygonFile) -> Indices:
    return np.repeat(np.arange(file.n_rings), np.diff(file.ring_offsets))


def _by_ring(file: PolygonFile, chosen: NDArray[np.bool_]) -> Indices:
    return np.bincount(_owners(file)[chosen], minlength=file.n_rings)


class Extents(NamedTuple):
    """Of every object: its box and its area, as drawn on an endless picture.

    Attributes:
        boxes: float64 (objects, 4): least x, least y, greatest x, greatest y; NaN for an object without points.
        areas: float64 (objects,): sum of the rings' areas, border not counted.
        outside: float64 (objects,): the part of it beyond the picture, 0 to 1; NaN where there is no area.
    """

    boxes: Points
    areas: Points
    outside: Points


def extents(file: PolygonFile, size: tuple[int, int] | None) -> Extents:
    """Boxes, areas and shares beyond the picture.

    Args:
        file: the polygons.
        size: (height, width) of the picture, or None: nothing is then known to be outside.
    """
    areas = ring_area(file)
    low, high = _ring_boxes(file)
    inside = areas.copy()
    if size is not None:
        limit = np.array([size[1], size[0]], np.float64)
        with np.errstate(invalid="ignore"):
            beyond = ((low < 0) | (high > limit)).any(axis=1)
        for ring in np.flatnonzero(beyond & (areas > 0) & np.isfinite(areas)).tolist():
            inside[ring] = min(clipped_area(file.ring(ring), limit), float(areas[ring]))
    boxes = np.full((file.n_objects, 4), np.nan)
    total, kept = np.zeros(file.n_objects), np.zeros(file.n_objects)
    filled = np.flatnonzero(np.diff(file.object_offsets) > 0)
    if len(filled):
        start = file.object_offsets[:-1][filled]
        boxes[filled, :2] = np.fmin.reduceat(low, start)
        boxes[filled, 2:] = np.fmax.reduceat(high, start)
        total[filled], kept[filled] = np.add.reduceat(areas, start), np.add.reduceat(inside, start)
    with np.errstate(all="ignore"):
        return Extents(boxes, total, 1 - kept / total)


def _ring_boxes(file: PolygonFile) -> tuple[Points, Points]:
    """Least and greatest x and y of every ring, each float64 (rings, 2), NaN without points."""
    low, high = np.full((file.n_rings, 2), np.nan), np.full((file.n_rings, 2), np.nan)
    filled = np.diff(file.ring_offsets) > 0
    if filled.any():
        start = file.ring_offsets[:-1][filled]
        low[filled], high[filled] = (
            np.minimum.reduceat(file.points, start),
            np.maximum.reduceat(file.points, start),
        )
    return low, high


def clipped_area(ring: Points, limit: NDArray[Any]) -> float:
    """Area of the part of a ring inside 0 to `limit` (width, height), in square pixels.

    Clipped edge by edge (Sutherland and Hodgman): every step looks at each point once.
    """
    for axis in (0, 1):
        for bound, sign in ((0.0, 1.0), (float(limit[axis]), -1.0)):
            if not len(ring):
                return 0.0
            depth = sign * (ring[:, axis] - bound)
            following = np.roll(ring, -1, axis=0)
            next_depth = np.roll(depth, -1)
            within = depth >= 0
            passes = within != (next_depth >= 0)
            with np.errstate(all="ignore"):
                at = ring + (following - ring) * (depth / (depth - next_depth))[:, None]
            both = np.empty((len(ring), 2, 2))
            both[:, 0], both[:, 1] = ring, at
            ring = both.reshape(-1, 2)[np.stack([within, passes], axis=1).ravel()]
    if len(ring) < 3:
        return 0.0
    x, y = (ring - ring[0]).T
    return float(abs(np.dot(x, np.roll(y, -1)) - np.dot(np.roll(x, -1), y)) / 2)


def outline_lengths(file: PolygonFile) -> Points:
    """Length of the closed outlines of every object, float64 (objects,), in pixels."""
    first, last = _ends(file)
    following = np.arange(1, file.n_points + 1)
    following[last] = first
    with np.errstate(all="ignore"):
        edges = np.hypot(*(file.points[following] - file.points).T)
    owner = np.repeat(np.arange(file.n_objects), np.diff(file.object_offsets))[_owners(file)]
    lengths: Points = np.bincount(owner, weights=edges, minlength=file.n_objects).astype(np.float64)
    return lengths
