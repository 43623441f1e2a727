"""InternLM-XComposer 2.5 and 2.0: JSON arrays of conversations with ``<ImageHere>``, read by ``data_mix.py``."""

from __future__ import annotations

from typing import Annotated, Any

from annotated_types import Len
from pydantic import Field

from schemas.record import Record, Turn
from schemas.types import OrAbsent


class XComposerRecord(Record):
    """Any record that XComposer 2.5's loader takes."""

    id: Any = Field(default=None, description="Never read in training.")
    conversations: Annotated[list[Turn], Len(1)] = Field(
        description="The turns; `human`/`user` ask, any other role answers."
    )
    image: OrAbsent[str | Annotated[list[str], Len(1)]] = Field(
        default=None, description="Path of one picture, or a list of paths."
    )


class XComposer20Record(Record):
    """Any record that XComposer 2.0's loader takes: `image` is always a list there."""

    id: Any = Field(default=None, description="Never read in training.")
    conversations: Annotated[list[Turn], Len(1)] = Field(
        description="The turns; `human`/`user` ask, any other role answers."
    )
    image: OrAbsent[Annotated[list[str], Len(1)]] = Field(default=None, description="List of paths.")


class XComposerImageRecord(XComposerRecord):
    """A record with pictures."""

    image: str | Annotated[list[str], Len(1)]


class XComposerTextRecord(XComposerRecord):
    """A record without pictures; give no `image`."""
