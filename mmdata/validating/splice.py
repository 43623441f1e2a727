"""Copy a stream with some stretches of bytes replaced, and remember the changed lines for a diff."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Protocol

from mmdata.finding import Splice

CHUNK = 1 << 20
LINE_LIMIT = 1 << 16
"""A diff shows whole lines; where a line is longer (an array on one line), it shows the replaced stretch alone."""

MAX_SHOWN = 1000
"""Replacements kept for the diff; the counts are complete."""


class Readable(Protocol):
    """A stream of bytes in sequence."""

    def read(self, size: int) -> bytes:
        """Exactly `size` bytes, fewer only at the end."""
        ...


@dataclass(frozen=True, slots=True)
class Replacement:
    """A stretch of lines, before and after; `line` is the 1-based number of the first one before."""

    line: int
    before: str
    after: str


@dataclass(slots=True)
class Change:
    """What was, or would be, changed in one file.

    Attributes:
        path: the file.
        replaced: what the diff shows, in file order, at most `MAX_SHOWN`.
        codes: how many repairs of each code.
        written: whether the file was written.
        total: number of replacements.
    """

    path: str
    replaced: list[Replacement] = field(default_factory=list)
    codes: Counter[str] = field(default_factory=Counter)
    written: bool = False
    total: int = 0

    def summary(self) -> str:
        """One line for a person: what was fixed, by code."""
        if not self.codes:
            return f"{self.path}: nothing to fix"
        parts = ", ".join(f"{count} {code}" for code, count in sorted(self.codes.items()))
        return f"{self.path}: {'fixed' if self.written else 'would fix'} {parts}"

    def diff(self) -> Iterator[str]:
        """The change as a unified diff without context lines."""
        if self.replaced:
            yield f"--- {self.path}\n"
            yield f"+++ {self.path}\n"
        shift = 0
        for item in self.replaced:
            before, after = item.before.splitlines(keepends=True), item.after.splitlines(keepends=True)
            for tag, a0, a1, b0, b1 in difflib.SequenceMatcher(
                None, before, after, autojunk=False
            ).get_opcodes():
                if tag != "equal":
                    yield f"@@ -{_range(item.line + a0, a1 - a0)} +{_range(item.line + shift + b0, b1 - b0)} @@\n"
                    yield from (_line("-", text) for text in before[a0:a1])
                    yield from (_line("+", text) for text in after[b0:b1])
            shift += len(after) - len(before)
        if self.total > len(self.replaced):
            yield f"# … and {self.total - len(self.replaced)} more changes in {self.path}\n"


def _range(line: int, count: int) -> str:
    return f"{line if count else line - 1},{count}"


def _line(sign: str, text: str) -> str:
    return f"{sign}{text}" if text.endswith("\n") else f"{sign}{text}\n\\ No newline at end of file\n"


def copy_with(
    stream: Readable, first: Splice, rest: Iterator[Splice], change: Change, write: Callable[[bytes], object]
) -> None:
    """Copy the stream to `write` with the splices made, noting them in `change`.

    Args:
        stream: the file from its first byte.
        first: the first splice.
        rest: the others, ascending; a splice that overlaps an earlier one is left out.
        change: gains a `Replacement` for each splice.
        write: takes the new bytes.
    """
    cursor = _Cursor(stream, write)
    for splice in chain([first], rest):
        if splice.start >= cursor.at:
            cursor.copy_to(splice.start)
            line, before, after = cursor.replace(splice)
            change.total += 1
            if len(change.replaced) < MAX_SHOWN:
                change.replaced.append(Replacement(line, before, after))
    cursor.copy_rest()


class _Cursor:
    """A place in the stream, with the line it is on."""

    def __init__(self, stream: Readable, write: Callable[[bytes], object]) -> None:
        self.stream = stream
        self.write = write
        self.buffer = b""
        self.at = 0
        self.line = 1
        self.tail = b""

    def fill(self, size: int) -> None:
        if len(self.buffer) < size:
            self.buffer += self.stream.read(max(size - len(self.buffer), CHUNK))

    def take(self, size: int) -> bytes:
        self.fill(size)
        piece, self.buffer = self.buffer[:size], self.buffer[size:]
        self.at += len(piece)
        self.line += piece.count(b"\n")
        self.tail = (self.tail + piece)[-LINE_LIMIT:].rpartition(b"\n")[2]
        return piece

    def copy_to(self, offset: int) -> None:
        while self.at < offset:
            piece = self.take(min(CHUNK, offset - self.at))
            if not piece:
                return
            self.write(piece)

    def copy_rest(self) -> None:
        while piece := self.take(CHUNK):
            self.write(piece)

    def replace(self, splice: Splice) -> tuple[int, str, str]:
        """Make a splice; the number of its first line, its lines before and after."""
        line, lead = self.line, self.tail
        old = self.take(splice.end - splice.start)
        self.write(splice.replacement)
        self.fill(LINE_LIMIT)
        stop = self.buffer.find(b"\n") + 1
        trail = self.buffer[:stop] if stop else self.buffer
        if len(lead) >= LINE_LIMIT or len(trail) >= LINE_LIMIT:
            lead, trail = b"", b"\n"
        elif old.endswith(b"\n"):
            # Whole lines went: the line after them is not part of the change.
            trail = b""
        before, after = (lead + text + trail for text in (old, splice.replacement))
        return line, before.decode("utf-8", "backslashreplace"), after.decode("utf-8", "backslashreplace")
