"""GeoPixel: a JSON array of conversations with masks as targets, read by its ``data_mix.py``."""

from __future__ import annotations

from typing import Annotated, Any

from annotated_types import Len
from pydantic import Field

from schemas.geometry import CompressedRLE, Polygon
from schemas.record import Record, Turn
from schemas.types import OrAbsent


class GeoPixelRecord(Record):
    """Any record that GeoPixel's loader takes: text, an image, or an image with masks.

    >>> GeoPixelRecord(conversations=[Turn(from_="human", value="Hi"), Turn(from_="bot", value="Hello")]).image is None
    True
    """

    id: Any = Field(default=None, description="Never read in training.")
    conversations: Annotated[list[Turn], Len(1)] = Field(
        description="The turns; `human`/`user` ask, any other role answers."
    )
    image: OrAbsent[str | list[str]] = Field(
        default=None, description="Path of the picture, as given (from the working directory)."
    )
    polygons: OrAbsent[str] = Field(
        default=None, description="Path of a JSON file whose key `polygons` holds the masks."
    )
    segmentation: OrAbsent[list[CompressedRLE]] = Field(
        default=None, description="The masks as compressed COCO RLE, one for each [SEG]."
    )


class GeoPixelPolygonRecord(GeoPixelRecord):
    """A record whose masks lie in a polygon file."""

    image: str
    polygons: str


class GeoPixelRLERecord(GeoPixelRecord):
    """A record with its masks inline."""

    image: str
    segmentation: list[CompressedRLE]


class GeoPixelPolygonFile(Record):
    """The polygon file that a record names."""

    id: Any = Field(default=None, description="Never read in training.")
    img: OrAbsent[str] = Field(default=None, description="Never read in training.")
    gcg_description: OrAbsent[str] = Field(default=None, description="Never read in training.")
    polygons: list[Polygon] = Field(description="Object -> rings -> [x, y].")
