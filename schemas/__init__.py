"""Typed records of every format, imported on first use: ``from schemas import GeoPixelRecord``."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from schemas.geometry import RLE as RLE
    from schemas.geometry import COCOPolygon as COCOPolygon
    from schemas.geometry import CompressedRLE as CompressedRLE
    from schemas.geometry import Polygon as Polygon
    from schemas.geometry import Ring as Ring
    from schemas.geometry import UncompressedRLE as UncompressedRLE
    from schemas.geopixel import GeoPixelPolygonFile as GeoPixelPolygonFile
    from schemas.geopixel import GeoPixelPolygonRecord as GeoPixelPolygonRecord
    from schemas.geopixel import GeoPixelRecord as GeoPixelRecord
    from schemas.geopixel import GeoPixelRLERecord as GeoPixelRLERecord
    from schemas.internvl import InternVLImageRecord as InternVLImageRecord
    from schemas.internvl import InternVLMultiImageRecord as InternVLMultiImageRecord
    from schemas.internvl import InternVLRecord as InternVLRecord
    from schemas.internvl import InternVLTextRecord as InternVLTextRecord
    from schemas.internvl import InternVLTurn as InternVLTurn
    from schemas.internvl import InternVLVideoRecord as InternVLVideoRecord
    from schemas.llamafactory import LLaMAFactoryRecord as LLaMAFactoryRecord
    from schemas.llava import LLaVARecord as LLaVARecord
    from schemas.llava import LLaVATurn as LLaVATurn
    from schemas.messages import ContentPart as ContentPart
    from schemas.messages import Message as Message
    from schemas.messages import PartsMessage as PartsMessage
    from schemas.mixture import DataTxtEntry as DataTxtEntry
    from schemas.mixture import InternVLMeta as InternVLMeta
    from schemas.mixture import InternVLMetaEntry as InternVLMetaEntry
    from schemas.ms_swift import MSSwiftObjects as MSSwiftObjects
    from schemas.ms_swift import MSSwiftRecord as MSSwiftRecord
    from schemas.openai_messages import OpenAIMessagesRecord as OpenAIMessagesRecord
    from schemas.record import Record as Record
    from schemas.record import Turn as Turn
    from schemas.sample import Sample as Sample
    from schemas.sample import sample_adapter as sample_adapter
    from schemas.videorefer import VideoReferImageRecord as VideoReferImageRecord
    from schemas.videorefer import VideoReferMask as VideoReferMask
    from schemas.videorefer import VideoReferRecord as VideoReferRecord
    from schemas.videorefer import VideoReferTurn as VideoReferTurn
    from schemas.videorefer import VideoReferVideoRecord as VideoReferVideoRecord
    from schemas.videorefer_vl3 import VideoReferVL3Record as VideoReferVL3Record
    from schemas.xcomposer import XComposer20Record as XComposer20Record
    from schemas.xcomposer import XComposerImageRecord as XComposerImageRecord
    from schemas.xcomposer import XComposerRecord as XComposerRecord
    from schemas.xcomposer import XComposerTextRecord as XComposerTextRecord

_CONTENTS = {
    "geometry": ("COCOPolygon", "CompressedRLE", "Polygon", "RLE", "Ring", "UncompressedRLE"),
    "geopixel": ("GeoPixelPolygonFile", "GeoPixelPolygonRecord", "GeoPixelRLERecord", "GeoPixelRecord"),
    "internvl": (
        "InternVLImageRecord",
        "InternVLMultiImageRecord",
        "InternVLRecord",
        "InternVLTextRecord",
        "InternVLTurn",
        "InternVLVideoRecord",
    ),
    "llamafactory": ("LLaMAFactoryRecord",),
    "llava": ("LLaVARecord", "LLaVATurn"),
    "messages": ("ContentPart", "Message", "PartsMessage"),
    "mixture": ("DataTxtEntry", "InternVLMeta", "InternVLMetaEntry"),
    "ms_swift": ("MSSwiftObjects", "MSSwiftRecord"),
    "openai_messages": ("OpenAIMessagesRecord",),
    "record": ("Record", "Turn"),
    "sample": ("Sample", "sample_adapter"),
    "videorefer": (
        "VideoReferImageRecord",
        "VideoReferMask",
        "VideoReferRecord",
        "VideoReferTurn",
        "VideoReferVideoRecord",
    ),
    "videorefer_vl3": ("VideoReferVL3Record",),
    "xcomposer": ("XComposer20Record", "XComposerImageRecord", "XComposerRecord", "XComposerTextRecord"),
}
_HOMES = {name: module for module, names in _CONTENTS.items() for name in names}

__all__ = sorted(_HOMES)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'schemas' has no attribute {name!r}")
    value = getattr(import_module(f"schemas.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__all__)
