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
    from mmdata.masks.rings import PolygonFile as PolygonFile
    from mmdata.masks.rings import PolygonFileError as PolygonFileError
    from mmdata.masks.rings import load_polygon_file as load_polygon_file
    from mmdata.masks.rle import RLEError as RLEError
    from mmdata.masks.rle import area as area
    from mmdata.masks.rle import bbox_xywh as bbox
    from mmdata.masks.rle import check as check
    from mmdata.masks.rle import is_empty as is_empty
    from mmdata.masks.rle import runs as runs

_HOMES = {
    "PolygonFile": ("mmdata.masks.rings", "PolygonFile"),
    "PolygonFileError": ("mmdata.masks.rings", "PolygonFileError"),
    "RLEError": ("mmdata.masks.rle", "RLEError"),
    "area": ("mmdata.masks.rle", "area"),
    "bbox": ("mmdata.masks.rle", "bbox_xywh"),
    "check": ("mmdata.masks.rle", "check"),
    "is_empty": ("mmdata.masks.rle", "is_empty"),
    "load_polygon_file": ("mmdata.masks.rings", "load_polygon_file"),
    "runs": ("mmdata.masks.rle", "runs"),
}

__all__ = [
    "PolygonFile",
    "PolygonFileError",
    "RLEError",
    "area",
    "bbox",
    "check",
    "is_empty",
    "load_polygon_file",
    "runs",
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
