"""Messages of `role` and `content`, as LLaMA-Factory, ms-swift and OpenAI-compatible tools have them."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from schemas.record import Record
from schemas.types import OrAbsent


class Message(Record):
    """A message of text; ShareGPT's keys `from` and `value` are read too."""

    role: OrAbsent[str] = Field(default=None, description="Who speaks.")
    content: OrAbsent[str] = Field(default=None, description="What is said, placeholders included.")
    from_: OrAbsent[str] = Field(default=None, alias="from", description="Who speaks (ShareGPT).")
    value: OrAbsent[str] = Field(default=None, description="What is said (ShareGPT).")


class ContentPart(Record):
    """A part of a content: `text`, `image_url`, `image`, `video_url`, `video`, or another that is kept as it is."""

    type: str = Field(description="What it is; the key of that name holds it.")
    text: OrAbsent[str] = Field(default=None, description="The text of a part of type `text`.")
    image_url: Any = Field(default=None, description='{"url": …}: a path, an address or a `data:` URL.')
    image: Any = Field(default=None, description="Path or address of a picture.")
    video_url: Any = Field(default=None, description='{"url": …}.')
    video: Any = Field(default=None, description="Path or address of a video, or a list of frames.")


class PartsMessage(Record):
    """A message whose content is a text or a list of parts; null where it calls tools."""

    role: str = Field(description="system, developer, user, assistant or tool.")
    content: str | list[ContentPart] | None = Field(default=None, description="What is said.")
