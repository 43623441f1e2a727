"""`Compiled`: skeletons, templates and folders as the tables that the kernel reads, and the memory that it writes to.

Imported only after `mmdata.jit.available` said yes.
"""

from __future__ import annotations

from itertools import islice
from types import SimpleNamespace
from typing import TYPE_CHECKING, Protocol, cast

import numpy as np

from mmdata.converting.fast import kernel
from mmdata.converting.fast.look import View, outline_of
from mmdata.converting.fast.vectors import WIDE
from mmdata.converting.room import Room, private
from mmdata.io.record import Block

if TYPE_CHECKING:
    from mmdata.converting.fast.known import Begin, Known
    from mmdata.converting.fast.skeleton import Skeleton
    from mmdata.converting.fast.template import Op, Template

TEXTS = 1 << 21
"""Bytes of the texts whose digests are taken at a time."""

MOST_RECORDS = 4096
MOST_SLOTS = 512

_KINDS = {"text": kernel.TEXT, "string": kernel.STRING, "path": kernel.PATH, "positive": kernel.POSITIVE}
_PIECES = {"raw": kernel.RAW, "escaped": kernel.ESCAPED, "path": kernel.SPELLED, "digest": kernel.DIGEST}


class Texts:
    """Byte strings in a row, and `WIDE` bytes more, so that the kernel may read vectors at the end."""

    def __init__(self) -> None:
        self.data = bytearray(WIDE)

    def add(self, text: bytes) -> tuple[int, int]:
        """Add a text; returns its offset and length."""
        at = len(self.data) - WIDE
        self.data[at:at] = text
        return at, len(text)

    def array(self) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
        """A copy that does not change."""
        return np.frombuffer(bytes(self.data), np.uint8).copy()


class Alike(Protocol):
    """What is asked of a `Speller`."""

    alike: dict[bytes, bytes]
    cleared: int


class Folders:
    """`Speller.alike` as a hash table with open addressing; at least half of it is empty."""

    def __init__(self, speller: Alike) -> None:
        self.speller = speller
        self._begin()

    def _begin(self) -> None:
        self.texts = Texts()
        self.rows: list[tuple[int, int, int, int, int]] = []
        self.cleared = self.speller.cleared
        self._fill(64)

    def _fill(self, size: int) -> None:
        self.table = np.full((size, 4), -1, np.int64)
        for row in self.rows:
            self._put(row)
        self.bytes = self.texts.array()

    def _put(self, row: tuple[int, int, int, int, int]) -> None:
        at = row[0] & (len(self.table) - 1)
        while self.table[at, 1] >= 0:
            at = (at + 1) & (len(self.table) - 1)
        self.table[at] = row[1:]

    def update(self) -> None:
        """Take over the folders that are known since."""
        alike = self.speller.alike
        if self.cleared != self.speller.cleared:
            self._begin()
        if len(alike) == len(self.rows):
            return
        first = len(self.rows)
        for written, before in islice(alike.items(), first, None):
            mark = kernel.hashed(np.frombuffer(written, np.uint8), 0, len(written))
            self.rows.append((mark, *self.texts.add(written), *self.texts.add(before)))
        if 2 * len(self.rows) > len(self.table):
            self._fill(1 << (4 * len(self.rows)).bit_length())
            return
        for row in self.rows[first:]:
            self._put(row)
        self.bytes = self.texts.array()


class Compiled:
    """The tables of one source.

    Args:
        speller: of the media paths.
        between: what stands between two records of the output.
    """

    def __init__(self, speller: Alike, between: bytes) -> None:
        self.folders = Folders(speller)
        self.between = np.frombuffer(between, np.uint8)
        self.knowns: list[Known] = []
        self.texts = Texts()
        self.steps: list[tuple[int, int, int, int]] = []
        self.ops: list[tuple[int, int, int]] = []
        self.rows: list[tuple[int, ...]] = []
        self.places: list[str] = []
        self.changed = False
        self.slots = np.zeros((MOST_SLOTS, 5), np.int64)
        self.words = np.zeros(TEXTS // 8, np.uint64)
        self.hashes = np.zeros((MOST_RECORDS, 2), np.int64)
        self.digests = np.zeros(MOST_RECORDS, np.int64)
        self._freeze()

    def add(self, known: Known, place: str, skeleton: Skeleton, template: Template) -> None:
        """Take a skeleton over, if it is not too large.

        Args:
            known: what is to be told of its records.
            place: a name of the file that its records go to.
            skeleton: of the records.
            template: of what they become.
        """
        seals = [op for op in template.output if op.kind == "digest"]
        if len(skeleton.slots) > MOST_SLOTS or len(seals) != (template.sealed is not None):
            return
        first = len(self.steps)
        self._steps(skeleton)
        output = self._ops(template.output)
        sealed = self._ops(template.sealed or ())
        if place not in self.places:
            self.places.append(place)
        outline = outline_of(skeleton.literal)
        self.rows.append((*outline, first, *output, *sealed, self.places.index(place)))
        self.knowns.append(known)
        self.changed = True

    def _steps(self, skeleton: Skeleton) -> None:
        literal = b""
        for piece in skeleton.pieces:
            if isinstance(piece, bytes):
                literal += piece
            else:
                self.steps.append((*self.texts.add(literal), _KINDS[piece.kind], piece.before_tag))
                literal = b""
        self.steps.append((*self.texts.add(literal), kernel.END, 0))

    def _ops(self, ops: tuple[Op, ...]) -> tuple[int, int]:
        first = len(self.ops)
        for op in ops:
            if op.kind == "literal":
                self.ops.append((kernel.LITERAL, *self.texts.add(op.text)))
            else:
                self.ops.append((_PIECES[op.kind], op.slot, 0))
        return first, len(self.ops)

    def _freeze(self) -> None:
        self._knowns = np.array(self.rows, np.int64).reshape(-1, 9)
        self._steps_table = np.array(self.steps, np.int64).reshape(-1, 4)
        self._ops_table = np.array(self.ops, np.int64).reshape(-1, 3)
        self._literals = self.texts.array()
        self._taken = np.zeros(len(self.rows), np.int64)
        self._filled = np.zeros(len(self.places), np.int64)
        self._limits = np.zeros(len(self.places), np.int64)
        self.changed = False

    def run(self, view: View, first: int, begin: Begin, room: Room) -> int:
        """Translate the records of a block from slice `first` on, as long as they are known.

        Args:
            view: of the block, which must be valid UTF-8.
            first: the first slice to translate.
            begin: is called with what has its first record of the batch, and gives it a place to write to.
            room: takes what is written.

        Returns:
            The first slice that was not translated.
        """
        if self.changed:
            self._freeze()
        self.folders.update()
        why = kernel.FULL
        while why == kernel.FULL:
            before = first
            self._reserve(room)
            first, why = kernel.translate(
                *view.arrays, first, self._knowns, self._steps_table, self._ops_table,
                self._literals, self.between, self.folders.table, self.folders.bytes, self.slots, room.array,
                self._filled, self._limits, self._taken, self.words, self.hashes, self.digests,
            )  # fmt: skip
            if first == before:
                break
            self._hand_on(begin, room)
        return int(first)

    def _reserve(self, room: Room) -> None:
        """Say where the records of each place go: behind those that are there."""
        room.flush()
        for number, name in enumerate(self.places):
            written = room.place(name)
            room.reserve(written, room.chunk)
            self._filled[number], self._limits[number] = written.at, written.limit

    def _hand_on(self, begin: Begin, room: Room) -> None:
        """Say what was written."""
        counts = [0] * len(self.places)
        for number in np.flatnonzero(self._taken).tolist():
            known, records = self.knowns[number], int(self._taken[number])
            if known.written is None:
                begin(known)
            known.records += records
            counts[self.rows[number][8]] += records
        for number, name in enumerate(self.places):
            if counts[number]:
                room.took(room.place(name), int(self._filled[number]), counts[number])
        self._taken[:] = 0


def load() -> None:
    """Have the kernel's code in memory, once for all processes that are forked later."""
    speller = cast("Alike", SimpleNamespace(alike={b"/": b"/"}, cleared=0))
    nothing = View(Block(0, b"{}", [0], [2], 0), one_line=True)
    room = Room(private(), b"\n")
    Compiled(speller, b"\n").run(nothing, 0, lambda known: None, room)  # noqa: ARG005 - is never called


__all__ = ["Compiled", "load"]
