"""Facts about the rings of a polygon file, all rings at once.

Coordinates are pixels, x right, y down. GeoPixel truncates every coordinate toward zero to int32 and fills each ring
with OpenCV, border included; facts that depend on this say so. An object's rings are joined: no ring is ever a hole.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmdata.masks import compiled
from mmdata.masks.polygon_file import Indices as Indices
from mmdata.masks.polygon_file import Points as Points
from mmdata.masks.polygon_file import PolygonFile as PolygonFile
from mmdata.masks.polygon_file import PolygonFileError as PolygonFileError
from mmdata.masks.polygon_file import load_polygon_file as load_polygon_file

_INT32 = 2**31
# Up to this many points a ring that crosses itself is cut at every crossing to see whether it encloses anything; the
# number of crossings, and the cost, is quadratic.
_SMALL_RING = 200
_TANGLE = 16


class Bounds(NamedTuple):
    """Extent of some points in pixels, all four inclusive."""

    min_x: float
    min_y: float
    max_x: float
    max_y: float


def truncated(points: Points) -> Indices:
    """The pixels that the trainer draws between: int64 (n, 2), coordinates cut toward zero.

    Coordinates beyond int32, for which the trainer's conversion is undefined, are limited to its range.
    """
    return np.trunc(np.clip(points, -_INT32, _INT32 - 1)).astype(np.int64)


def bounds(points: Points) -> Bounds | None:
    """Extent of points (n, 2); None when there are none."""
    if not len(points):
        return None
    (min_x, min_y), (max_x, max_y) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    return Bounds(min_x, min_y, max_x, max_y)


def sound_bounds(file: PolygonFile) -> Bounds | None:
    """Extent of all points of a file in which every coordinate is whole and every ring surely encloses an area.

    None where that is not so, where it cannot be told cheaply, and where there are no compiled loops.
    """
    if not file.n_points or not compiled.ready():
        return None
    sound, *extent = compiled.kernels("polygon").surely_sound(file.points, file.ring_offsets)
    return Bounds(*extent) if sound else None


def out_of_bounds(points: Points, width: int, height: int) -> int:
    """How many points, truncated, lie on no pixel of a picture of ``width`` x ``height``."""
    xy = truncated(points)
    outside = (xy < 0) | (xy >= np.array([width, height]))
    return int(outside.any(axis=1).sum())


def has_fraction(points: Points) -> int:
    """How many points have a coordinate that truncation changes."""
    return int((points != np.trunc(points)).any(axis=1).sum())


def beyond_int32(points: Points) -> int:
    """How many points have a coordinate that int32 cannot hold."""
    return int(((points <= -_INT32 - 1) | (points >= _INT32)).any(axis=1).sum())


def objects_without_rings(file: PolygonFile) -> Indices:
    """Indices of the objects that have no ring."""
    return np.flatnonzero(np.diff(file.object_offsets) == 0)


def empty_rings(file: PolygonFile) -> Indices:
    """Indices of the rings without a point, at which the trainer's drawing call fails."""
    return np.flatnonzero(np.diff(file.ring_offsets) == 0)


def short_rings(file: PolygonFile) -> Indices:
    """Indices of the rings of one or two points, which the trainer draws as a dot or a line."""
    sizes = np.diff(file.ring_offsets)
    return np.flatnonzero((sizes == 1) | (sizes == 2))


def ring_area(file: PolygonFile) -> Points:
    """Unsigned shoelace area of every ring as given, float64 (rings,), in square pixels; the border is not counted."""
    doubled: Points = np.abs(_twice_signed_area(file, file.points))
    return doubled / 2


def zero_area(file: PolygonFile) -> Indices:
    """Indices of the rings of three points or more that enclose nothing once truncated: lines, there and back."""
    return np.flatnonzero((np.diff(file.ring_offsets) >= 3) & ~enclosing(file, truncated(file.points)))


def enclosing(file: PolygonFile, points: Points | Indices) -> NDArray[np.bool_]:
    """Which rings enclose any area, bool (rings,), with `points` in place of the file's (truncated, for example)."""
    doubled = _twice_signed_area(file, points)
    sizes = np.diff(file.ring_offsets)
    # Of fewer points the sum may overflow to "no number", which is not zero either.
    result: NDArray[np.bool_] = (doubled != 0) & (sizes >= 3)
    # The lobes of a figure of eight may cancel, so that a sum of zero is looked at closely. It is rare.
    for i in np.flatnonzero(~result & (sizes >= 3)).tolist():
        result[i] = _encloses(points[file.ring_offsets[i] : file.ring_offsets[i + 1]])
    return result


def _encloses(ring: NDArray[Any]) -> bool:
    local = ring - ring[0]
    if (local[:-1, 0] * local[1:, 1] == local[1:, 0] * local[:-1, 1]).all():
        return False
    if len(ring) > _SMALL_RING:
        return True
    import shapely

    # It encloses something where its pieces, cut at every crossing, make a loop. What a few edges enclose all do, so
    # that a tangle is told from its beginning.
    closed = np.concatenate([ring, ring[:1]])
    with np.errstate(all="ignore"):  # coordinates of 1e300
        for edges in (closed[:_TANGLE], closed):
            pieces = shapely.get_parts(shapely.node(shapely.linestrings(edges)))
            if shapely.area(shapely.polygonize(pieces)) > 0:
                return True
    return False


def _twice_signed_area(file: PolygonFile, points: Points | Indices) -> NDArray[Any]:
    """Twice the signed area of every ring, (rings,), of the points' dtype: exact for integers."""
    result = np.zeros(file.n_rings, points.dtype)
    filled = np.diff(file.ring_offsets) > 0
    if not filled.any():
        return result
    first = file.ring_offsets[:-1][filled]
    last = file.ring_offsets[1:][filled] - 1
    # Areas do not move: measured from each ring's own first point, they keep their precision far from the origin.
    following = np.arange(1, len(points) + 1)
    following[last] = first
    with np.errstate(over="ignore", invalid="ignore"):
        # Coordinates of 1e200 are nonsense, not a reason to stop.
        local = points - np.repeat(points[first], last - first + 1, axis=0)
        x, y = local[:, 0], local[:, 1]
        result[filled] = np.add.reduceat(x * y[following] - x[following] * y, first)
    return result
