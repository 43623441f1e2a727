"""`Handover`: memory through which worker processes hand their output to the one that writes it."""

from __future__ import annotations

import mmap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

SLOT_BYTES = 16 << 20
"""Bytes of one batch's output, at most; only what is used of them takes memory."""


Piece: TypeAlias = bytes | memoryview


@dataclass(frozen=True, slots=True)
class Stretch:
    """Some bytes of the memory."""

    start: int
    end: int


class Handover:
    """Slots of memory that processes forked later share with this one.

    The process that writes the output gives a free slot with each batch and takes it back when the batch is written.

    Args:
        slots: batches that are under way at a time.
    """

    def __init__(self, slots: int) -> None:
        self.memory = mmap.mmap(-1, slots * SLOT_BYTES)
        self.free = list(range(slots))

    def put(self, slot: int, outputs: Mapping[str, Sequence[Piece]]) -> dict[str, Stretch] | None:
        """Copy the outputs into a slot; None where they do not fit."""
        if sum(len(piece) for pieces in outputs.values() for piece in pieces) > SLOT_BYTES:
            return None
        at = slot * SLOT_BYTES
        found = {}
        for name, pieces in outputs.items():
            start = at
            for piece in pieces:
                self.memory[at : at + len(piece)] = piece
                at += len(piece)
            found[name] = Stretch(start, at)
        return found

    def view(self, stretch: Stretch) -> memoryview:
        """What lies there, until the slot is used again."""
        return memoryview(self.memory)[stretch.start : stretch.end]


__all__ = ["SLOT_BYTES", "Handover", "Piece", "Stretch"]
