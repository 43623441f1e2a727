"""Text from data, made safe and measurable for a terminal.

A training file may hold anything: escape sequences that repaint the screen, bidirectional overrides that show a path
backwards, newlines in a key. Nothing of that reaches the terminal raw; it is shown as a Python escape.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from functools import lru_cache

ELLIPSIS = "…"

_JOINERS = "\u200c\u200d"
"""Invisible, but part of how emoji and several scripts are written."""

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


@lru_cache(4096)
def glyph(character: str) -> str:
    r"""How one character is shown: itself, or an escape such as ``\x1b`` or ``\u202e`` if it would not be seen."""
    if character.isascii() and character.isprintable():
        return character
    if character in _JOINERS or unicodedata.category(character) not in _HIDDEN:
        return character
    return character.encode("unicode_escape").decode("ascii")


@lru_cache(4096)
def _cells(character: str) -> int:
    if (
        character in _JOINERS
        or unicodedata.category(character) in ("Mn", "Me")
        or "\u1160" <= character <= "\u11ff"
    ):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def cells(text: str) -> int:
    """Columns of the terminal that a visible text takes: wide characters take two, combining ones none."""
    return len(text) if text.isascii() else sum(map(_cells, text))


def visible(text: str, limit: int = 2000) -> str:
    """The text on one line, every character harmless; cut after `limit` characters."""
    if len(text) > limit:
        text = text[:limit] + ELLIPSIS
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(glyph, text))


def wrapped(text: str, width: int) -> Iterator[str]:
    """The lines of a visible text, broken at spaces; a word longer than a line keeps a line of its own."""
    line, used = "", 0
    for word in text.split(" "):
        size = cells(word)
        if line and used + 1 + size > width:
            yield line
            line, used = word, size
        else:
            line, used = (f"{line} {word}", used + 1 + size) if line else (word, size)
    yield line
