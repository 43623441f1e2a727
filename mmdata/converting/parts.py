"""What goes to whoever converts and comes back: a `Batch` of a source, and the `Part` of the output that it became."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from mmdata.converting.ledger import Ledger
from mmdata.converting.room import Piece, Stretch
from mmdata.converting.task import Task
from mmdata.io.record import Item


@dataclass(frozen=True, slots=True)
class Batch:
    """A piece of one source: a byte range of a seekable file, or records that were read already.

    Attributes:
        number: of the batch, from 0 in each source.
        lo: first byte of the range.
        hi: one past the last; -1 for the end of the file.
        at_record: a record is known to start at `lo`.
        records: the records and what lies between them, instead of a range.
    """

    number: int
    lo: int = 0
    hi: int = -1
    at_record: bool = False
    records: tuple[Item, ...] | None = None


@dataclass(frozen=True, slots=True)
class Reject:
    """A record that is not written: its place (`index` counts from the start of the batch), why, and its bytes."""

    index: int
    start: int
    code: str
    reason: str
    data: bytes


@dataclass(slots=True)
class Part:
    """A converted batch.

    Attributes:
        number: of the batch.
        data: kind -> the written records with the separator between them, in pieces or in the file of that name. The kind
            is ``all`` where one file has every kind.
        counts: kind -> records.
        rejects: in order.
        ledger: what became of the records.
        first: index that the reader gave the batch's first record.
        first_start: offset of the first record of the range, or None.
        next_start: offset of the first record after it.
        files: what was written beside the records, relative to the growing output.
    """

    number: int
    data: dict[str, list[Stretch | bytes] | str] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    rejects: list[Reject] = field(default_factory=list)
    ledger: Ledger = field(default_factory=Ledger)
    first: int = 0
    first_start: int | None = None
    next_start: int = 0
    files: list[str] = field(default_factory=list)

    def outputs(self, memory: memoryview) -> dict[str, list[Piece] | str]:
        """`data` with what lies in the room, whose memory is given, instead of where it lies there."""
        return {
            kind: data
            if isinstance(data, str)
            else [memory[one.start : one.end] if isinstance(one, Stretch) else one for one in data]
            for kind, data in self.data.items()
        }


class Sink(Protocol):
    """What takes the parts, in order."""

    def done(self, task: Task) -> tuple[int, int]:
        """How many batches of a source an interrupted run has left, and where the record after them starts."""

    def append(self, task: Task, part: Part, outputs: Mapping[str, Sequence[Piece] | str]) -> None:
        """The next part of a source, and its outputs (see `Part.outputs`)."""


__all__ = ["Batch", "Part", "Reject", "Sink"]
