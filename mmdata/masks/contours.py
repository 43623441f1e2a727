"""Masks to rings that cover exactly the same pixels when they are drawn again, for each raster rule.

Rings have no holes under either rule. Under ``opencv`` a region with holes is cut into bands of rows, so that every
hole lies open to the outside of its band. Under ``coco`` a ring may run to a hole, around it, and back the same way:
what is passed twice cancels.
"""

from __future__ import annotations

from typing import Any, TypeAlias, cast, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from mmdata.errors import UnknownName
from mmdata.masks.rle_encode import as_mask
from schemas.sample import RasterRule

Ring: TypeAlias = list[list[int]]
_Points: TypeAlias = NDArray[np.int32]


def to_rings(mask: NDArray[Any], rule: RasterRule) -> list[Ring]:
    """Rings that `rasterize` turns into exactly the same pixels; none for an empty mask.

    Args:
        mask: bool or integers of 0 and 1, (h, w).
        rule: the rule by which they will be drawn.

    Returns:
        Each ring a list of [x, y], integers. ``opencv``: centres of border pixels, 0 to w - 1 and 0 to h - 1, one or
        two points for dots and lines. ``coco``: pixel edges, 0 to w and 0 to h, at least four points.

    Raises:
        MaskError: it is no mask.
        UnknownName: there is no such rule.
    """
    return [points.tolist() for points in ring_arrays(mask, rule)]


def ring_arrays(mask: NDArray[Any], rule: RasterRule) -> list[_Points]:
    """As `to_rings`, each ring int32 (n, 2)."""
    make = {"opencv": _opencv, "coco": _coco}.get(rule)
    if make is None:
        raise UnknownName("raster rule", rule, get_args(RasterRule))
    pixels = np.ascontiguousarray(as_mask(mask))
    left, top, width, height = cv2.boundingRect(pixels)
    if not width:
        return []
    rings = make(pixels[top : top + height, left : left + width])
    shift = np.array([left, top], np.int32)
    return [ring + shift for ring in rings] if left or top else rings


def _found(mask: NDArray[np.uint8], mode: int) -> tuple[list[_Points], NDArray[np.int32]]:
    """OpenCV's contours, each (n, 2), and their tree (1, contours, 4): next, previous, first child, parent."""
    contours, tree = cv2.findContours(mask, mode, cv2.CHAIN_APPROX_SIMPLE)
    return [cast("_Points", contour[:, 0]) for contour in contours], cast("NDArray[np.int32]", tree)


def _opencv(mask: NDArray[np.uint8]) -> list[_Points]:
    contours, tree = _found(mask, cv2.RETR_CCOMP)
    parents = tree[0, :, 3]
    holed = np.unique(parents[parents >= 0])
    whole = parents < 0
    whole[holed] = False
    rings: list[_Points] = [contours[i] for i in np.flatnonzero(whole).tolist()]
    if len(holed):
        labels = cv2.connectedComponents(mask, connectivity=8, ltype=cv2.CV_32S)[1]
        for parent in holed.tolist():
            holes = [contours[i] for i in np.flatnonzero(parents == parent).tolist()]
            rings += _banded(labels, contours[parent], holes)
    return rings


def _banded(labels: NDArray[np.int32], outer: _Points, holes: list[_Points]) -> list[_Points]:
    """The outer rings of a region cut below rows that together meet every hole."""
    left, top, width, height = cv2.boundingRect(outer)
    box = labels[top : top + height, left : left + width]
    region = (box == labels[outer[0, 1], outer[0, 0]]).view(np.uint8)
    rings: list[_Points] = []
    first = 0
    for last in [*_cuts(holes), top + height - 1]:
        stop = last - top + 1
        if stop > first:
            band, _ = _found(region[first:stop], cv2.RETR_EXTERNAL)
            shift = np.array([left, top + first], np.int32)
            rings += [contour + shift for contour in band]
        first = stop
    return rings


def _cuts(holes: list[_Points]) -> list[int]:
    """Fewest rows such that every hole has pixels on one of them."""
    # The contour of a hole runs through the pixels around it.
    rows = sorted((int(y.max()) - 1, int(y.min()) + 1) for y in (hole[:, 1] for hole in holes))
    cuts: list[int] = []
    for lowest, highest in rows:
        if not cuts or cuts[-1] < highest:
            cuts.append(lowest)
    return cuts


def _coco(mask: NDArray[np.uint8]) -> list[_Points]:
    height, width = mask.shape
    doubled = cv2.resize(mask, (2 * width, 2 * height), interpolation=cv2.INTER_NEAREST)
    contours, tree = _found(doubled, cv2.RETR_CCOMP)
    parents = tree[0, :, 3].tolist()
    edges: list[_Points] = [contour + 1 >> 1 for contour in contours]
    holes: dict[int, list[_Points]] = {}
    for ring, parent in zip(edges, parents, strict=True):
        if parent >= 0:
            holes.setdefault(parent, []).append(ring)
    return [_bridged(ring, holes.get(i, [])) for i, ring in enumerate(edges) if parents[i] < 0]


def _bridged(outer: _Points, holes: list[_Points]) -> _Points:
    """One ring: around the outside, to every hole and around it, and back by the way it came."""
    if not holes:
        return outer
    parts = [outer, outer[:1]]
    for hole in holes:
        parts += [hole, hole[:1]]
    parts += [hole[:1] for hole in holes[-2::-1]]
    return np.concatenate(parts)
