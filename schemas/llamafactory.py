"""LLaMA-Factory: ShareGPT records or messages, mapped by ``dataset_info.json`` (``src/llamafactory/data``)."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from schemas.messages import Message
from schemas.record import Record
from schemas.types import OrAbsent


class LLaMAFactoryRecord(Record):
    """A record in either form; columns of other names are mapped by ``dataset_info.json``."""

    conversations: OrAbsent[list[Message]] = Field(default=None, description="Turns of `from` and `value`.")
    messages: OrAbsent[list[Message]] = Field(default=None, description="Turns of `role` and `content`.")
    images: str | list[str | dict[str, Any]] | None = Field(
        default=None, description="Paths below media_dir, one for each `<image>`."
    )
    videos: str | list[str | list[str]] | None = Field(
        default=None, description="Paths, or lists of frames, one for each `<video>`."
    )
    audios: Any = Field(default=None, description="Paths, one for each `<audio>`.")
    system: str | None = Field(default=None, description="The system text, where no turn holds it.")
    tools: Any = Field(default=None, description="Descriptions of tools.")
