"""`Source`: a file of records that is text; see `mmdata.io.read` for how it is read fast and in parallel."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from types import TracebackType
from typing import Literal, Self

from mmdata.errors import UsageError
from mmdata.io.containers import opening_problems
from mmdata.io.feed import Feed
from mmdata.io.json_array import ArrayReader, Begin
from mmdata.io.jsonl import LineReader
from mmdata.io.jsontext import BOM, accepts
from mmdata.io.record import Block, Container, Item, Problem, RawRecord
from mmdata.io.shape import NO_SHAPE, learn
from mmdata.io.sniff import Sniffed, sniff
from mmdata.io.streams import is_url, local_path
from mmdata.io.window import Window

HEAD_BYTES = 1 << 20
BLOCK_BYTES = 1 << 19
MAX_RECORD_BYTES = 64 << 20

_SEARCH_BACK = 4096


def range_holds(expected: int, hi: int, first_start: int | None) -> bool:
    """Whether a range that ends at `hi` and found its first record at `first_start` continues the chain at `expected`."""
    return expected >= hi if first_start is None else first_start == expected


class Source:
    """A file of records; a context manager. `mmdata.io.read` says how it is read fast and in parallel.

    Attributes:
        path: as given.
        size: bytes of the file; None where it is not known beforehand (compressed, standard input, URLs).
        seekable: a plain local file: can be read in byte ranges.
        stat: of a seekable file, as it was when it was opened.
    """

    def __init__(self, path: str, *, max_record_bytes: int, block_bytes: int) -> None:
        self.path = path
        self._max_bytes = max_record_bytes
        self._block_bytes = block_bytes
        self._feed = Feed(path)
        self.stat = self._feed.stat
        self.size: int | None = None if self.stat is None else self.stat.st_size
        self.seekable = self.stat is not None
        self._sniffed: Sniffed | None = None
        self._reader: ArrayReader | LineReader | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file. Standard input stays open."""
        self._feed.close()

    def head(self, n: int = HEAD_BYTES) -> bytes:
        """The first `n` bytes, decompressed; what was looked at is read again by `records`.

        Of what can be read only once, and is being read, no more is had than was asked for before that.
        """
        return self._feed.head(n)

    @property
    def container(self) -> Container:
        """How the records lie in the file, judged by its first megabyte."""
        return self._look().container

    @property
    def first_start(self) -> int | None:
        """Offset of the first record of the last range read; None if it had none."""
        return self._reader.first_start if self._reader is not None else None

    @property
    def next_start(self) -> int:
        """Once a range is read: offset of the first record at or after its end, or the size of the file."""
        return self._reader.next_start if self._reader is not None else 0

    def records(self, *, expect: Container | None = None) -> Iterator[Item]:
        """Every record in file order, and between them the problems that belong to none; constant memory.

        Args:
            expect: how the trainer reads the file; another container is one problem, and is read all the same.
        """
        return self._items(self.blocks(expect=expect))

    def records_in(self, lo: int, hi: int, *, at_record: bool = False) -> Iterator[Item]:
        """The records that start in ``[lo, hi)``, their indices counted from 0; then see `next_start`.

        Args:
            lo: first byte of the range; 0 begins at the head of the file, with whatever precedes the first record.
            hi: one past the last byte; -1 for the end of the file.
            at_record: a record is known to start at `lo`.
        """
        return self._items(self.blocks(lo, hi, at_record=at_record))

    def ranges(self, n: int) -> list[tuple[int, int]]:
        """At most `n` byte ranges of about equal size for `records_in`; one if the file cannot be split."""
        if not self.seekable or self.size is None or self.container not in ("array", "jsonl") or n < 2:
            return [(0, -1 if self.size is None else self.size)]
        edges = sorted({self.size * k // n for k in range(n + 1)})
        return list(pairwise(edges)) or [(0, 0)]

    def blocks(
        self, lo: int = 0, hi: int = -1, *, expect: Container | None = None, at_record: bool = False
    ) -> Iterator[Block]:
        """The records that start in ``[lo, hi)`` in runs of provisional slices; arguments as for `records_in`.

        Raises:
            UsageError: standard input is read a second time.
        """
        sniffed = self._look(expect)
        pending = opening_problems(self.head(), sniffed, expect) if lo == 0 else []
        if sniffed.layout == "nothing":
            if pending:
                yield Block(0, b"", [], [], 0, list(pending))
            return
        stop = None if hi < 0 or (self.size is not None and hi >= self.size) else hi
        reader = self._reader = self._make_reader(sniffed, lo, stop, at_record=at_record)
        for block in reader.blocks():
            block.pending[:0], pending = pending, []
            yield block
        if self._feed.damage is not None:
            end = reader.next_start
            pending.append(Problem("compression", self._feed.damage, end, end, None))
        if pending:
            yield Block(reader.next_start, b"", [], [], 0, pending)

    def repair(self, block: Block, i: int) -> tuple[list[Item], int]:
        """The truth about slice `i` of the block read last, which is not exactly one JSON value (or is empty).

        Returns:
            Exact records and problems from the start of slice `i` on, maybe none, and the slice at which to go on. The
            block's slices are corrected in place: their number may have changed.
        """
        if self._reader is None:
            raise ValueError("no block was read yet")
        return self._reader.repair(block, i)

    def reader(self) -> Callable[[int], bytes]:
        """A function that reads the next so many (decompressed) bytes, from the start of the file."""
        return self._feed.read_from(0) if self.seekable else self._feed.sequence()

    def read_at(self, start: int, end: int) -> bytes:
        """The bytes ``[start, end)`` of a seekable source."""
        if not self.seekable:
            raise ValueError(f"{self.path} can only be read from its start")
        return self._feed.read_from(start)(end - start)

    def read_all(self, limit: int = MAX_RECORD_BYTES) -> bytes:
        """The whole file, decompressed.

        Raises:
            UsageError: it is longer than `limit` bytes.
        """
        data = self.reader()(limit + 1)
        if len(data) > limit:
            raise UsageError(f"{self.path}: longer than {limit} bytes")
        return data

    @property
    def repeatable(self) -> bool:
        """Whether the source can be read more than once: everything but standard input and pipes."""
        return self._feed.reopenable

    @property
    def rewritable(self) -> bool:
        """Whether the path is a regular local file, compressed or not, that `mmdata.io.writer` can replace."""
        return not is_url(self.path) and self.path != "-" and os.path.isfile(local_path(self.path))

    def line_of(self, offsets: Sequence[int]) -> list[int]:
        """1-based line numbers of byte offsets (line breaks are ``\\n``).

        A file that can be opened again is read once more, up to the largest offset. Standard input remembers its last
        million line breaks; for an offset before them the line is unknown and given as 0.
        """
        return self._feed.line_of(offsets) if offsets else []

    def _look(self, expect: Container | None = None) -> Sniffed:
        if self._sniffed is None:
            head = self.head(HEAD_BYTES + 1)
            self._sniffed = sniff(head[:HEAD_BYTES], complete=len(head) <= HEAD_BYTES)
        if self._sniffed.layout == "text-lines" and expect in ("array", "jsonl", "object"):
            return self._sniffed._replace(layout="json-lines")
        return self._sniffed

    def _items(self, blocks: Iterator[Block]) -> Iterator[Item]:
        text = self._look().layout == "text-lines"
        for block in blocks:
            yield from block.pending
            i = 0
            while i < len(block.starts):
                start = block.starts[i]
                data = block.data[start : block.ends[i]]
                if data and (text or accepts(data)):
                    yield RawRecord(block.first + i, block.base + start, data, None)
                    i += 1
                else:
                    items, i = self.repair(block, i)
                    yield from items

    def _make_reader(
        self, sniffed: Sniffed, lo: int, hi: int | None, *, at_record: bool
    ) -> ArrayReader | LineReader:
        lines = sniffed.layout in ("json-lines", "text-lines")
        begin: Begin = "head" if lo == 0 else "record" if at_record else "search"
        at = max(0, lo - (1 if lines else _SEARCH_BACK)) if begin == "search" else lo
        if self.seekable:
            window = Window(self._feed.read_from(at), at, self._block_bytes)
        elif lo == 0:
            window = Window(self._feed.sequence(), 0, self._block_bytes, self._feed.newlines)
        else:
            raise ValueError(f"{self.path} can only be read from its start")
        if at == 0:
            window.byte(2)
            if window.data.startswith(BOM):
                window.cut(3)
        if lines:
            if begin == "search":
                _go_to_line(window)
            content: Literal["json", "text"] = "json" if sniffed.layout == "json-lines" else "text"
            return LineReader(window, content=content, max_bytes=self._max_bytes, hi=hi)
        # The members of a broken object are no records: only its brackets tell where it ends.
        shape = NO_SHAPE if sniffed.container == "object" else learn(self.head())
        commas = sniffed.layout == "array"
        return ArrayReader(window, shape, commas=commas, max_bytes=self._max_bytes, begin=begin, lo=lo, hi=hi)


def _go_to_line(window: Window) -> None:
    """Cut off everything before the end of the line that the window begins in."""
    while (newline := window.data.find(b"\n")) < 0:
        window.cut(window.end)
        if not window.fill():
            return
    window.cut(window.base + newline + 1)
