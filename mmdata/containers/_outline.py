"""`outline`: where the values of a large JSON object lie, in one pass that holds one piece of the file at a time.

Only brackets, commas and colons near the top count; what lies deeper is passed over by array arithmetic and never
parsed.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import orjson

PIECE = 4 << 20

_STEP = np.zeros(256, np.int8)
_STEP[[ord("{"), ord("[")]] = 1
_STEP[[ord("}"), ord("]")]] = -1
_NEAR = np.zeros(256, bool)
_NEAR[[ord(c) for c in "{}[],:"]] = True
_SPACE = b" \t\n\r"


class Span(NamedTuple):
    """Bytes ``[start, end)`` of the file, without white space around them."""

    start: int
    end: int


@dataclass(slots=True)
class Entry:
    """One key of the object.

    Attributes:
        key: the key.
        value: where its value lies.
    """

    key: str
    value: Span


@dataclass(slots=True)
class Ending:
    """How the object ends.

    Attributes:
        at: one past its closing bracket, or the size of the file.
        whole: the closing bracket is there.
        rest: there is more than white space after it.
    """

    at: int
    whole: bool
    rest: bool = field(default=False)


def _marks(data: mmap.mmap | bytes) -> Iterator[tuple[int, int, int]]:
    """(place, character, open brackets before it) of every bracket, comma and colon with at most two brackets open."""
    place, depth, quoted = 0, 0, False
    size = len(data)
    while place < size:
        end = min(place + PIECE, size)
        while (
            end < size and data[end - 1] == 92
        ):  # a piece must not end between a backslash and what it escapes
            end += 1
        chars = np.frombuffer(data[place:end], np.uint8)
        quotes = np.flatnonzero(chars == 34)
        if quotes.size:
            quotes = quotes[~_escaped(chars, quotes)]
        # The characters of a string lie between its quotes: an odd number of quotes came before them.
        near = np.flatnonzero(_NEAR[chars])
        inside = (np.searchsorted(quotes, near) + quoted) % 2 == 1
        near = near[~inside]
        quoted = (quotes.size + quoted) % 2 == 1
        kinds = chars[near]
        steps = _STEP[kinds].astype(np.int64)
        before = depth + np.cumsum(steps) - steps
        depth += int(steps.sum())
        shallow = before - (steps < 0) <= 2
        yield from zip(
            (near[shallow] + place).tolist(), kinds[shallow].tolist(), before[shallow].tolist(), strict=True
        )
        place = end


def _escaped(chars: np.ndarray, quotes: np.ndarray) -> np.ndarray:
    """Which quotes stand after an odd number of backslashes."""
    result = np.zeros(quotes.size, bool)
    slashes = np.flatnonzero(chars == 92)
    if not slashes.size:
        return result
    # The run of backslashes that ends at each backslash: its place less the start of its run.
    first = np.ones(slashes.size, bool)
    first[1:] = np.diff(slashes) != 1
    start = slashes[np.maximum.accumulate(np.where(first, np.arange(slashes.size), 0))]
    length = slashes - start + 1
    at = np.searchsorted(slashes, quotes - 1)
    known = at < slashes.size
    known[known] = slashes[at[known]] == quotes[known] - 1
    result[known] = length[at[known]] % 2 == 1
    return result


def outline(data: mmap.mmap | bytes, lists: tuple[str, ...]) -> Iterator[tuple[str, Span] | Entry | Ending]:
    """The entries of the object that a file is, and the elements of some of its lists before them.

    Args:
        data: the file; its first character that is no white space is ``{``.
        lists: keys whose lists are given element by element, as (key, place of the element), before the entry itself.

    Yields:
        elements and entries as they come, and at last the ending. Nothing is checked but the brackets: every span must be
        parsed by whoever reads it.
    """
    key: str | None = None
    since = 0
    element = -1
    closed = len(data)
    whole = False
    for place, char, depth in _marks(data):
        if depth == 0:
            if whole or char != 123:
                break
            since = place + 1
        elif depth == 1:
            if char == 58:
                key = _key(data, since, place)
                since = place + 1
            elif char == 44 or char in b"]}":
                if key is not None:
                    yield Entry(key, _trim(data, since, place))
                elif _trim(data, since, place) != (place, place) or char == 44:
                    yield Entry("", _trim(data, since, place))
                key, since = None, place + 1
                if char != 44:
                    closed, whole = place + 1, True
                    break
            elif char == 91 and key in lists:
                element = place + 1
        elif element >= 0 and depth == 2 and (char == 44 or char in b"]}"):
            span = _trim(data, element, place)
            if key is not None and (span.end > span.start or char == 44):
                yield key, span
            element = place + 1 if char == 44 else -1
    if not whole:
        if element >= 0 and key is not None:
            span = _trim(data, element, len(data))
            if span.end > span.start:
                yield key, span
        elif key is not None or _trim(data, since, len(data)).start < len(data):
            yield Entry(key or "", _trim(data, since, len(data)))
    rest = _trim(data, closed, len(data))
    yield Ending(closed, whole, rest.end > rest.start)


def _key(data: mmap.mmap | bytes, start: int, end: int) -> str:
    try:
        value = orjson.loads(data[start:end])
    except orjson.JSONDecodeError:
        return ""
    return value if isinstance(value, str) else ""


def _trim(data: mmap.mmap | bytes, start: int, end: int) -> Span:
    while start < end and data[start] in _SPACE:
        start += 1
    while end > start and data[end - 1] in _SPACE:
        end -= 1
    return Span(start, end)


__all__ = ["Ending", "Entry", "Span", "outline"]
