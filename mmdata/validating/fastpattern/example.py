"""From an accepted record to the regular expression of all records like it."""

from __future__ import annotations

import re
from typing import NamedTuple, get_args

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
        self.tokens = _TOKEN.findall(data)
        self.at = 0
        self.out: list[bytes] = []
        self.groups: list[str] = []
        self.turn_lines: list[int] = []
        self.separator_lines = 0

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

    def value(self, name: str) -> None:
        """The value of a key of the record."""
        token = self.peek()
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
            self.open(self.number(name), group)
        elif token in (b"true", b"false", b"null"):
            self.literal()
        else:
            raise _NotGeneral

    def number(self, name: str) -> bytes:
        """The pattern of an integer that the key's type takes."""
        kind = self.fields[name].type
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
        """The first question and answer with their texts as groups, then any number of pairs like them as one group."""
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
        if (
            len(turns) % 2
            or any(turn != turns[k % 2] for k, turn in enumerate(turns))
            or len(set(separators)) != 1
        ):
            raise _NotGeneral
        ask, answer, between = turns[0], turns[1], separators[0]
        pair = [*ask, between, *answer]
        self.out += [b"(" + piece + b")" if piece is _TEXT else piece for piece in pair]
        self.out += [b"((?:" + between, *pair, b")*+)", closing]
        self.groups += ["question", "answer", "rest"]

    def turn(self) -> list[bytes]:
        """The pieces of one turn, taken out of `out` again; the text is the piece `_TEXT`."""
        self.peek()
        mark, first = len(self.out), self.at
        self.literal(b"{")
        seen = []
        while True:
            key = self.literal()
            if self.tokens[self.at] != b":":
                raise _NotGeneral
            self.literal(b":")
            seen.append(key)
            if key == b'"value"' and self.peek()[:1] == b'"':
                self.at += 1
                self.out += [b'"', _TEXT, b'"']
            elif key == b'"from"':
                self.literal()
            else:
                raise _NotGeneral
            if self.literal() == b"}":
                break
        if sorted(seen) != [b'"from"', b'"value"']:
            raise _NotGeneral
        self.turn_lines.append(sum(token.count(b"\n") for token in self.tokens[first : self.at]))
        turn = self.out[mark:]
        del self.out[mark:]
        return turn


class Pattern(NamedTuple):
    """A regular expression of records, with what is needed to use it.

    Attributes:
        regex: matches whole records; see `_OPEN` for what it leaves unsaid.
        groups: names of its groups: ``question``, ``answer``, ``rest``, ``id``, ``polygons`` and keys of media.
        lines: line breaks between the tokens of a record of one question and answer.
        turn_lines: line breaks that each further turn adds.
        brackets: opening square brackets between the tokens.
    """

    regex: re.Pattern[bytes]
    groups: list[str]
    lines: int
    turn_lines: int
    brackets: int


def pattern_of(fast: FastPath, data: bytes, layout: Layout) -> Pattern | None:
    """The pattern of all records like an accepted one; None if it is too particular."""
    example = _Example(fast, data, layout)
    try:
        regex = example.pattern()
    except (_NotGeneral, KeyError):
        return None
    if not regex.fullmatch(data) or ODD_ESCAPE.search(data):
        return None
    if len(set(example.turn_lines)) != 1:
        return None
    turn_lines = example.turn_lines[0] + example.separator_lines
    return Pattern(
        regex,
        example.groups,
        data.count(b"\n") - (len(example.turn_lines) - 2) * turn_lines,
        turn_lines,
        example.tokens.count(b"["),
    )
