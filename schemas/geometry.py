"""Masks and boxes as they lie in files: rings, polygons, COCO RLE, flat COCO polygons.

Pixels, x right, y down, origin at the top-left corner of the top-left pixel. Sizes are [height, width].
"""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Len
from pydantic import Field

from schemas.record import Record
from schemas.types import Pair, Pixel, PixelCount

Point = Pair[Pixel]
"""[x, y]."""

Ring = Annotated[list[Point], Len(1)]
"""A closed list of points; the last joins the first."""

Polygon = list[Ring]
"""The rings of one object."""

COCOPolygon = Annotated[list[Pixel], Len(6)]
"""COCO's flat list x1, y1, x2, y2, …: at least three points."""

CoordinateSpace = Literal["pixels", "relative", "per-mille"]
"""What a box's numbers mean: pixels, 0 to 1, or 0 to 1000 (InternVL)."""


class CompressedRLE(Record):
    """A mask as COCO's compressed run lengths, column by column."""

    size: Pair[PixelCount] = Field(description="[height, width] in pixels.")
    counts: str = Field(description="Run lengths in COCO's text coding.")


class RLE(Record):
    """A mask as COCO run lengths, compressed (text) or not (a list of numbers)."""

    size: Pair[PixelCount] = Field(description="[height, width] in pixels.")
    counts: str | list[int] = Field(
        description="Run lengths: COCO's text coding, or a plain list starting with zeros."
    )


class UncompressedRLE(Record):
    """A mask as plain run lengths, column by column, starting with zeros."""

    size: Pair[PixelCount] = Field(description="[height, width] in pixels.")
    counts: list[int] = Field(
        description="Lengths of runs of zeros and ones in turn; they sum to height times width."
    )
