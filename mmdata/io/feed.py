"""`Feed`: the bytes of one source, from any place where the file allows it, in sequence where it does not."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence

from mmdata.errors import UsageError
from mmdata.io.lines import count_lines
from mmdata.io.streams import Stream, local_path, open_stream, reason
from mmdata.io.window import Newlines

Read = Callable[[int], bytes]


_looked_at: tuple[object, Stream, bytes] | None = None
"""Standard input that somebody looked at and did not read: the input, its stream and the bytes taken from it."""


def _opened(path: str) -> tuple[Stream, os.stat_result | None, bool, bytes]:
    """As `open_stream`, and what was read ahead of the stream."""
    global _looked_at
    if path == "-" and _looked_at is not None:
        (owner, stream, head), _looked_at = _looked_at, None
        if owner is sys.stdin.buffer:
            return stream, None, False, head
    return *open_stream(path), b""


class Feed:
    """Opens a path and hands out functions that read from it.

    Attributes:
        reopenable: it can be read more than once.
        stat: of a plain, uncompressed local file, which can be read from any place; None for everything else.
        newlines: the line breaks that passed in the last pass over something that can be read only in sequence.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._stream, self.stat, self.reopenable, self._head = _opened(path)
        self._file = -1
        if self.stat is not None:
            self._file = os.open(local_path(path), os.O_RDONLY)
            self._stream.close()
        self._passed = False
        self.newlines: Newlines | None = None

    def close(self) -> None:
        """Close the file. Standard input stays open; what was only looked at is there for the next one who opens it."""
        global _looked_at
        if self.path == "-" and not self._passed:
            _looked_at = (sys.stdin.buffer, self._stream, self._head)
        elif self.path != "-" and self.stat is None:
            self._stream.close()
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    @property
    def damage(self) -> str | None:
        """What is wrong with the compressed file, once a pass has met it."""
        return self._stream.damage

    def head(self, n: int) -> bytes:
        """The first `n` bytes; of what can be read once, and is being read, no more than were asked for before."""
        if self.stat is not None:
            return self.read_from(0)(n)
        if len(self._head) < n and not self._passed:
            self._head += self._stream.read(n - len(self._head))
        return self._head[:n]

    def read_from(self, offset: int) -> Read:
        """A function that reads on from `offset` of a plain file."""
        place = offset

        def read(size: int) -> bytes:
            nonlocal place
            parts: list[bytes] = []
            try:
                while size > 0 and (piece := os.pread(self._file, size, place)):
                    parts.append(piece)
                    place += len(piece)
                    size -= len(piece)
            except OSError as error:
                raise UsageError(f"{self.path}: cannot read: {reason(error)}") from error
            return parts[0] if len(parts) == 1 else b"".join(parts)

        return read

    def sequence(self) -> Read:
        """A function that reads everything from the start.

        Raises:
            UsageError: it was read before and cannot be read again.
        """
        self.newlines = Newlines()
        if self._passed:
            if not self.reopenable:
                raise UsageError(f"{self.path}: can be read only once")
            self._stream.close()
            self._stream = open_stream(self.path)[0]
            return self._stream.read
        self._passed = True
        ahead, stream = self._head, self._stream

        def read(size: int) -> bytes:
            nonlocal ahead
            piece, ahead = ahead[:size], ahead[size:]
            return piece + stream.read(size - len(piece)) if len(piece) < size else piece

        return read

    def line_of(self, offsets: Sequence[int]) -> list[int]:
        """1-based line numbers of byte offsets; 0 where they cannot be known any more."""
        if self.stat is not None:
            return count_lines(self.read_from(0), offsets)
        if self.newlines is not None:
            known = [self.newlines.line_of(offset) for offset in offsets]
            if not self.reopenable or None not in known:
                return [line or 0 for line in known]
        if not self.reopenable:
            return [0] * len(offsets)
        again: Stream = open_stream(self.path)[0]
        try:
            return count_lines(again.read, offsets)
        finally:
            again.close()
