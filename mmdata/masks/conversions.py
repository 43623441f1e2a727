"""Between the ways to write a mask down: rings, COCO's flat polygons, RLE, boxes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from mmdata.errors import UnknownName
from mmdata.masks.contours import to_rings
from mmdata.masks.flat_polygons import flat_faults
from mmdata.masks.picture_rings import ObjectRings
from mmdata.masks.raster import checked_size, coco_points, opencv_part, rasterize
from mmdata.masks.ring_arrays import RingError, Rings, as_points, as_sequence, extent
from mmdata.masks.ring_extent import walked
from mmdata.masks.rle import LIMIT_PIXELS, bbox_xywh
from mmdata.masks.rle_decode import decode
from mmdata.masks.rle_encode import RLE, as_mask, encode, encode_part
from schemas.sample import RasterRule

BoxForm = Literal["xywh", "xyxy", "xyxy-inclusive"]
Box: TypeAlias = tuple[int, int, int, int]


def rings_to_rle(
    rings: Rings, size: tuple[int, int], rule: RasterRule, *, limit_pixels: int = LIMIT_PIXELS
) -> RLE:
    """The RLE of the pixels that rings cover by a rule, which is the rule of the format they come from.

    Raises:
        RingError: the rule's reference cannot draw a ring.
        DataError: `size` is no size, or over the limit.
    """
    if rule == "coco":
        height, width = checked_size(size, limit_pixels)
        found = walked(
            [coco_points(ring, number) for number, ring in enumerate(as_sequence(rings))], height, width
        )
        if found is not None:
            return {"size": [height, width], "counts": found["counts"].decode("ascii")}
    elif rule == "opencv":
        left, top, part = opencv_part(rings, size, limit_pixels=limit_pixels)
        return encode_part(part, left, top, checked_size(size, limit_pixels))
    return encode(rasterize(rings, size, rule, limit_pixels=limit_pixels))


def rle_to_rings(
    rle: Mapping[str, Any], rule: RasterRule, *, limit_pixels: int = LIMIT_PIXELS
) -> list[list[list[int]]]:
    """Rings that cover exactly the pixels of an RLE when the rule draws them.

    Raises:
        RLEError: it is no RLE.
    """
    return to_rings(decode(rle, limit_pixels=limit_pixels), rule)


def redrawn(
    rings: Rings, size: tuple[int, int], rule: RasterRule, new_rule: RasterRule
) -> list[list[list[int]]]:
    """Rings that cover under one rule exactly the pixels that `rings` cover under another.

    Args:
        rings: each a sequence of [x, y] or an array (n, 2), pixels, y down.
        size: (height, width) in pixels.
        rule: which pixels `rings` cover.
        new_rule: the rule by which the new rings will be drawn.

    Raises:
        RingError: the rule's reference cannot draw a ring.
        DataError: `size` is no size, or over the limit.
    """
    if type(rings) is ObjectRings and rule == "coco":
        known = rings.picture.outline(rings.number, checked_size(size), new_rule)
        if known is not None:
            return known
    return rle_to_rings(rings_to_rle(rings, size, rule), new_rule)


def flat_to_rings(segmentation: Sequence[Sequence[float]]) -> list[list[list[float]]]:
    """COCO's ``[[x1, y1, x2, y2, …], …]`` as rings of [x, y], number for number; no polygon is no ring.

    Raises:
        RingError: it is not as COCO writes polygons (see `mmdata.masks.flat_polygons`).
    """
    value: list[Any] = [list(flat) if isinstance(flat, tuple) else flat for flat in as_sequence(segmentation)]
    for fault in flat_faults(value) if value else []:
        kind: Literal["short", "far", "number", "shape", "type"] = "type"
        if fault.kind in ("short", "far", "number", "type"):
            kind = fault.kind
        elif fault.kind in ("odd", "points", "empty"):
            kind = "shape"
        ring = fault.pointer.split("/")[1] if fault.pointer else ""
        raise RingError(kind, fault.message, ring=int(ring) if ring else None)
    return [[[flat[i], flat[i + 1]] for i in range(0, len(flat), 2)] for flat in value]


def rings_to_flat(rings: Rings) -> list[list[float]]:
    """Rings as COCO's flat polygons, number for number.

    Raises:
        RingError: a ring is no list of [x, y], or has a coordinate that is not finite.
    """
    flat = []
    for number, ring in enumerate(as_sequence(rings)):
        points = as_points(ring, number)
        if len(points):
            extent(points, number)
        flat.append(points.ravel().tolist())
    return flat


def box(mask: NDArray[Any] | Mapping[str, Any], form: BoxForm = "xywh") -> Box | None:
    """Smallest box around a mask's pixels, in pixels; None where it has none.

    Args:
        mask: bool or integers of 0 and 1, (h, w), or an RLE.
        form: ``xywh``: left, top, width, height (COCO). ``xyxy``: left, top, right, bottom, where right and bottom
            are one past the last pixel (right - left is the width). ``xyxy-inclusive``: right and bottom are the
            last pixel's own.

    Raises:
        MaskError: the array is no mask.
        RLEError: the mapping is no RLE.
        UnknownName: there is no such form.
    """
    if form not in get_args(BoxForm):
        raise UnknownName("box form", form, get_args(BoxForm))
    if isinstance(mask, Mapping):
        left, top, width, height = bbox_xywh(mask)
    else:
        import cv2

        found = cv2.boundingRect(np.ascontiguousarray(as_mask(mask)))
        left, top, width, height = (int(n) for n in found)
    if not width:
        return None
    if form == "xywh":
        return left, top, width, height
    last = 1 if form == "xyxy-inclusive" else 0
    return left, top, left + width - last, top + height - last
