"""Mixture files: the lines of ``data.txt`` and InternVL's meta JSON."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, RootModel

from schemas.record import Record
from schemas.types import OrAbsent


class DataTxtEntry(BaseModel):
    """A line of ``data.txt``: a path and a number, parted by exactly one space."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    path: str = Field(description="JSON file, from the working directory; no spaces.", pattern=r"^\S+$")
    number: float = Field(description="Thousands of samples (given_num True), or a ratio of the file.", ge=0)


class InternVLMetaEntry(Record):
    """One data set of the meta file."""

    root: str = Field(description="Directory that media paths start from.")
    annotation: str = Field(description="The JSON Lines file.", pattern=r"\.jsonl$")
    data_augment: bool = Field(description="JPEG compression of random quality; cancels pad2square.")
    repeat_time: int | float = Field(
        description="Below one: the first part of the lines; above one: an integer number of repeats.", gt=0
    )
    max_dynamic_patch: OrAbsent[int] = Field(
        default=None, description="Most tiles of an image of this data set."
    )
    length: OrAbsent[int] = Field(default=None, description="Number of lines; not read.")


class InternVLMeta(RootModel[dict[str, InternVLMetaEntry]]):
    """The meta file: name -> data set."""
