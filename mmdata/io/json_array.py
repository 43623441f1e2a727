"""JSON arrays, and JSON values one after another, cut into blocks of records at the speed of `bytes.find`.

Records mostly end, separate and begin with the same bytes (``},\\n  {"id":``): the *needle*. Cutting at every needle is
a guess about nesting and nothing else, because in valid JSON neither a bare line break nor ``{"`` and a letter ever lies
inside a string. And a guess that checks itself: if one slice starts where a record starts, and parses as exactly one JSON
value, then it is that record, and the next slice starts where a record starts. What does not parse, `repair` reads again
exactly, from the last proven place on.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from typing import Literal

from mmdata.io.exact import Exact
from mmdata.io.record import MOST_SLICES, Block, Item, Problem, RawRecord
from mmdata.io.search import places_of
from mmdata.io.shape import Shape
from mmdata.io.spans import raw_end
from mmdata.io.window import Window

Begin = Literal["head", "record", "search"]
"""Where a reader finds itself: at the start of the file, at a record, or somewhere."""

_SPACE = b" \t\n\r"
_COMMA = re.compile(rb"[ \t\n\r]*+,[ \t\n\r]*+(?=\{)")
_GAP = re.compile(rb"[ \t\n\r]*+(?=\{)")
_OPENING = re.compile(rb"\[")
_BEFORE = 4096
_FURTHEST = 16
_PENDING_BYTES = 1 << 20


class ArrayReader:
    """Reads the records that start before `hi`.

    Args:
        window: the stream, at the place where reading begins.
        shape: what records look like.
        commas: an array; False for values one after another.
        max_bytes: a longer record is skipped.
        begin: see `Begin`.
        lo: with ``begin="search"``, the first record that starts here or later is looked for.
        hi: reading stops before the first record that starts here or later.

    Attributes:
        first_start: offset of the first record; None if there is none before `hi`.
        next_start: once all blocks are read: offset of the first record that was not read, or the end of the file.
    """

    def __init__(
        self,
        window: Window,
        shape: Shape,
        *,
        commas: bool,
        max_bytes: int,
        begin: Begin = "head",
        lo: int = 0,
        hi: int | None = None,
    ) -> None:
        self._window = window
        self._shape = shape
        self._begin = begin
        self._lo = lo
        self._commas = commas
        self._max_bytes = max_bytes
        self._exact = Exact(window, shape, commas=commas, max_bytes=max_bytes, hi=hi)
        self._block: Block | None = None
        self._resume = 0
        self._complete = False
        self._barren = 0
        self._chunk = window.block
        self.first_start: int | None = None
        self.next_start = window.base

    def blocks(self) -> Iterator[Block]:
        """The records in order; each block is valid until the next one is asked for."""
        exact, window = self._exact, self._window
        pending = self._enter()
        size = 0
        while not exact.done:
            window.cut_lazily(exact.pos)
            block = self._cut() if self._may_cut() else None
            if block is None:
                new = exact.step()
                pending += new
                size += sum(len(item.data) for item in new if isinstance(item, RawRecord)) + 64
                if size > _PENDING_BYTES:
                    self._note_first(pending, None)
                    yield Block(exact.pos, b"", [], [], exact.index, pending)
                    pending, size = [], 0
                continue
            block.pending, pending, size = pending, [], 0
            self._note_first(block.pending, block)
            self._block = block
            yield block
            self._leave(block)
        self._note_first(pending, None)
        if pending:
            yield Block(exact.pos, b"", [], [], exact.index, pending)
        self.next_start = exact.pos

    def _leave(self, block: Block) -> None:
        """Go on after a block, at its last cut unless a repair went further."""
        self._block = None
        exact = self._exact
        exact.index = block.first + len(block.starts)
        if not exact.done and exact.pos < self._resume:
            exact.go_to(self._resume)
            exact.done = self._complete

    def repair(self, block: Block, i: int) -> tuple[list[Item], int]:
        """What slice `i`, which is not exactly one JSON value, really is.

        Returns:
            The exact records and problems from the start of slice `i` on, and the slice at which to go on. Where the
            text is sound and only the cuts were wrong, that is no item, and slice `i` again. ``block.starts`` and
            ``block.ends`` are corrected in place, with a slice for every record among the items.
        """
        if block is not self._block:
            raise ValueError("only the block that was read last can be repaired")
        if self._recut(block, i):
            return [], i
        exact = self._exact
        exact.index = block.first + i
        exact.go_to(block.base + block.starts[i])
        exact.done = False
        items: list[Item] = []
        following = len(block.starts)
        while True:
            items += exact.step()
            if exact.done:
                break
            if exact.inside and exact.pos >= self._resume:
                self._resume = exact.pos
                self._complete = False
                break
            offset = exact.pos - block.base
            at = bisect_left(block.starts, offset)
            if exact.inside and at < len(block.starts) and block.starts[at] == offset:
                following = at
                break
        records = [item for item in items if isinstance(item, RawRecord)]
        block.starts[i:following] = [record.start - block.base for record in records]
        block.ends[i:following] = [record.start - block.base + len(record.data) for record in records]
        return items, i + len(records)

    def _recut(self, block: Block, i: int) -> bool:
        """Cut again from slice `i` on, value by value; False if the cut of slice `i` itself was right."""
        data, hi = block.data, self._exact.hi
        separator = _COMMA if self._commas else _GAP
        view = memoryview(data)
        starts: list[int] = []
        ends: list[int] = []
        start = block.starts[i]
        resume = -1
        while resume < 0:
            length = raw_end(view[start:])
            end = start + length
            follows = separator.match(data, end) if 0 < length < len(data) - start else None
            if length > 0 and (follows is not None or end == len(data)):
                starts.append(start)
                ends.append(end)
            if follows is None:
                resume = start
                break
            start = follows.end()
            if hi is not None and block.base + start >= hi:
                resume = start
        if not starts or ends[0] == block.ends[i]:
            return False
        if ends[-1] < len(data):
            self._resume = block.base + resume
            self._complete = False
        block.starts[i:], block.ends[i:] = starts, ends
        return True

    def _may_cut(self) -> bool:
        exact = self._exact
        return (
            exact.inside
            and exact.needle is not None
            and exact.pos >= self._barren
            and (exact.hi is None or exact.pos < exact.hi)
            and self._window.byte(exact.pos) == 0x7B
        )

    def _cut(self) -> Block | None:
        """The next records by their needle; None if the needle does not occur in reach."""
        window, exact = self._window, self._exact
        needle = exact.needle
        assert needle is not None
        window.cut(exact.pos)
        if len(window.data) < self._chunk:
            window.fill(self._chunk - len(window.data))
        while (
            (at := window.data.find(needle)) < 0
            and not window.eof
            and len(window.data) < _FURTHEST * window.block
        ):
            window.fill()
        # Few records in a block mean that much of it is copied again; ask for more next time.
        self._chunk = min(max(self._chunk, 4 * (at + 1)), _FURTHEST * window.block)
        data = window.data
        stop = len(data) if exact.hi is None else exact.hi - exact.pos
        cuts = places_of(needle, data)
        starts = [0, *(cut + exact.gap for cut in cuts)]
        ends = [cut + 1 for cut in cuts]
        count = min(bisect_left(starts, stop), len(ends), MOST_SLICES)
        start = starts[count]
        at = cuts[count] if count < len(cuts) else -1
        del starts[count:], ends[count:]
        self._complete = False
        if window.eof and start < stop and at < 0:
            end = self._last_end(data, start)
            if end > start:
                starts.append(start)
                ends.append(end)
                start = len(data)
                self._complete = True
        if len(data) > self._max_bytes:
            large = next(
                (i for i, (s, e) in enumerate(zip(starts, ends, strict=True)) if e - s > self._max_bytes),
                None,
            )
            if large is not None:
                start = starts[large]
                self._complete = False
                del starts[large:], ends[large:]
        if not starts:
            # Records that all begin differently would be searched through again and again.
            self._barren = window.end
            return None
        self._resume = window.base + start
        return Block(window.base, data[: ends[-1]], starts, ends, exact.index)

    def _last_end(self, data: bytes, start: int) -> int:
        """End of the last record if nothing but the array's end can follow it, else -1."""
        rest = data[start:].rstrip(_SPACE)
        if self._commas:
            if not rest.endswith(b"]"):
                return -1
            rest = rest[:-1].rstrip(_SPACE)
        return start + len(rest)

    def _enter(self) -> list[Item]:
        """Come to the place before the first record."""
        exact, window = self._exact, self._window
        if self._begin == "record":
            exact.done = window.byte(exact.pos) < 0 or (exact.hi is not None and exact.pos >= exact.hi)
            return []
        if self._begin == "search":
            self._search()
            return []
        if not self._commas:
            return []
        items: list[Item] = []
        at = window.skip_space(window.base)
        while window.byte(at) == 0:
            exact.filler(at, items)
            at = window.skip_space(exact.pos)
        if window.byte(at) != 0x5B:
            skipped, at = at, exact.find(_OPENING, at)
            items.append(
                Problem("stray", "expected '[' at the start of the file, got other text", skipped, at, None)
            )
        exact.pos = min(at + 1, window.end)
        return items

    def _search(self) -> None:
        """Go to the first place from `lo` on that looks like the start of a record after another one."""
        exact, window, signature = self._exact, self._window, self._shape.signature
        exact.done = True
        exact.pos = window.base
        if signature is None:
            return
        at = 0
        while True:
            found = window.data.find(signature, at)
            start = window.base + found
            if found < 0:
                window.cut(max(window.base, window.end - len(signature) - _BEFORE))
                if not window.fill():
                    exact.pos = window.end
                    return
                at = 0
            elif exact.hi is not None and start >= exact.hi:
                exact.pos = start
                return
            elif start >= self._lo and self._follows_record(window.data[max(0, found - _BEFORE) : found]):
                exact.done = False
                exact.go_to(start)
                return
            else:
                at = found + 1

    def _follows_record(self, before: bytes) -> bool:
        before = before.rstrip(_SPACE)
        if self._commas:
            if not before.endswith(b","):
                return False
            before = before[:-1].rstrip(_SPACE)
        return before.endswith(b"}")

    def _note_first(self, pending: list[Item], block: Block | None) -> None:
        if self.first_start is None:
            first = next((item.start for item in pending if isinstance(item, RawRecord)), None)
            self.first_start = first if first is not None or block is None else block.base
