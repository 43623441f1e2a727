"""ms-swift: the standard form of ``swift/llm/dataset``."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from annotated_types import Ge
from pydantic import Field

from schemas.messages import Message
from schemas.record import Record
from schemas.types import OrAbsent


class MSSwiftObjects(Record):
    """What the grounding placeholders stand for."""

    ref: list[str] | None = Field(default=None, description="Texts, one for each `<ref-object>`.")
    bbox: list[list[int | float]] | None = Field(
        default=None, description="[x1, y1, x2, y2] or a point [x, y], one for each `<bbox>`."
    )
    bbox_type: Literal["real", "norm1"] | None = Field(
        default=None, description="`real`: pixels of the picture (the default); `norm1`: shares of 0-1."
    )
    image_id: list[Annotated[int, Ge(0)]] | None = Field(
        default=None, description="Picture of each box, 0-based; only for `real`, 0 by default."
    )


class MSSwiftRecord(Record):
    """A record in the standard form."""

    messages: OrAbsent[list[Message]] = Field(default=None, description="The turns.")
    images: str | list[str | dict[str, Any]] | None = Field(
        default=None, description="One for each `<image>`."
    )
    videos: str | list[str | list[str]] | None = Field(default=None, description="One for each `<video>`.")
    audios: Any = Field(default=None, description="One for each `<audio>`.")
    objects: MSSwiftObjects | None = Field(default=None, description="References and boxes.")
    system: str | None = Field(default=None, description="The system text, where no turn holds it.")
