"""LLaVA: JSON arrays of conversations, read by ``llava/train/train.py`` of LLaVA and of LLaVA-NeXT."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from annotated_types import Len
from pydantic import Field

from schemas.record import Record
from schemas.types import OrAbsent


class LLaVATurn(Record):
    """One turn; any other role word is a KeyError."""

    from_: Literal["human", "gpt"] = Field(alias="from", description="Who speaks.")
    value: str = Field(description="What is said, placeholders included.")


class LLaVARecord(Record):
    """Any record that LLaVA's loader takes, lists of pictures and videos as LLaVA-NeXT has them."""

    id: Any = Field(default=None, description="Never read in training.")
    conversations: Annotated[list[LLaVATurn], Len(1)] = Field(description="The turns.")
    image: OrAbsent[Annotated[str, Len(1)] | Annotated[list[str], Len(1)]] = Field(
        default=None, description="Path below `--image_folder`; LLaVA-NeXT takes a list too."
    )
    video: OrAbsent[Annotated[str, Len(1)]] = Field(
        default=None, description="Path below `--video_folder` (LLaVA-NeXT)."
    )
