"""OpenAI-style messages: chat completions as training records."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Len
from pydantic import Field

from schemas.messages import PartsMessage
from schemas.record import Record


class OpenAIMessagesRecord(Record):
    """A conversation."""

    messages: Annotated[list[PartsMessage], Len(1)] = Field(description="The messages.")
