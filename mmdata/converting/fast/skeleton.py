"""From a record's bytes to the regular expression of all records like it, and to records with other values in its slots."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import orjson

SlotKind = Literal["text", "string", "path", "positive"]

TURNS = ("conversations", "messages")
ROLES = ("from", "role")
TEXTS = ("value", "content")
"""Keys of the turns, of who speaks and of what is said."""

NOT_PLAIN = ("polygons", "polygon", "segmentation", "mask", "masks", "annotation", "objects", "mmdata_carry")
"""Keys of records that are translated one by one."""

_BLANK = rb"\xc2[\x85\xa0]|\xe1\x9a\x80|\xe2[\x80\x81]|\xe3\x80\x80"
"""Beginnings of the UTF-8 of white space beyond ASCII, and of some more characters."""

_START = rb'(?=[^"\\\x00-\x20])(?!' + _BLANK + rb")"
"""A text begins with neither white space nor an escape, so that it is not blank."""

_QUICK = rb'[^"]*+(?:(?<=\\)"[^"]*+)*+(?<!\\)'
"""The inside of a string with no escape of a backslash; `re` runs through it at memory speed."""

_CAREFUL = rb'[^"\\]*+(?:\\[nrtbf"\\][^"\\]*+)*+'
"""The inside of any string as `orjson` writes it, but for the escapes of control characters."""

_INTEGER = rb"0|-?[1-9][0-9]{0,15}"
_POSITIVE = rb"[1-9][0-9]{0,15}"

_TOKEN = re.compile(rb'[ \t\r\n]+|"(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^ \t\r\n"{}\[\]:,]+', re.DOTALL)
_SPACE = re.compile(rb"(?:[ \t\r\n]|\\[nrt])*+")
_CANONICAL = re.compile(_CAREFUL)


class NotPlain(Exception):
    """The record has something that cannot be left open."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A value that is left open.

    Attributes:
        kind: what may stand there.
        before_tag: a text that a placeholder follows.
    """

    kind: SlotKind
    before_tag: bool = False


@dataclass(slots=True)
class Skeleton:
    """What is common to all records like an example.

    Attributes:
        pieces: literal bytes, and the slots between them.
        values: the example's own value in each slot, as it stands in the JSON.
    """

    pieces: list[bytes | Slot] = field(default_factory=list)
    values: list[bytes] = field(default_factory=list)

    @property
    def slots(self) -> list[Slot]:
        """The slots in order."""
        return [piece for piece in self.pieces if isinstance(piece, Slot)]

    @property
    def literal(self) -> bytes:
        """All that is not open."""
        return b"".join(piece for piece in self.pieces if isinstance(piece, bytes))

    def pattern(self, *, careful: bool) -> re.Pattern[bytes]:
        """The regular expression, a group for each slot.

        Args:
            careful: it takes escaped backslashes too, and refuses escapes that `orjson` would write in another way.
        """
        return re.compile(
            b"".join(
                re.escape(piece) if isinstance(piece, bytes) else b"(" + _open(piece, careful) + b")"
                for piece in self.pieces
            )
        )

    def filled(self, values: list[bytes]) -> bytes:
        """A record of this skeleton with these values."""
        given = iter(values)
        return b"".join(piece if isinstance(piece, bytes) else next(given) for piece in self.pieces)


def _open(slot: Slot, careful: bool) -> bytes:
    if slot.kind == "positive":
        return _POSITIVE
    if slot.kind == "path":
        return rb'[^"\\]++(?<![/.])'
    inside = _CAREFUL if careful else _QUICK
    if slot.before_tag:
        inside = rb'[^"\\<]*+(?:\\[nrtbf"\\][^"\\<]*+)*+' if careful else rb'[^"<]*+'
    return _START + inside if slot.kind == "text" else rb'(?!")' + inside


def skeleton(data: bytes, tags: tuple[str, ...], is_path: Callable[[str], bool]) -> Skeleton:
    """The skeleton of an example.

    Args:
        data: a record that is one JSON object.
        tags: the placeholders of media in its texts.
        is_path: JSON pointer -> whether a media path stands there.

    Raises:
        NotPlain: it has something that cannot be left open.
    """
    return _Reader(data, tags, is_path).read()


class _Reader:
    def __init__(self, data: bytes, tags: tuple[str, ...], is_path: Callable[[str], bool]) -> None:
        self.tokens = _TOKEN.findall(data)
        self.tags = re.compile(b"|".join(re.escape(tag.encode()) for tag in tags) or rb"(?!)")
        self.is_path = is_path
        self.at = 0
        self.result = Skeleton()

    def read(self) -> Skeleton:
        self.value("", None)
        if self.at != len(self.tokens):
            raise NotPlain
        return self.result

    def peek(self) -> bytes:
        """The next token; white space before it is literal."""
        while self.tokens[self.at][:1] in b" \t\r\n":
            self.literal(self.tokens[self.at])
            self.at += 1
        token: bytes = self.tokens[self.at]
        return token

    def take(self) -> bytes:
        """Take the next token."""
        token = self.peek()
        self.at += 1
        return token

    def literal(self, text: bytes) -> None:
        pieces = self.result.pieces
        if pieces and isinstance(pieces[-1], bytes):
            pieces[-1] += text
        else:
            pieces.append(text)

    def slot(self, kind: SlotKind, value: bytes, *, before_tag: bool = False) -> None:
        self.result.pieces.append(Slot(kind, before_tag))
        self.result.values.append(value)

    def value(self, pointer: str, key: str | None) -> None:
        """A value; `key` is the one that it stands under inside a turn."""
        token = self.take()
        if token == b"{":
            self.members(pointer, turn=pointer.startswith(tuple(f"/{name}/" for name in TURNS)))
        elif token == b"[":
            self.elements(pointer)
        elif token[:1] == b'"':
            self.string(token[1:-1], pointer, key)
        elif token in (b"true", b"false", b"null"):
            self.literal(token)
        elif re.fullmatch(_POSITIVE, token):
            self.slot("positive", token)
        elif re.fullmatch(_INTEGER, token):
            # Zero and negative numbers may mean something of their own.
            self.literal(token)
        else:
            raise NotPlain

    def members(self, pointer: str, *, turn: bool) -> None:
        self.literal(b"{")
        if self.peek() == b"}":
            self.literal(self.take())
            return
        while True:
            token = self.take()
            name = orjson.loads(token)
            strange = turn and (name not in ROLES + TEXTS or pointer.count("/") != 2)
            if strange or name in NOT_PLAIN or "/" in name:
                raise NotPlain
            self.literal(token)
            self.literal(self.take())
            self.value(f"{pointer}/{name}", name if turn else None)
            end = self.take()
            self.literal(end)
            if end == b"}":
                return

    def elements(self, pointer: str) -> None:
        self.literal(b"[")
        if self.peek() == b"]":
            self.literal(self.take())
            return
        for number in itertools.count():
            self.value(f"{pointer}/{number}", None)
            end = self.take()
            self.literal(end)
            if end == b"]":
                return

    def string(self, inside: bytes, pointer: str, key: str | None) -> None:
        if key in ROLES:
            self.literal(b'"' + inside + b'"')
            return
        if not _CANONICAL.fullmatch(inside):
            raise NotPlain
        self.literal(b'"')
        if key in TEXTS:
            self.text(inside)
        elif not inside:
            pass
        elif self.is_path(pointer):
            if b"\\" in inside or inside.endswith((b"/", b".")):
                raise NotPlain
            self.slot("path", inside)
        else:
            self.slot("string", inside)
        self.literal(b'"')

    def text(self, inside: bytes) -> None:
        """A text: placeholders and the white space after them stay, what is between is open."""
        at = 0
        places = [match.span() for match in self.tags.finditer(inside)]
        for start, end in [*places, (len(inside), len(inside))]:
            plain = inside[at:start]
            space = _SPACE.match(plain)
            assert space is not None
            rest = plain[space.end() :]
            self.literal(space[0])
            if b"<" in rest or b"[" in rest:
                raise NotPlain
            if rest:
                if not re.match(_START, rest):
                    raise NotPlain
                self.slot("text", rest, before_tag=start < len(inside))
            self.literal(inside[start:end])
            at = end


__all__ = ["NotPlain", "Skeleton", "Slot", "skeleton"]
