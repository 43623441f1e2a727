"""COCO instances: lists of images, annotations and categories, read by pycocotools' ``COCO`` class."""

from __future__ import annotations

from typing import Annotated, Any

from annotated_types import Len
from pydantic import Field

from schemas.record import Record


class CocoImage(Record):
    """A picture."""

    id: Any = Field(description="What annotations name in `image_id`; unique.")
    file_name: str = Field(description="Path below the folder of pictures.")
    height: int = Field(description="Pixels.")
    width: int = Field(description="Pixels.")


class CocoRLE(Record):
    """Run lengths, column by column, zeros first."""

    size: Annotated[list[int], Len(2, 2)] = Field(description="[height, width] of the picture.")
    counts: str | list[int] = Field(description="COCO's text coding, or the runs; crowds have the runs.")


class CocoAnnotation(Record):
    """An object, or a crowd of them."""

    id: Any = Field(description="Unique in the file.")
    image_id: Any = Field(description="The picture's id.")
    category_id: Any = Field(description="The category's id.")
    segmentation: list[list[float]] | CocoRLE | None = Field(
        default=None,
        description="Polygons [x1, y1, x2, y2, …] in pixels, or RLE; empty where only the box is known.",
    )
    bbox: Annotated[list[float], Len(4, 4)] | None = Field(
        default=None, description="[x, y, width, height] in pixels from the top-left corner."
    )
    area: float | None = Field(default=None, description="Pixels of the mask, or of the box.")
    iscrowd: int | bool | None = Field(default=None, description="1: a crowd, whose mask is RLE.")


class CocoCategory(Record):
    """A class of objects."""

    id: Any = Field(description="What annotations name in `category_id`; unique.")
    name: str = Field(description="The class in words.")


class CocoRecord(Record):
    """One picture with its annotations and the categories that they name."""

    image: CocoImage | None = Field(
        description="The picture's own entry; null: annotations whose picture is not there."
    )
    annotations: list[CocoAnnotation] = Field(description="Its annotations, in the file's order.")
    categories: list[CocoCategory] = Field(description="The categories that the annotations name.")


class CocoFile(Record):
    """A whole file."""

    images: list[CocoImage] = Field(description="The pictures.")
    annotations: list[CocoAnnotation] = Field(
        description="All annotations; they need not be sorted by picture."
    )
    categories: list[CocoCategory] = Field(description="The classes.")
