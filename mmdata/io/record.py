"""The words of `mmdata.io`: `RawRecord`, `Problem`, `Block` and what a container is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias

from mmdata.finding import Splice

Container = Literal["array", "jsonl", "object", "lines", "empty"]
"""How records lie in a file: a JSON array, one a line, one object as the whole file, lines of text, not at all."""

ProblemKind = Literal[
    "syntax",  # a record that is not JSON
    "encoding",  # bytes that are not UTF-8
    "truncated",  # the file, a record or a string ends too early
    "stray",  # text where none belongs: a bracket, a comma, words between records
    "trailing-comma",  # a comma before a closing bracket or at the end of a line
    "missing-comma",  # two records of an array with no comma between them
    "missing-newline",  # two records on one line of JSONL
    "second-array",  # another array after the first
    "nul",  # NUL bytes
    "depth",  # nested deeper than the trainer's parser can follow
    "bom",  # a byte order mark
    "container",  # the file holds its records in another way than the trainer reads
    "too-large",  # a record over the limit; it was skipped
    "blank-line",  # an empty line of JSONL or of a text file
    "empty",  # no record at all
    "compression",  # the compressed file is damaged; what came before was read
    "not-a-record",  # valid JSON, but no object
    "duplicate-key",  # the last value wins; accepted by the trainer's parser, like the three below
    "big-int",  # an integer beyond 64 bits
    "non-finite",  # NaN, Infinity, or a number that overflows to it
    "lone-surrogate",  # an escape that is no character
]

HARMLESS: tuple[ProblemKind, ...] = ("bom", "blank-line", "empty")
"""Problems between records that hold nothing that could be lost."""


@dataclass(slots=True, frozen=True)
class Problem:
    """Something wrong with the container or with the JSON of a record.

    Attributes:
        kind: what it is, see `ProblemKind`.
        message: one sentence for a person: what was expected, what was found.
        start: first offending byte, counted in the (decompressed) file.
        end: one past the last offending byte.
        record: index of the record it belongs to, None if it lies between records.
        splices: byte repairs that need no guessing.
        pointer: JSON pointer inside the record, where it is about one value.
    """

    kind: ProblemKind
    message: str
    start: int
    end: int
    record: int | None
    splices: tuple[Splice, ...] = ()
    pointer: str | None = None


class RawRecord(NamedTuple):
    """One record as it lies in the file.

    Attributes:
        index: 0-based; broken records count, blank lines do not. Relative to the start of the range when a byte range
            is read.
        start: first byte of the record in the (decompressed) file.
        data: its bytes without separators and whitespace around it; empty if it was too large to hold.
        problem: not None: `data` is not one JSON value.
    """

    index: int  # type: ignore[assignment]  # the word of every finding; nobody asks this tuple for tuple.index
    start: int
    data: bytes
    problem: Problem | None


Item: TypeAlias = RawRecord | Problem
"""What a reader hands out on the exact path: a record, or a problem between records."""


@dataclass(slots=True)
class Block:
    """A run of records, cut for speed: the hot path's unit of work.

    The slices ``data[starts[i]:ends[i]]`` are *provisional*. A slice that parses as exactly one JSON value is a record;
    at the first one that does not (an empty one is a blank line), ask `Source.repair` for the truth. It corrects
    `starts` and `ends` in place, so that slice `i` is always record number ``first + i``; ask for their length anew.

    Attributes:
        base: file offset of `data`.
        data: the bytes from the first slice's start to the last one's end.
        starts: start of each slice within `data`.
        ends: end of each slice within `data`, separators and whitespace excluded.
        first: index of the record of slice 0.
        pending: records and problems that come before slice 0, already exact.
    """

    base: int
    data: bytes
    starts: list[int]
    ends: list[int]
    first: int
    pending: list[Item] = field(default_factory=list)


MOST_SLICES = 4096
"""Slices of one block, at most: correcting them in place stays cheap."""
