"""`Record`: the base of every type that lies in a data file."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer


class Record(BaseModel):
    """A JSON object as a trainer reads it.

    Types are strict (no string for a number), unknown keys are kept in order, and a key that was not given is left out
    of `model_dump`, so that reading and writing give the same record.
    """

    model_config = ConfigDict(strict=True, extra="allow", populate_by_name=True, serialize_by_alias=True)

    @model_serializer(mode="wrap")
    def _leave_out_absent(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        dumped: dict[str, Any] = handler(self)
        for name, info in type(self).model_fields.items():
            if name not in self.model_fields_set and not info.is_required():
                dumped.pop(name, None)
                if info.alias:
                    dumped.pop(info.alias, None)
        return dumped


class Turn(Record):
    """One turn: who speaks and what is said.

    >>> Turn(from_="human", value="Hi").model_dump()
    {'from': 'human', 'value': 'Hi'}
    """

    from_: str = Field(alias="from", description="Who speaks; the trainer compares the word.")
    value: str = Field(description="What is said, placeholders included.")
