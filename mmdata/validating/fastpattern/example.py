"""From an accepted record to the regular expression of all records like it."""

from __future__ import annotations

import re
from typing import Any, NamedTuple, get_args

import msgspec
import orjson

from mmdata.validating.fastpath.layouts import Layout
from mmdata.validating.fastpath.path import FastPath
from mmdata.validating.fastpath.structs import SMALLEST_INT
from mmdata.validating.fastpattern.blocks import ODD_ESCAPE

_OPEN = rb'[^"]*+(?<!\\)'
"""The inside of a JSON string without an escaped quotation mark; `re` runs through it at memory speed.

What else a string must not hold is looked for in the whole block or record: control characters (`look_at`) and the
escapes of `ODD_ESCAPE`.
"""

_WIDE_SPACE = rb"\xc2[\x85\xa0]|\xe1\x9a\x80|\xe2\x80[\x80-\x8a\xa8\xa9\xaf]|\xe2\x81\x9f|\xe3\x80\x80"
"""The white space of `str.strip` beyond ASCII, in UTF-8."""

_TEXT = rb'(?=[^"\\\s])(?!' + _WIDE_SPACE + rb")" + _OPEN
"""A string that does not begin with white space or an escape, so that it is neither empty nor blank."""

_FILE = rb'"(?!(?:data|file):)' + _TEXT + b'"'
"""The string of a path inside a turn; one that begins like an address of these is another kind of medium, or another path."""

_INTEGER = rb"(?:0|-?[1-9][0-9]{0,17})"
_POSITIVE = rb"[1-9][0-9]{0,17}"

_TOKEN = re.compile(rb'[ \t\r\n]+|"(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^ \t\r\n"{}\[\]:,]+', re.DOTALL)


class _NotGeneral(Exception):
    """The example holds something that a pattern cannot leave open."""


class _Example:
    """An accepted record, read token by token into the source of a regular expression.

    `out` holds the pieces; white space is taken up literally with the token that follows it.
    """

    def __init__(self, fast: FastPath, data: bytes, layout: Layout) -> None:
        self.fast = fast
        self.layout = layout
        self.fields = {f.encode_name: f for f in msgspec.structs.fields(fast.struct)}
        if layout.inline and fast.content is None:
            raise _NotGeneral  # the paths lie where the pattern would not look for them
        self.tokens = _TOKEN.findall(data)
        self.at = 0
        self.out: list[bytes] = []
        self.groups: list[str] = []
        self.turn_lines: list[int] = []
        self.separator_lines = 0
        self.system = False
        self.has_parts = False

    def pattern(self) -> re.Pattern[bytes]:
        """The pattern of all records like this one; `groups` names its groups.

        Raises:
            _NotGeneral: this one cannot be generalised.
        """
        self.literal(b"{")
        while True:
            name = orjson.loads(self.literal())
            self.literal(b":")
            self.value(name)
            if self.literal() == b"}":
                break
        if self.at != len(self.tokens) or "rest" not in self.groups:
            raise _NotGeneral
        return re.compile(b"".join(self.out))

    def peek(self) -> bytes:
        """The next token; white space before it becomes part of the pattern."""
        if self.tokens[self.at][:1] in b" \t\r\n":
            self.out.append(re.escape(self.tokens[self.at]))
            self.at += 1
        token: bytes = self.tokens[self.at]
        return token

    def literal(self, wanted: bytes | None = None) -> bytes:
        """Take the next token as it is."""
        token = self.peek()
        if wanted is not None and token != wanted:
            raise _NotGeneral
        self.out.append(re.escape(token))
        self.at += 1
        return token

    def open(self, source: bytes, name: str | None = None) -> None:
        """Take the next token and leave it open; as a group if it is named."""
        self.at += 1
        if name is not None:
            self.groups.append(name)
        self.out.append(source if name is None else b"(" + source + b")")

    def value(self, key: str) -> None:
        """The value of a key of the record."""
        token = self.peek()
        field = self.fields[key]
        name = field.name
        group = name if name == "id" or name in self.layout.media or name == "polygons" else None
        if name == "conversations":
            self.conversations()
        elif token[:1] == b'"':
            if token == b'""':
                self.literal()
            else:
                self.open(b'"' + (_OPEN if group == "id" else _TEXT) + b'"', group)
        elif token == b"[" and group is not None:
            self.paths(name)
        elif re.fullmatch(_INTEGER, token):
            self.open(self.number(field), group)
        elif token in (b"true", b"false", b"null"):
            self.literal()
        else:
            raise _NotGeneral

    def number(self, field: Any) -> bytes:
        """The pattern of an integer that the key's type takes."""
        kind = field.type
        least = {
            meta.ge
            for part in (kind, *get_args(kind))
            for meta in get_args(part)[1:]
            if isinstance(meta, msgspec.Meta)
        }
        if least <= {SMALLEST_INT}:
            return _INTEGER
        if least == {1}:
            return _POSITIVE
        raise _NotGeneral

    def paths(self, name: str) -> None:
        """A list of paths, as many as here."""
        self.literal(b"[")
        while True:
            if self.peek()[:1] != b'"' or self.peek() == b'""':
                raise _NotGeneral
            self.open(b'"' + _TEXT + b'"', name)
            if self.literal() == b"]":
                return

    def conversations(self) -> None:
        """A system turn, if any, the first question and answer with their texts as groups, then any number of pairs as one.

        The pairs after the first are like it, or, where the first shows media of its own, like the second.
        """
        self.literal(b"[")
        turns: list[list[bytes]] = []
        separators: list[bytes] = []
        while True:
            turns.append(self.turn())
            mark = len(self.out)
            end = self.literal()
            if end == b"]":
                break
            self.peek()
            separators.append(b"".join(self.out[mark:]))
            self.separator_lines = separators[-1].count(b"\n")
            del self.out[mark:]
        closing = b"".join(self.out[mark:])
        del self.out[mark:]
        if len(set(separators)) != 1:
            raise _NotGeneral
        between = separators[0]
        if len(turns) % 2:
            system = turns.pop(0)
            self.system = True
            self.out += [_grouped(piece) for piece in system] + [between]
            self.groups.append("system")
            if _FILE in system:
                raise _NotGeneral
        ask, answer, *rest = turns
        again = rest[:2] or [ask, answer]
        if any(turn != again[k % 2] for k, turn in enumerate(rest)) or any(_FILE in turn for turn in rest):
            raise _NotGeneral
        shows = _FILE in ask
        if _FILE in answer or (not shows and again != [ask, answer]):
            raise _NotGeneral
        self.out += [_grouped(piece) for piece in [*ask, between, *answer]]
        self.groups += ["shown" if piece is _FILE else "question" for piece in ask if piece in (_FILE, _TEXT)]
        pair = [*again[0], between, *again[1]]
        # Nobody knows how the pairs after an only one that shows media look.
        more = b"(?:" + between + b"".join(pair) + b")*+" if rest or not shows else b""
        self.out += [b"(" + more + b")", closing]
        self.groups += ["answer", "rest"]

    def turn(self) -> list[bytes]:
        """The pieces of one turn, taken out of `out` again; the text is the piece `_TEXT`."""
        self.peek()
        keys = self.fast.keys
        mark, first = len(self.out), self.at
        self.literal(b"{")
        seen = []
        while True:
            key = orjson.loads(self.literal())
            if self.tokens[self.at] != b":":
                raise _NotGeneral
            self.literal(b":")
            seen.append(key)
            if key == keys.text and self.peek()[:1] == b'"':
                self.string(b'"', _TEXT, b'"')
            elif key == keys.text and self.peek() == b"[" and self.fast.content is not None:
                self.parts(self.fast.content.media)
            elif key == keys.role:
                self.literal()
            else:
                raise _NotGeneral
            if self.literal() == b"}":
                break
        turn = self.out[mark:]
        if sorted(seen) != sorted([keys.role, keys.text]) or sum(piece is _TEXT for piece in turn) != 1:
            raise _NotGeneral
        self.turn_lines.append(sum(token.count(b"\n") for token in self.tokens[first : self.at]))
        del self.out[mark:]
        return turn

    def string(self, *pieces: bytes) -> None:
        """Leave a string open."""
        if self.peek()[:1] != b'"':
            raise _NotGeneral
        self.at += 1
        self.out += pieces

    def parts(self, media: frozenset[str]) -> None:
        """A list of parts: their types, the texts and the files open."""
        self.has_parts = True
        self.literal(b"[")
        while True:
            self.part(media)
            if self.literal() == b"]":
                return

    def part(self, media: frozenset[str]) -> None:
        """One part: `type` as it is, a text, or a file, which may lie in an object under `url`."""
        self.literal(b"{")
        while True:
            key = orjson.loads(self.literal())
            self.literal(b":")
            if key == "text":
                self.string(b'"', _TEXT, b'"')
            elif key in media and self.peek() == b"{":
                self.literal()
                if orjson.loads(self.literal()) != "url":
                    raise _NotGeneral
                self.literal(b":")
                self.string(_FILE)
                self.literal(b"}")
            elif key in media:
                self.string(_FILE)
            elif key == "type" and self.peek()[:1] == b'"':
                self.literal()
            else:
                raise _NotGeneral
            if self.literal() == b"}":
                return


def _grouped(piece: bytes) -> bytes:
    return b"(" + piece + b")" if piece is _TEXT or piece is _FILE else piece


class Pattern(NamedTuple):
    """A regular expression of records, with what is needed to use it.

    Attributes:
        regex: matches whole records; see `_OPEN` for what it leaves unsaid.
        groups: names of its groups: ``system``, ``question``, ``answer``, ``rest``, ``id``, ``polygons``, ``shown`` (files
            in the turns) and fields of media.
        lines: line breaks between the tokens of a record of one question and answer.
        turn_lines: line breaks that each further turn adds.
        brackets: opening square brackets between the tokens.
        parts: a content is a list of parts, in which a text holds no marker.
    """

    regex: re.Pattern[bytes]
    groups: list[str]
    lines: int
    turn_lines: int
    brackets: int
    parts: bool = False


def pattern_of(fast: FastPath, data: bytes, layout: Layout) -> Pattern | None:
    """The pattern of all records like an accepted one; None if it is too particular."""
    try:
        example = _Example(fast, data, layout)
        regex = example.pattern()
    except (_NotGeneral, KeyError, ValueError):
        return None
    if not regex.fullmatch(data) or ODD_ESCAPE.search(data):
        return None
    lines, turn_lines = data.count(b"\n"), 0
    if example.system or example.has_parts:
        # Turns of several shapes: records that are broken into lines are left to the decoder.
        if lines:
            return None
    elif len(set(example.turn_lines)) == 1:
        turn_lines = example.turn_lines[0] + example.separator_lines
        lines -= (len(example.turn_lines) - 2) * turn_lines
    else:
        return None
    return Pattern(
        regex,
        example.groups,
        lines,
        turn_lines,
        example.tokens.count(b"["),
        example.has_parts,
    )
