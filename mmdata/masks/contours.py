"""Masks to rings that cover exactly the same pixels when they are drawn again, for each raster rule.

Rings have no holes under either rule. Under ``opencv`` a region with holes is cut into bands of rows, so that every
hole lies open to the outside of its band. Under ``coco`` a ring may run to a hole, around it, and back the same way:
what is passed twice cancels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias, cast, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from mmdata.errors import UnknownName
from mmdata.masks import compiled
from mmdata.masks.pixel_edges import pixel_edges
from mmdata.masks.rle_encode import as_mask
from schemas.sample import RasterRule

Ring: TypeAlias = list[list[int]]
_Points: TypeAlias = NDArray[np.int32]

_SMALL = 1 << 20
"""Pixels up to which looking for the occupied part costs more than it saves."""


def to_rings(
    mask: NDArray[Any],
    rule: RasterRule,
    *,
    simplify: float | None = None,
    min_iou: float | None = None,
) -> list[Ring]:
    """Rings that `rasterize` turns into exactly the same pixels; none for an empty mask.

    Args:
        mask: bool or integers of 0 and 1, (h, w).
        rule: the rule by which they will be drawn.
        simplify: leave points out, as long as every pixel that changes has, in the mask, a pixel of its new value
            within so many pixels. None changes no pixel.
        min_iou: leave points out, as long as the drawn rings and the mask have at least this intersection over
            union. With `simplify`, both hold. Both are measured on the drawn result, never assumed.

    Returns:
        Each ring a list of [x, y], integers. ``opencv``: centres of border pixels, 0 to w - 1 and 0 to h - 1, one or
        two points for dots and lines. ``coco``: pixel edges, 0 to w and 0 to h, at least four points.

    Raises:
        MaskError: it is no mask.
        UnknownName: there is no such rule.
        ValueError: `simplify` is negative, or `min_iou` is not between 0 and 1.
    """
    if simplify is None and min_iou is None and rule in ("opencv", "coco") and compiled.ready():
        found = _compiled(mask, rule)
        if found is not None:
            return _parted(found[0].tolist(), found[1])
        rings = _through_opencv(mask, rule)
    else:
        rings = ring_arrays(mask, rule)
    if simplify is not None or min_iou is not None:
        from mmdata.masks.simplify import simplified

        rings = simplified(as_mask(mask), rings, rule, simplify, min_iou)
    return [points.tolist() for points in rings]


def ring_arrays(mask: NDArray[Any], rule: RasterRule) -> list[_Points]:
    """As `to_rings` without simplification, each ring int32 (n, 2).

    Raises:
        MaskError: it is no mask.
        UnknownName: there is no such rule.
    """
    if rule not in get_args(RasterRule):
        raise UnknownName("raster rule", rule, get_args(RasterRule))
    if compiled.ready():
        found = _compiled(mask, rule)
        if found is not None:
            return _parted(*found)
    return _through_opencv(mask, rule)


def _through_opencv(mask: NDArray[Any], rule: RasterRule) -> list[_Points]:
    make = _coco if rule == "coco" else _opencv
    pixels = np.ascontiguousarray(as_mask(mask))
    if pixels.size <= _SMALL:
        return make(pixels, (0, 0))
    left, top, width, height = cv2.boundingRect(pixels)
    return make(pixels[top : top + height, left : left + width], (left, top)) if width else []


def outlines_of_part(
    part: NDArray[np.uint8], corner: tuple[int, int], rule: Literal["opencv", "coco"]
) -> list[_Points]:
    """The rings of a mask, each int32 (n, 2), of which a part is given and outside of which no pixel is set.

    Args:
        part: uint8 (h, w) of 0 and 1, C-contiguous.
        corner: column and row of the mask that the part's first pixel is.
        rule: the rule by which the rings will be drawn.
    """
    return (_coco if rule == "coco" else _opencv)(part, corner)


def _compiled(mask: NDArray[Any], rule: RasterRule) -> tuple[_Points, list[int]] | None:
    """The points of all rings, and where each ends; None for no mask, and for one with holes: OpenCV must help there."""
    array = np.asarray(mask)
    if array.ndim != 2 or not array.size or array.dtype not in (np.uint8, np.bool_):
        return None
    if not array.flags.carray:  # one type of array: another one would have to be compiled again
        array = array.copy("C")
    kernels = compiled.kernels("contour")
    met, points, ends = kernels.outlines(array.view(np.uint8), rule == "coco")
    return (points, ends.tolist()) if met == kernels.FOUND else None


def _parted(points: Any, ends: list[int]) -> list[Any]:
    """The points of each ring, in the order in which OpenCV hands them out: the last one found comes first."""
    starts = [0, *ends]
    return [points[starts[k] : ends[k]] for k in range(len(ends) - 1, -1, -1)]


def _found(
    mask: NDArray[np.uint8],
    mode: int,
    corner: tuple[int, int],
    points_kept: int = cv2.CHAIN_APPROX_SIMPLE,
) -> tuple[list[_Points], NDArray[np.int32]]:
    """OpenCV's contours, each (n, 2), of a mask whose first pixel is `corner`, and the parent of each or -1."""
    contours, tree = cv2.findContours(mask, mode, points_kept, offset=corner)
    if not contours:
        return [], np.empty(0, np.int32)
    points: list[Any] = [contour[:, 0] for contour in contours]
    return points, cast("NDArray[np.int32]", tree[0, :, 3])


def _opencv(mask: NDArray[np.uint8], corner: tuple[int, int]) -> list[_Points]:
    contours, parents = _found(mask, cv2.RETR_CCOMP, corner)
    if not _any_hole(parents):
        return contours
    holes = _children(parents)
    outer = np.flatnonzero(parents < 0).tolist()
    rings = [contours[i] for i in outer if i not in holes]
    labels = cast("_Points", cv2.connectedComponents(mask, connectivity=8, ltype=cv2.CV_32S)[1])
    for parent, inside in holes.items():
        rings += _banded(labels, contours[parent], [contours[i] for i in inside], corner)
    return rings


def _any_hole(parents: NDArray[np.int32]) -> bool:
    # One contour alone is no hole.
    return len(parents) > 1 and int(np.maximum.reduce(parents)) >= 0


def _children(parents: NDArray[np.int32]) -> dict[int, list[int]]:
    """The holes of every outer contour that has any."""
    found: dict[int, list[int]] = {}
    inner = np.flatnonzero(parents >= 0)
    for i, parent in zip(inner.tolist(), parents[inner].tolist(), strict=True):
        found.setdefault(parent, []).append(i)
    return found


def _banded(
    labels: _Points, outer: _Points, holes: Sequence[_Points], corner: tuple[int, int]
) -> list[_Points]:
    """The outer rings of a region cut below rows that together meet every hole."""
    left, top, width, height = cv2.boundingRect(outer)
    x, y = left - corner[0], top - corner[1]
    first_x, first_y = (outer[0] - corner).tolist()
    region = (labels[y : y + height, x : x + width] == labels[first_y, first_x]).view(np.uint8)
    rings: list[_Points] = []
    first = 0
    for last in [*_cuts(holes), top + height - 1]:
        stop = last - top + 1
        if stop > first:
            rings += _found(region[first:stop], cv2.RETR_EXTERNAL, (left, top + first))[0]
        first = stop
    return rings


def _cuts(holes: Sequence[_Points]) -> list[int]:
    """Fewest rows such that every hole has pixels on one of them."""
    # The contour of a hole runs through the pixels around it.
    rows = sorted((int(y.max()) - 1, int(y.min()) + 1) for y in (hole[:, 1] for hole in holes))
    cuts: list[int] = []
    for lowest, highest in rows:
        if not cuts or cuts[-1] < highest:
            cuts.append(lowest)
    return cuts


def _coco(mask: NDArray[np.uint8], corner: tuple[int, int]) -> list[_Points]:
    contours, parents = _found(mask, cv2.RETR_CCOMP, corner, cv2.CHAIN_APPROX_NONE)
    edges = pixel_edges(contours)
    if not _any_hole(parents):
        return edges
    holes = _children(parents)
    outer = np.flatnonzero(parents < 0).tolist()
    return [_bridged(edges[i], [edges[k] for k in holes.get(i, [])]) for i in outer]


def _bridged(outer: _Points, holes: list[_Points]) -> _Points:
    """One ring: around the outside, to every hole and around it, and back by the way it came."""
    if not holes:
        return outer
    parts = [outer, outer[:1]]
    for hole in holes:
        parts += [hole, hole[:1]]
    parts += [hole[:1] for hole in holes[-2::-1]]
    return np.concatenate(parts)
