"""VideoRefer v1: a JSON array whose regions lie under ``annotation``, read by ``videorefer/train.py``."""

from __future__ import annotations

from typing import Annotated, Any

from annotated_types import Len
from pydantic import Field

from schemas.geometry import RLE, COCOPolygon
from schemas.record import Record
from schemas.types import OrAbsent, PixelCount, Role


class VideoReferTurn(Record):
    """One turn; another role word than `human` and `gpt` is a KeyError."""

    from_: Role = Field(alias="from", description="`human` or `gpt`.")
    value: str = Field(description="What is said, placeholders included.")


class VideoReferMask(Record):
    """An object's mask on one frame."""

    segmentation: RLE | list[COCOPolygon] | None = Field(
        description="RLE, flat COCO polygons (unioned), or null: an empty mask."
    )


class VideoReferRecord(Record):
    """Any record that VideoRefer v1's loader takes."""

    id: Any = Field(default=None, description="Never read in training.")
    conversations: Annotated[list[VideoReferTurn], Len(1)] = Field(description="The turns.")
    image: OrAbsent[str] = Field(default=None, description="Path below `--data_folder`; wins over `video`.")
    video: OrAbsent[str] = Field(
        default=None, description="Path of a video file, gif or folder of frames below `--data_folder`."
    )
    annotation: OrAbsent[list[dict[str, VideoReferMask]]] = Field(
        default=None, description="Objects: frame index -> mask."
    )
    height: OrAbsent[PixelCount] = Field(default=None, description="Height of the masks in pixels.")
    width: OrAbsent[PixelCount] = Field(default=None, description="Width of the masks in pixels.")


class VideoReferImageRecord(VideoReferRecord):
    """A record with a picture."""

    image: str


class VideoReferVideoRecord(VideoReferRecord):
    """A record with a video."""

    video: str
