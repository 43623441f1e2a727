"""`RowSource`: a container that is no text, read as if its records lay in a file one after another."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from mmdata.errors import UsageError
from mmdata.io.jsontext import problem
from mmdata.io.record import Block, Item, Problem, RawRecord
from mmdata.io.source import Source
from mmdata.io.streams import local_path, reason

if TYPE_CHECKING:
    from mmdata.containers import Container, Rows

_SLICES = 2000


class RowSource(Source):
    """A COCO file, a Parquet file or a tar shard; see `mmdata.containers` for what positions mean here.

    A file that is compressed, remote or standard input is first copied to a temporary file, as these containers are not
    read from front to back.
    """

    def __init__(self, source: Source, kind: Container) -> None:
        # The file is open already, and standard input cannot be opened again.
        self.__dict__.update(source.__dict__)
        self.kind = kind
        self._copy: Any = None
        self._rows: Rows | None = None
        self.seekable = False
        self._end = 0

    @property
    def container(self) -> Any:
        """The container's name."""
        return self.kind.name

    @property
    def rewritable(self) -> bool:
        """Never: repairs are made in text."""
        return False

    def close(self) -> None:
        """Close the file and remove the copy."""
        if self._rows is not None:
            self._rows.close()
            self._rows = None
        if self._copy is not None:
            self._copy.close()
            self._copy = None
        super().close()

    def opened(self) -> Rows:
        """The rows.

        Raises:
            UsageError: the file cannot be read as what its first bytes say that it is.
        """
        if self._rows is None:
            self._rows = self.kind.open(self._local(), self.path)
        return self._rows

    def _local(self) -> str:
        if self.stat is not None:
            return local_path(self.path)
        if self._copy is None:
            self._copy = tempfile.NamedTemporaryFile(prefix="mmdata-")  # noqa: SIM115 - `close` closes it
            read = self._feed.sequence()
            try:
                while piece := read(1 << 20):
                    self._copy.write(piece)
                self._copy.flush()
            except OSError as error:
                raise UsageError(f"{self.path}: cannot be copied for reading: {reason(error)}") from error
        return str(self._copy.name)

    @property
    def first_start(self) -> int | None:
        """Position of the first record of the last pass."""
        return 0 if self._end else None

    @property
    def next_start(self) -> int:
        """Position after the last record of the last pass."""
        return self._end

    def ranges(self, n: int) -> list[tuple[int, int]]:
        """One range."""
        del n
        return [(0, -1)]

    def count(self) -> int | None:
        """How many records there are, where that is known without reading them."""
        return self.opened().count()

    def record(self, index: int) -> RawRecord:
        """Record `index`; its position is not known and given as 0.

        Raises:
            IndexError: there is none.
        """
        for row in self.opened().rows(index):
            if isinstance(row, bytes):
                return RawRecord(index, 0, row, None)
            if row.data is not None:
                return RawRecord(index, 0, row.data, Problem(row.kind, row.message, 0, 0, index))
        raise IndexError(f"record {index} is past the end of {self.path}")

    def _items(self, blocks: Iterator[Block]) -> Iterator[Item]:
        for block in blocks:
            yield from block.pending
            for number, (start, end) in enumerate(zip(block.starts, block.ends, strict=True)):
                data = block.data[start:end]
                yield self._raw(block.first + number, block.base + start, data)

    def _raw(self, index: int, start: int, data: bytes) -> RawRecord:
        wrong = problem(data)
        return RawRecord(index, start, data, None if wrong is None else wrong.as_problem(start, index))

    def blocks(
        self, lo: int = 0, hi: int = -1, *, expect: Any = None, at_record: bool = False
    ) -> Iterator[Block]:
        """Every record in runs of slices; a part of the file cannot be asked for."""
        del expect, at_record
        if lo or hi >= 0:
            raise ValueError(f"{self.path} is read as a whole")
        pending: list[Item] = []
        pieces: list[bytes] = []
        first = index = place = base = size = 0

        def block() -> Block:
            starts, at = [], 0
            for piece in pieces:
                starts.append(at)
                at += len(piece) + 1
            ends = [s + len(p) for s, p in zip(starts, pieces, strict=True)]
            return Block(base, b"\n".join(pieces), starts, ends, first, list(pending))

        found = False
        for row in self.opened().rows():
            fault: Problem | RawRecord | None = None
            if isinstance(row, bytes):
                if len(row) > self._max_bytes:
                    text = f"the record is larger than {self._max_bytes} bytes"
                    fault = RawRecord(
                        index, place, b"", Problem("too-large", text, place, place + len(row), index)
                    )
            elif row.data is None:
                fault = Problem(row.kind, row.message, place, place, None)
            else:
                what = Problem(row.kind, row.message, place, place + len(row.data), index)
                fault = RawRecord(index, place, row.data, what)
            if fault is not None:
                # What is no slice comes before the slices of the next block.
                if pieces:
                    yield block()
                    pieces, pending, size = [], [], 0
                pending.append(fault)
            else:
                assert isinstance(row, bytes)
                if not pieces:
                    first, base = index, place
                pieces.append(row)
                size += len(row)
            if isinstance(fault, RawRecord) or fault is None:
                found = True
                index += 1
                place += len(row if isinstance(row, bytes) else row.data or b"") + 1
                self._end = place
            if size >= self._block_bytes or len(pieces) >= _SLICES:
                yield block()
                pieces, pending, size = [], [], 0
        if not found:
            pending.append(Problem("empty", "the file holds no record", place, place, None))
        if pieces or pending:
            if not pieces:
                first, base = index, place
            yield block()

    def repair(self, block: Block, i: int) -> tuple[list[Item], int]:
        """Slice `i`, which a fast parser refused."""
        start, end = block.starts[i], block.ends[i]
        return [self._raw(block.first + i, block.base + start, block.data[start:end])], i + 1

    def reader(self) -> Callable[[int], bytes]:
        """A function that reads the file's own bytes from the start."""
        return super().reader() if self._feed.stat is None else self._feed.read_from(0)

    def line_of(self, offsets: Sequence[int]) -> list[int]:
        """Records of a container have no lines."""
        return [0] * len(offsets)


__all__ = ["RowSource"]
