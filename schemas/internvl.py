"""InternVL: JSON Lines of conversations, read by ``internvl_chat_finetune.py``."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from annotated_types import Len
from pydantic import Field

from schemas.record import Record
from schemas.types import OrAbsent


class InternVLTurn(Record):
    """One turn."""

    from_: Literal["human", "gpt", "system"] = Field(alias="from", description="Who speaks.")
    value: str = Field(description="What is said, placeholders included.")


class InternVLRecord(Record):
    """Any record that InternVL's loader takes."""

    id: Any = Field(default=None, description="Never read in training.")
    conversations: Annotated[list[InternVLTurn], Len(1)] = Field(description="The turns.")
    image: OrAbsent[str | list[str]] = Field(
        default=None, description="Path below the meta file's `root`, or a list of paths."
    )
    video: str | None = Field(
        default=None, description="Path of a video, gif or (with trailing /) folder of frames below `root`."
    )
    clip: Annotated[list[float], Len(2, 2)] | None = Field(
        default=None, description="[start, end] in seconds."
    )
    length: OrAbsent[int] = Field(default=None, description="Token length, read by group_by_length only.")


class InternVLImageRecord(InternVLRecord):
    """A record with one picture."""

    image: str


class InternVLMultiImageRecord(InternVLRecord):
    """A record with several pictures."""

    image: list[str]


class InternVLVideoRecord(InternVLRecord):
    """A record with a video."""

    video: str


class InternVLTextRecord(InternVLRecord):
    """A record without media; give neither `image` nor `video`."""
