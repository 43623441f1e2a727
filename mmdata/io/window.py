"""`Window`: the part of a stream that a reader holds, by offsets of the whole stream. Bounded, and only ever forward."""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left
from collections.abc import Callable

_SPACE = re.compile(rb"[ \t\n\r]*+")
_NEWLINES_KEPT = 1 << 20
_LARGEST_READ = 1 << 23


class Newlines:
    """Where the line breaks of a stream lay, the last million of them: line numbers without the bytes.

    Memory: 8 bytes for each line break kept, 16 MB at most.
    """

    def __init__(self) -> None:
        self._places = array("Q")
        self._forgotten = 0
        self._floor = 0

    def add(self, base: int, data: bytes) -> None:
        """Note the line breaks of `data`, which begins at offset `base`."""
        self._places.extend(m.start() + base for m in re.finditer(rb"\n", data))
        if len(self._places) > 2 * _NEWLINES_KEPT:
            gone = len(self._places) - _NEWLINES_KEPT
            self._floor = self._places[gone - 1] + 1
            del self._places[:gone]
            self._forgotten += gone

    def line_of(self, offset: int) -> int | None:
        """1-based line of an offset; None if it lies before the line breaks that are remembered."""
        if offset < self._floor:
            return None
        return self._forgotten + bisect_left(self._places, offset) + 1


class Window:
    """Some bytes of a stream, from offset `base` on.

    Attributes:
        data: the bytes held.
        base: offset of ``data[0]`` in the stream.
        eof: nothing follows `data`.
        block: bytes read at a time, at least.
    """

    __slots__ = ("_note", "_read", "base", "block", "data", "eof")

    def __init__(
        self,
        read: Callable[[int], bytes],
        base: int,
        block: int,
        newlines: Newlines | None = None,
    ) -> None:
        self._read = read
        self._note = newlines
        self.base = base
        self.block = block
        self.data = b""
        self.eof = False

    @property
    def end(self) -> int:
        """Offset one past the bytes held."""
        return self.base + len(self.data)

    def fill(self, size: int = 0) -> bool:
        """Read on: `size` bytes, or as many as are held already, so that growing is cheap. False at the end."""
        if self.eof:
            return False
        size = size or max(self.block, min(len(self.data), _LARGEST_READ))
        piece = self._read(size)
        if self._note is not None and piece:
            self._note.add(self.end, piece)
        self.eof = len(piece) < size
        self.data = self.data + piece if self.data else piece
        return bool(piece)

    def cut(self, offset: int) -> None:
        """Forget the bytes before `offset`, which must not lie beyond the end."""
        if offset > self.base:
            self.data = self.data[offset - self.base :]
            self.base = offset

    def cut_lazily(self, offset: int) -> None:
        """`cut`, but only once it frees half of what is held, so that many small steps do not copy many times."""
        if 2 * (offset - self.base) > max(len(self.data), self.block):
            self.cut(offset)

    def byte(self, offset: int) -> int:
        """The byte at an offset, -1 at the end of the stream."""
        while offset >= self.end:
            if not self.fill():
                return -1
        return self.data[offset - self.base]

    def skip_space(self, offset: int) -> int:
        """First offset from here on that is not JSON whitespace, or the end; forgets long runs of whitespace."""
        while True:
            found = _SPACE.match(self.data, offset - self.base)
            if found is not None:
                offset = self.base + found.end()
            if offset < self.end:
                return offset
            self.cut_lazily(offset)
            if not self.fill():
                return offset
