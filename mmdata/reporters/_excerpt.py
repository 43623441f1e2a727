"""The piece of the file that a finding is about, cut to the width of the terminal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from mmdata.reporters._visible import ELLIPSIS, cells, glyph

TAB = "    "
MIN_WIDTH = 20


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Text of the file and the offending range in it.

    Attributes:
        text: at least the line on which the offending value starts; further lines and any length are welcome.
        start: index of the first offending character of `text`.
        end: one past the last; equal to `start` where something is missing between two characters.
    """

    text: str
    start: int
    end: int


class Shown(NamedTuple):
    """A line for the terminal and the cells to underline: `offset` cells from the left, `length` cells (1 or more)."""

    line: str
    offset: int
    length: int


def shorten(excerpt: Excerpt, width: int) -> Shown:
    """The line of an excerpt on which the offending range starts, in at most `width` cells (and never under 20).

    A longer line is cut around the range, with an ellipsis at each cut; a range longer than that shows its beginning.
    Indentation is left out. Tabs become four spaces, control characters escapes. Takes time in proportion to `width`,
    not to the text, apart from finding the ends of the line.
    """
    budget = max(width, MIN_WIDTH)
    text = excerpt.text
    start = min(max(excerpt.start, 0), len(text))
    first = text.rfind("\n", 0, start) + 1
    last = text.find("\n", start)
    last = len(text) if last < 0 else last
    if last > start and text[last - 1] == "\r":
        last -= 1
    end = min(max(excerpt.end, start), last)
    while first < start and text[first] in " \t":
        first += 1

    if last - first <= 4 * budget:
        whole = _pieces(text, first, last)
        if _size(whole) <= budget:
            offset = _size(whole[: start - first])
            return Shown("".join(whole), offset, max(_size(whole[start - first : end - first]), 1))

    # Twice the budget in characters is enough on either side, unless most of them take no cell at all.
    inner = _pieces(text, start, min(end, start + 2 * budget))
    kept = _fitting(inner, budget // 2)
    cut = start + kept < end
    before = _pieces(text, max(first, start - 2 * budget), start)[::-1]
    after = [] if cut else _pieces(text, end, min(last, end + 2 * budget))
    # An empty range still needs a cell for its caret, and each side may need one for its ellipsis.
    room = budget - max(_size(inner[:kept]), 1) - 2
    left = _fitting(before, max(room // 2, room - _size(after)))
    right = _fitting(after, room - _size(before[:left]))
    head = ELLIPSIS if start - left > first else ""
    tail = ELLIPSIS if cut or end + right < last else ""
    line = head + "".join(before[:left][::-1]) + "".join(inner[:kept]) + "".join(after[:right]) + tail
    return Shown(line, len(head) + _size(before[:left]), max(_size(inner[:kept]), 1))


def _pieces(text: str, start: int, end: int) -> list[str]:
    """How each character of a stretch is shown."""
    return [TAB if c == "\t" else glyph(c) for c in text[start:end]]


def _size(pieces: list[str]) -> int:
    return cells("".join(pieces))


def _fitting(pieces: list[str], room: int) -> int:
    """How many of the first pieces fit into `room` cells."""
    for number, piece in enumerate(pieces):
        room -= cells(piece)
        if room < 0:
            return number
    return len(pieces)
