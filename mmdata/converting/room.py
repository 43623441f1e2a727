"""`Room`: the memory in which the output of one batch grows, and `Handover`: rooms that processes share."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import numpy as np

ROOM_BYTES = 16 << 20
"""Bytes of one batch's output that have room, at most; only what is used of them takes memory."""

CHUNK = 1 << 20
"""Bytes that a kind of records gets of the room at a time."""

Piece: TypeAlias = bytes | memoryview


@dataclass(frozen=True, slots=True)
class Stretch:
    """Some bytes of a room."""

    start: int
    end: int


@dataclass(slots=True)
class Written:
    """Records of one kind, each with what stands between two records after it.

    Attributes:
        records: those that come last, alone.
        pieces: those before, where they lie in the room; as they are where it was full.
        count: of the records in the pieces.
        at: where the next ones go.
        limit: one past the last byte that is for this kind.
    """

    records: list[bytes] = field(default_factory=list)
    pieces: list[Stretch | bytes] = field(default_factory=list)
    count: int = 0
    at: int = 0
    limit: int = 0


class Room:
    """The memory of one batch, and what was written to it.

    Args:
        memory: bytes that may be written.
        between: what stands between two records of the output.
    """

    def __init__(self, memory: memoryview, between: bytes) -> None:
        self.memory = memory
        self.between = between
        self.written: dict[str, Written] = {}
        self.chunk = CHUNK
        self._used = 0
        self._array: Any = None

    @property
    def array(self) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
        """The memory as a kernel sees it."""
        if self._array is None:
            import numpy as np

            self._array = np.frombuffer(self.memory, np.uint8)
        return self._array  # type: ignore[no-any-return]

    def clear(self) -> None:
        """Begin anew: what was written is not needed any more."""
        self.written, self._used = {}, 0

    def place(self, kind: str) -> Written:
        """Where records of a kind go."""
        if kind not in self.written:
            self.written[kind] = Written()
        return self.written[kind]

    def flush(self) -> None:
        """Move the records that stand alone to their pieces: their memory is free for those of the next block."""
        for written in self.written.values():
            if written.records:
                self._put(written, self.between.join((*written.records, b"")))
                written.count += len(written.records)
                written.records.clear()

    def _put(self, written: Written, text: bytes) -> None:
        if self.reserve(written, len(text)):
            end = written.at + len(text)
            self.memory[written.at : end] = text
            self.took(written, end, 0)
        else:
            written.pieces.append(text)

    def reserve(self, written: Written, least: int) -> bool:
        """See to it that a kind has so many bytes in a row; False where the room is full."""
        if written.limit - written.at >= least:
            return True
        # What is free may lie behind what the kind has already.
        start = written.at if written.limit == self._used else self._used
        wanted = start + -(-least // self.chunk) * self.chunk
        end = min(wanted, len(self.memory))
        if end - start < least:
            return False
        written.at, written.limit = start, end
        self._used = end
        return True

    def ready(self, written: Written) -> None:
        """Give a kind room for records of a usual size, where there is any.

        What is left of its last chunk is given up only when it is little: kinds that alternate would use up the room otherwise.
        """
        self.reserve(written, self.chunk // 8)

    def took(self, written: Written, end: int, count: int) -> None:
        """So many records were written there, up to `end`, with what stands between them behind the last one too."""
        pieces, start = written.pieces, written.at
        last = pieces[-1] if pieces else None
        if isinstance(last, Stretch) and last.end == start:
            pieces[-1] = Stretch(last.start, end)
        else:
            pieces.append(Stretch(start, end))
        written.at = end
        written.count += count

    def outputs(self) -> Iterator[tuple[str, list[Stretch | bytes], int]]:
        """Kind, pieces and number of records, without what stood behind the last one."""
        self.flush()
        behind = len(self.between)
        for kind, written in self.written.items():
            if not written.count:
                continue
            pieces = written.pieces.copy()
            last = pieces.pop()
            kept = Stretch(last.start, last.end - behind) if isinstance(last, Stretch) else last[:-behind]
            yield kind, [*pieces, kept], written.count


class Handover:
    """Memory that processes forked later share with this one, a room for each batch under way.

    The process that writes the output gives a free room with each batch and takes it back when the batch is written.

    Args:
        rooms: batches that are under way at a time.
    """

    def __init__(self, rooms: int) -> None:
        self._memory = memoryview(mmap.mmap(-1, rooms * ROOM_BYTES))
        self.free = list(range(rooms))

    def memory(self, number: int) -> memoryview:
        """The memory of a room."""
        return self._memory[number * ROOM_BYTES : (number + 1) * ROOM_BYTES]


def private() -> memoryview:
    """Memory of this process alone."""
    return memoryview(mmap.mmap(-1, ROOM_BYTES))


__all__ = ["CHUNK", "ROOM_BYTES", "Handover", "Piece", "Room", "Stretch", "Written", "private"]
