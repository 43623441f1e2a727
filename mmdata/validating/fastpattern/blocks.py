"""What holds for a whole block of records, seen at once."""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

ODD_ESCAPE = re.compile(rb"\\(?:[^nrtbf/\"u]|u(?:00|[dD][89a-fA-F]|(?![0-9a-fA-F]{4})))")
"""Escapes that are no JSON, that hide an ASCII character (a marker, say), that may be half a character, or a backslash."""


class BlockFacts(NamedTuple):
    """What holds for a whole block of records and need not be looked for in each.

    Attributes:
        matchable: it is UTF-8, and its only control characters are line breaks.
        broken_lines: line breaks may stand inside records.
        odd_escapes: some escape may be one of `ODD_ESCAPE`.
        angles: number of ``<``.
        squares: number of ``[``.
        line_breaks: offsets of the line breaks, if any may stand inside records.
    """

    matchable: bool
    broken_lines: bool
    odd_escapes: bool
    angles: int
    squares: int
    line_breaks: NDArray[np.intp] | None = None

    def lines_of(self, starts: list[int], ends: list[int]) -> list[int]:
        """Number of line breaks in each record."""
        assert self.line_breaks is not None
        low, high = np.searchsorted(self.line_breaks, starts), np.searchsorted(self.line_breaks, ends)
        counts: list[int] = (high - low).tolist()
        return counts


def look_at(data: bytes, *, one_line: bool, lines: int | None = None) -> BlockFacts:
    """The facts of a block.

    Args:
        data: the block.
        one_line: its records hold no line break, as in JSON Lines.
        lines: number of its line breaks, where that is known.
    """
    if not data.isascii():
        try:
            data.decode()
        except UnicodeDecodeError:
            return BlockFacts(False, True, True, 0, 0)
    characters = np.frombuffer(data, np.uint8)
    controls = int(np.count_nonzero(characters < 32))
    line_breaks = np.flatnonzero(characters == 10) if controls and lines is None else None
    breaks = min(controls, lines or 0) if line_breaks is None else len(line_breaks)
    backslashes = np.flatnonzero(characters == 92)
    odd = len(backslashes) > 0 and not (
        backslashes[-1] + 1 < len(data) and bool(_PLAIN_ESCAPE[characters[backslashes + 1]].all())
    )
    angles, squares = (int(np.count_nonzero(characters == c)) for c in b"<[")
    broken = breaks > 0 and not one_line
    return BlockFacts(controls == breaks, broken, odd, angles, squares, line_breaks if broken else None)


_PLAIN_ESCAPE = np.zeros(256, bool)
_PLAIN_ESCAPE[list(b'nrtbf/"')] = True
