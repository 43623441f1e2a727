"""Masks: run-length encodings and polygon rings, checked before anything decodes them.

Coordinates are pixels, x right, y down; arrays are (H, W). RLE is COCO's: runs of 0s and 1s in turn, starting with
0s, down the columns (column-major). Names are imported on first use::

    from mmdata import masks

    masks.check({"size": [4, 4], "counts": "44d0"})   # raises masks.RLEError with the reason
    masks.area(rle), masks.bbox(rle)                  # from the runs, nothing is decoded
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmdata.masks.contours import to_rings as to_rings
    from mmdata.masks.conversions import box as box
    from mmdata.masks.conversions import flat_to_rings as flat_to_rings
    from mmdata.masks.conversions import redrawn as redrawn
    from mmdata.masks.conversions import rings_to_flat as rings_to_flat
    from mmdata.masks.conversions import rings_to_rle as rings_to_rle
    from mmdata.masks.conversions import rle_to_rings as rle_to_rings
    from mmdata.masks.raster import rasterize as rasterize
    from mmdata.masks.ring_arrays import RingError as RingError
    from mmdata.masks.rings import PolygonFile as PolygonFile
    from mmdata.masks.rings import PolygonFileError as PolygonFileError
    from mmdata.masks.rings import load_polygon_file as load_polygon_file
    from mmdata.masks.rle import LIMIT_PIXELS as LIMIT_PIXELS
    from mmdata.masks.rle import area as area
    from mmdata.masks.rle import bbox_xywh as bbox
    from mmdata.masks.rle import check as check
    from mmdata.masks.rle import is_empty as is_empty
    from mmdata.masks.rle import runs as runs
    from mmdata.masks.rle_decode import decode as decode
    from mmdata.masks.rle_decode import decode_many as decode_many
    from mmdata.masks.rle_encode import RLE as RLE
    from mmdata.masks.rle_encode import MaskError as MaskError
    from mmdata.masks.rle_encode import encode as encode
    from mmdata.masks.rle_ops import crop as crop
    from mmdata.masks.rle_ops import intersection as intersection
    from mmdata.masks.rle_ops import iou as iou
    from mmdata.masks.rle_ops import resize as resize
    from mmdata.masks.rle_ops import union as union
    from mmdata.masks.run_lengths import RLEError as RLEError
    from mmdata.masks.samples import ObjectMask as ObjectMask
    from mmdata.masks.samples import VideoMasks as VideoMasks
    from mmdata.masks.samples import iter_of as iter_of
    from mmdata.masks.samples import of as of
    from mmdata.masks.samples import of_video as of_video

_HOMES = {
    "LIMIT_PIXELS": ("mmdata.masks.rle", "LIMIT_PIXELS"),
    "MaskError": ("mmdata.masks.rle_encode", "MaskError"),
    "ObjectMask": ("mmdata.masks.samples", "ObjectMask"),
    "PolygonFile": ("mmdata.masks.rings", "PolygonFile"),
    "PolygonFileError": ("mmdata.masks.rings", "PolygonFileError"),
    "RLE": ("mmdata.masks.rle_encode", "RLE"),
    "RLEError": ("mmdata.masks.run_lengths", "RLEError"),
    "RingError": ("mmdata.masks.ring_arrays", "RingError"),
    "VideoMasks": ("mmdata.masks.samples", "VideoMasks"),
    "area": ("mmdata.masks.rle", "area"),
    "bbox": ("mmdata.masks.rle", "bbox_xywh"),
    "box": ("mmdata.masks.conversions", "box"),
    "check": ("mmdata.masks.rle", "check"),
    "crop": ("mmdata.masks.rle_ops", "crop"),
    "decode": ("mmdata.masks.rle_decode", "decode"),
    "decode_many": ("mmdata.masks.rle_decode", "decode_many"),
    "encode": ("mmdata.masks.rle_encode", "encode"),
    "flat_to_rings": ("mmdata.masks.conversions", "flat_to_rings"),
    "intersection": ("mmdata.masks.rle_ops", "intersection"),
    "iou": ("mmdata.masks.rle_ops", "iou"),
    "is_empty": ("mmdata.masks.rle", "is_empty"),
    "iter_of": ("mmdata.masks.samples", "iter_of"),
    "load_polygon_file": ("mmdata.masks.rings", "load_polygon_file"),
    "of": ("mmdata.masks.samples", "of"),
    "of_video": ("mmdata.masks.samples", "of_video"),
    "rasterize": ("mmdata.masks.raster", "rasterize"),
    "redrawn": ("mmdata.masks.conversions", "redrawn"),
    "resize": ("mmdata.masks.rle_ops", "resize"),
    "rings_to_flat": ("mmdata.masks.conversions", "rings_to_flat"),
    "rings_to_rle": ("mmdata.masks.conversions", "rings_to_rle"),
    "rle_to_rings": ("mmdata.masks.conversions", "rle_to_rings"),
    "runs": ("mmdata.masks.rle", "runs"),
    "to_rings": ("mmdata.masks.contours", "to_rings"),
    "union": ("mmdata.masks.rle_ops", "union"),
}

__all__ = [
    "LIMIT_PIXELS",
    "RLE",
    "MaskError",
    "ObjectMask",
    "PolygonFile",
    "PolygonFileError",
    "RLEError",
    "RingError",
    "VideoMasks",
    "area",
    "bbox",
    "box",
    "check",
    "crop",
    "decode",
    "decode_many",
    "encode",
    "flat_to_rings",
    "intersection",
    "iou",
    "is_empty",
    "iter_of",
    "load_polygon_file",
    "of",
    "of_video",
    "rasterize",
    "redrawn",
    "resize",
    "rings_to_flat",
    "rings_to_rle",
    "rle_to_rings",
    "runs",
    "to_rings",
    "union",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'mmdata.masks' has no attribute {name!r}")
    module, attribute = _HOMES[name]
    value = getattr(import_module(module), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
