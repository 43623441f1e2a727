"""What is known of a block of records before any of them is matched, seen for the whole block at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from mmdata.io.record import Block

Outline: TypeAlias = tuple[int, int, int]
"""Number of objects in a record, of ``<`` and of ``[``; objects that begin with a space count only by chance."""


class Look(NamedTuple):
    """What is known of a block.

    Attributes:
        usable: skeletons may be matched against its bytes: UTF-8, and no control characters but line breaks.
        odd: some escape is one that `orjson` would not write, or of a backslash.
        broken: line breaks may stand inside records.
        outlines: of each record; empty where the block is not usable.
    """

    usable: bool
    odd: bool
    broken: bool
    outlines: list[Outline]


NOTHING_KNOWN = Look(usable=False, odd=True, broken=True, outlines=[])

_OPENS = np.zeros(256, bool)
_OPENS[list(b'"\n')] = True
_PLAIN = np.zeros(256, bool)
_PLAIN[list(b'nrtbf"')] = True


def look_at(data: bytes, starts: list[int], ends: list[int], *, one_line: bool) -> Look:
    """Look at a block.

    Args:
        data: the block, valid UTF-8.
        starts: offsets of its records.
        ends: one past their last bytes.
        one_line: its records hold no line break, as in JSON Lines.
    """
    characters = np.frombuffer(data, np.uint8)
    controls = int(np.count_nonzero(characters < 32))
    breaks = data.count(b"\n") if not one_line else len(starts) - (not data.endswith(b"\n"))
    if controls != breaks:
        return NOTHING_KNOWN
    odd = False
    if b"\\" in data:
        escapes = np.flatnonzero(characters == 92)
        odd = bool(escapes[-1] + 1 == len(data)) or not bool(_PLAIN[characters[escapes + 1]].all())
    opened = np.flatnonzero(characters == 123)
    opened = opened[opened + 1 < len(data)]
    places = [opened[_OPENS[characters[opened + 1]]], *(np.flatnonzero(characters == one) for one in b"<[")]
    edges = np.array([starts, ends])
    counts = []
    for place in places:
        before = np.searchsorted(place, edges)
        counts.append((before[1] - before[0]).tolist())
    outlines = list(zip(*counts, strict=True))
    return Look(usable=True, odd=odd, broken=breaks > 0 and not one_line, outlines=outlines)


class View:
    """A block of records, and what is known of it: found out when it is first asked for.

    Attributes:
        block: the block.
        one_line: its records hold no line break, as in JSON Lines.
        short_runs: how often the kernel came to an unknown record after a few known ones, since it last rested.
        rest_until: the first record that is for the kernel again.
    """

    def __init__(self, block: Block, *, one_line: bool) -> None:
        self.block = block
        self.one_line = one_line
        self.short_runs = 0
        self.rest_until = 0
        self._utf8: bool | None = None
        self._look: Look | None = None
        self._arrays: tuple[Any, Any, Any] | None = None

    @property
    def utf8(self) -> bool:
        """Whether the block is valid UTF-8."""
        if self._utf8 is None:
            self._utf8 = _is_utf8(self.block.data)
        return self._utf8

    @property
    def look(self) -> Look:
        """What is known of the block."""
        if self._look is None:
            block = self.block
            self._look = NOTHING_KNOWN
            if self.utf8:
                self._look = look_at(block.data, block.starts, block.ends, one_line=self.one_line)
        return self._look

    @property
    def arrays(self) -> tuple[Any, Any, Any]:
        """The bytes of the block (uint8), the starts of its records and their ends (int64)."""
        if self._arrays is None:
            block = self.block
            self._arrays = (
                np.frombuffer(block.data, np.uint8),
                np.array(block.starts, np.int64),
                np.array(block.ends, np.int64),
            )
        return self._arrays

    def corrected(self) -> None:
        """The slices of the block are others now."""
        self._look = NOTHING_KNOWN
        self._arrays = None


def _is_utf8(data: bytes) -> bool:
    if not data.isascii():
        try:
            data.decode()
        except UnicodeDecodeError:
            return False
    return True


def outline_of(data: bytes) -> Outline:
    """The outline of one record, as `look_at` has it."""
    return data.count(b'{"') + data.count(b"{\n"), data.count(b"<"), data.count(b"[")


__all__ = ["NOTHING_KNOWN", "Look", "Outline", "View", "look_at", "outline_of"]
