"""VideoRefer's VideoLLaMA3 dialect: regions under ``masks``, read by ``videorefer_videollama3/train.py``."""

from __future__ import annotations

from typing import Annotated, Any

from annotated_types import Len
from pydantic import Field

from schemas.geometry import COCOPolygon
from schemas.record import Record, Turn
from schemas.types import OrAbsent, PixelCount


class VideoReferVL3Record(Record):
    """Any record that the VideoLLaMA3 loader takes; it reads null as absent."""

    id: Any = Field(default=None, description="Renumbered by the loader.")
    conversations: Annotated[list[Turn], Len(1)] = Field(
        description="The turns; `human` asks, any other role answers."
    )
    image: str | list[str] | None = Field(
        default=None, description="Path or list of paths below `--data_folder`."
    )
    video: list[str] | None = Field(
        default=None, description="[path], or frames together with `timestamps` and `masked_video`."
    )
    masks: list[dict[str, Any] | list[COCOPolygon]] | None = Field(
        default=None, description="Image: masks; video: {frame: mask}."
    )
    timestamps: Any = Field(default=None, description="Seconds of the frames of a frame list.")
    masked_video: Any = Field(default=None, description="Frames that the masks lie on, for a frame list.")
    height: OrAbsent[PixelCount] = Field(default=None, description="Height of the masks in pixels.")
    width: OrAbsent[PixelCount] = Field(default=None, description="Width of the masks in pixels.")
