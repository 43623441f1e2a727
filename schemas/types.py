"""Constrained aliases that the record types share, and `OrAbsent`: a key that may be missing but not null."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar, get_args

from annotated_types import Ge, Len
from pydantic import Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema

T = TypeVar("T")


class _AbsentNotNull:
    """Marker of `OrAbsent`: the schema of the type without None, whose default None means "the key was not given"."""

    absent_not_null = True

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        members = [member for member in get_args(source) if member is not type(None)]
        joined: Any = members[0]
        for member in members[1:]:
            joined = joined | member
        return handler.generate_schema(joined)

    def __repr__(self) -> str:
        return "AbsentNotNull()"


OrAbsent = Annotated[T | None, _AbsentNotNull()]
"""``OrAbsent[str]``: a key that may be absent; an explicit null is refused, because the trainers crash on it."""

Role = Literal["human", "gpt"]
"""The role words of VideoRefer v1; another word raises KeyError there."""

Speaker = Literal["user", "assistant", "system"]
"""Who speaks, in the canonical sample."""

MediaPath = Annotated[
    str, Field(description="Path as the trainer resolves it; absolute paths discard every prefix.")
]

Pixel = int | float
"""A coordinate in pixels: x to the right, y down, origin at the top-left corner of the top-left pixel."""

PixelCount = Annotated[int, Ge(1)]
"""A width or height in pixels."""

FrameIndex = Annotated[int, Ge(0)]
"""0-based index of a decoded frame, or position in a directory's listing."""

Pair = Annotated[list[T], Len(2, 2)]
"""A list of exactly two."""
