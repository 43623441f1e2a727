"""Files with one record a line: JSONL, and text files such as ``data.txt``.

A line ends at ``\\n``; a carriage return before it is taken off. U+2028 and other Unicode line separators end no line.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np

from mmdata.errors import DataError
from mmdata.finding import Splice
from mmdata.io.jsontext import BOM, accepts, problem
from mmdata.io.record import MOST_SLICES, Block, Item, Problem, ProblemKind, RawRecord
from mmdata.io.spans import skip_space, value_end
from mmdata.io.window import Window

_SPACE = b" \t\n\r"


class LineReader:
    """Reads the lines that start before `hi`.

    Args:
        window: the stream, at the start of a line.
        content: ``"json"``: a record is a JSON value, whitespace around it is taken off; ``"text"``: the whole line
            without its end.
        max_bytes: a longer line is skipped.
        hi: reading stops before the first line that starts here or later.

    Attributes:
        first_start: offset of the first line read; None if there is none before `hi`.
        next_start: once all blocks are read: offset of the first line that was not read, or the end of the file.
    """

    def __init__(
        self,
        window: Window,
        *,
        content: Literal["json", "text"] = "json",
        max_bytes: int,
        hi: int | None = None,
    ) -> None:
        self._window = window
        self._content = content
        self._max_bytes = max_bytes
        self._hi = hi
        self._block: Block | None = None
        self.first_start: int | None = None
        self.next_start = window.base

    def blocks(self) -> Iterator[Block]:
        """The lines in order; each block is valid until the next one is asked for."""
        window = self._window
        index = 0
        pending: list[Item] = []
        while self._hi is None or window.base < self._hi:
            stop = self._last_line_end()
            if stop < 0:
                pending.append(self._too_large(index))
                index += 1
                continue
            if stop == 0:
                break
            block, stop = self._cut(stop, index)
            if not block.starts:
                pending.append(self._too_large(index))
                index += 1
                continue
            block.pending, pending = pending, []
            if self.first_start is None:
                self.first_start = block.base
            self._block = block
            yield block
            self._block = None
            index = block.first + len(block.starts)
            window.cut(window.base + stop)
        if pending:
            yield Block(window.base, b"", [], [], index, pending)
        self.next_start = window.base

    def _last_line_end(self) -> int:
        """One past the last line end in the window, read on as needed; 0 at the end; -1 if the line is too large."""
        window = self._window
        if len(window.data) < window.block:
            window.fill(window.block)
        while True:
            stop = window.data.rfind(b"\n") + 1
            if stop:
                return stop
            if window.eof:
                return len(window.data)
            if len(window.data) > self._max_bytes:
                return -1
            window.fill()

    def _cut(self, stop: int, index: int) -> tuple[Block, int]:
        data = self._window.data
        limit = stop if self._hi is None else min(stop, self._hi - self._window.base)
        characters = np.frombuffer(data, np.uint8, stop)
        line_ends = np.flatnonzero(characters == 10)
        if len(line_ends) == 0 or line_ends[-1] != stop - 1:
            line_ends = np.append(line_ends, stop)
        line_starts = np.concatenate(([0], line_ends[:-1] + 1))
        count = min(int(np.searchsorted(line_starts, limit)), MOST_SLICES)
        large = np.flatnonzero(line_ends[:count] - line_starts[:count] > self._max_bytes)
        spaced = (characters[line_starts[:count]] <= 32) | (
            characters[np.maximum(line_ends[:count] - 1, 0)] <= 32
        )
        starts, ends = line_starts[:count].tolist(), line_ends[:count].tolist()
        for i in np.flatnonzero(spaced & (line_ends[:count] > line_starts[:count])).tolist():
            starts[i], ends[i] = _trimmed(data, starts[i], ends[i], is_json=self._content == "json")
        stop = min(int(line_ends[count - 1]) + 1, stop) if count else 0
        for i in large.tolist():
            if ends[i] - starts[i] > self._max_bytes:
                stop = int(line_starts[i])
                del starts[i:], ends[i:]
                break
        return Block(self._window.base, data[:stop], starts, ends, index), stop

    def repair(self, block: Block, i: int) -> tuple[list[Item], int]:
        """What line `i`, which is empty or not exactly one JSON value, really is.

        Returns:
            Its records and problems, and the slice at which to go on. ``block.starts`` and ``block.ends`` are corrected
            in place: no slice for a blank line, one for each record otherwise.
        """
        if block is not self._block:
            raise ValueError("only the block that was read last can be repaired")
        items = self._line(block, i)
        records = [item for item in items if isinstance(item, RawRecord)]
        block.starts[i : i + 1] = [record.start - block.base for record in records]
        block.ends[i : i + 1] = [record.start - block.base + len(record.data) for record in records]
        return items, i + len(records)

    def _line(self, block: Block, i: int) -> list[Item]:
        start, end = block.starts[i], block.ends[i]
        index = block.first + i
        if start == end:
            return [self._blank(block, i)]
        data = block.data[start:end]
        if self._content == "text":
            return [RawRecord(index, block.base + start, data, None)]
        return _json_line(data, block.base + start, index)

    def _blank(self, block: Block, i: int) -> Problem:
        place = block.data.rfind(b"\n", 0, block.starts[i]) + 1 + block.base
        stop = (block.data.find(b"\n", block.starts[i]) + 1 or len(block.data)) + block.base
        return Problem(
            "blank-line",
            "expected a record, got a blank line",
            place,
            stop,
            None,
            (Splice(place, stop, b""),),
        )

    def _too_large(self, index: int) -> RawRecord:
        """Skip a line that is longer than may be held."""
        window = self._window
        start = window.base
        while (newline := window.data.find(b"\n")) < 0 and not window.eof:
            window.cut(window.end)
            window.fill()
        end = window.base + newline if newline >= 0 else window.end
        window.cut(min(end + 1, window.end))
        if self.first_start is None:
            self.first_start = start
        message = f"the record is larger than {self._max_bytes} bytes; it was skipped"
        return RawRecord(index, start, b"", Problem("too-large", message, start, end, index))


def _trimmed(data: bytes, start: int, end: int, *, is_json: bool) -> tuple[int, int]:
    if not is_json:
        end -= data[end - 1] == 0x0D
        return (start, end) if data[start:end].strip() else (start, start)
    while start < end and data[start] in _SPACE:
        start += 1
    while end > start and data[end - 1] in _SPACE:
        end -= 1
    return start, end


def _json_line(data: bytes, base: int, index: int) -> list[Item]:
    """The records and problems of one line that a fast parser refused."""
    if accepts(data):
        return [RawRecord(index, base, data, None)]
    items: list[Item] = []
    body = data
    if body.startswith(BOM):
        items.append(_removal("bom", "expected no byte order mark, got one", base, base + 3, index))
        body = body[3:]
    if body.startswith(b"\0"):
        filler = len(body) - len(body.lstrip(b"\0"))
        at = base + len(data) - len(body)
        items.append(_removal("nul", f"expected JSON, got {filler} NUL byte(s)", at, at + filler, index))
        body = body[filler:]
    if not body:
        only = items[0]
        return [RawRecord(index, base, data, only if isinstance(only, Problem) else None)]
    lead = len(data) - len(body)
    wrong = problem(body)
    if wrong is None:
        return [*items, RawRecord(index, base + lead, body, None)]
    values = _split(body, base + lead, index)
    return items + (values or [RawRecord(index, base + lead, body, wrong.as_problem(base + lead, index))])


def _split(data: bytes, base: int, index: int) -> list[Item] | None:
    """A line that holds whole values and something more; None if it is broken otherwise."""
    items: list[Item] = []
    at = 0
    while at < len(data):
        try:
            end = value_end(data, at)
        except DataError:
            return None
        if problem(data[at:end]) is not None:
            return None
        items.append(RawRecord(index, base + at, data[at:end], None))
        following = skip_space(data, end)
        rest = data[following:]
        gap = data[end:following]
        place = base + following
        if not rest.strip(b"\0"):
            if rest:
                items.append(
                    _removal(
                        "nul", f"expected JSON, got {len(rest)} NUL byte(s)", place, place + len(rest), index
                    )
                )
        elif rest == b",":
            items.append(
                _removal("trailing-comma", "expected a line break, got a comma", place, place + 1, index)
            )
        elif rest in (b"}", b"]", b"},", b"],"):
            words = f"expected a line break, got {rest.decode()!r}"
            items.append(_removal("stray", words, place, place + len(rest), index))
        elif rest[:1] in (b"{", b"["):
            if b"\r" not in gap:
                words = "expected a line break between two records, got none"
                splices = (Splice(base + end, place, b"\n"),)
                items.append(Problem("missing-newline", words, place, place + 1, index + 1, splices))
            at = following
            index += 1
            continue
        else:
            return None
        return items
    return items


def _removal(kind: ProblemKind, message: str, start: int, end: int, record: int) -> Problem:
    return Problem(kind, message, start, end, record, (Splice(start, end, b""),))
