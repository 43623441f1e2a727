"""Conversations with pictures as they lie in Parquet files and tar shards, in LLaVA's words."""

from __future__ import annotations

from typing import Annotated, Any

from annotated_types import Len
from pydantic import Field

from schemas.coco import CocoRLE
from schemas.record import Record, Turn
from schemas.types import OrAbsent


class ConversationRecord(Record):
    """A conversation, with the pictures or videos that its text has tags for."""

    id: Any = Field(default=None, description="Any id.")
    conversations: Annotated[list[Turn], Len(1)] = Field(description="The turns: human, gpt, system.")
    image: OrAbsent[str | list[str]] = Field(default=None, description="A picture, or several.")
    images: OrAbsent[list[str]] = Field(default=None, description="The pictures.")
    video: OrAbsent[str | list[str]] = Field(default=None, description="A video, or several.")
    videos: OrAbsent[list[str]] = Field(default=None, description="The videos.")
    masks: OrAbsent[list[CocoRLE | None]] = Field(
        default=None,
        description="The mask of each <box> of the answers, in order; null: only the box is known.",
    )
