"""Typed records of every format, imported on first use: ``from schemas import GeoPixelRecord``."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from schemas.geometry import RLE as RLE
    from schemas.geometry import CompressedRLE as CompressedRLE
    from schemas.geopixel import GeoPixelPolygonFile as GeoPixelPolygonFile
    from schemas.geopixel import GeoPixelPolygonRecord as GeoPixelPolygonRecord
    from schemas.geopixel import GeoPixelRecord as GeoPixelRecord
    from schemas.geopixel import GeoPixelRLERecord as GeoPixelRLERecord
    from schemas.internvl import InternVLRecord as InternVLRecord

_HOMES = {
    "CompressedRLE": "geometry", "GeoPixelPolygonFile": "geopixel", "GeoPixelPolygonRecord": "geopixel", "GeoPixelRLERecord": "geopixel",
    "GeoPixelRecord": "geopixel", "InternVLRecord": "internvl", "RLE": "geometry",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"schemas.{_HOMES[name]}"), name)
    raise AttributeError(name)
