"""The JSON text of one record: parsed as the trainers parse it, its oddities, and where a JSON pointer lies in it.

The trainers read with Python's `json`. orjson and msgspec are faster but see some texts differently, so they are only
asked first: where they refuse, or may have altered a value, `json` itself decides.
"""

from __future__ import annotations

import json
import re
from itertools import accumulate
from typing import Any

import msgspec
import orjson

from mmdata.errors import DataError
from mmdata.finding import Splice
from mmdata.io.oddities import Oddity, OddityKind, oddities
from mmdata.io.record import Problem, ProblemKind
from mmdata.io.spans import locate, locate_key

MAX_DEPTH = 900
"""Nested levels that a trainer's parser surely follows; Python's gives up at about 1000 less what its caller used."""

BOM = b"\xef\xbb\xbf"

_RAW = msgspec.json.Decoder(msgspec.Raw)
_DIGITS = bytes.maketrans(b"123456789", b"0" * 9)
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)


class JSONProblem(DataError):
    """A record's text is not JSON for the trainer's parser.

    Attributes:
        kind: see `mmdata.io.record.ProblemKind`.
        message: one sentence: expected, got.
        offset: byte of the text at which it goes wrong.
        splices: repairs of the text that need no guessing, counted from its first byte.
    """

    def __init__(
        self, kind: ProblemKind, message: str, offset: int, splices: tuple[Splice, ...] = ()
    ) -> None:
        super().__init__(f"{message} (byte {offset})")
        self.kind: ProblemKind = kind
        self.message = message
        self.offset = offset
        self.splices = splices

    def as_problem(self, base: int, record: int | None) -> Problem:
        """This problem in a file in which the text starts at byte `base`."""
        splices = tuple(Splice(s.start + base, s.end + base, s.replacement) for s in self.splices)
        at = base + self.offset
        return Problem(self.kind, self.message, at, at + 1, record, splices)


def parse(data: bytes) -> Any:
    """The value of a JSON text, exactly as Python's `json` gives it.

    Raises:
        JSONProblem: Python's parser refuses the text too.
    """
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        return _upstream(data)
    if has_long_number(data) or too_deep(data):
        return _upstream(data)
    return value


def problem(data: bytes) -> JSONProblem | None:
    """Why the trainer's parser refuses a text, or None if it takes it."""
    if accepts(data):
        return None
    try:
        _upstream(data)
    except JSONProblem as error:
        # Its traceback leads to the caller, who keeps the error: a cycle that would hold all that the caller reads.
        error.__context__ = None
        return error.with_traceback(None)
    return None


def accepts(data: bytes) -> bool:
    """Whether a text is surely one JSON value for the trainer's parser; False where only that parser can tell."""
    try:
        _RAW.decode(data)
        if not data.isascii():
            data.decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return not has_long_number(data, _MAX_INT_DIGITS + 1) and not too_deep(data)


_MAX_INT_DIGITS = 4300
"""Python refuses to read longer integers."""


def has_long_number(data: bytes, digits: int = 19) -> bool:
    """Whether `digits` digits follow each other anywhere: a cheap guard for integers that 64 bits may not hold."""
    return len(data) >= digits and b"0" * digits in data.translate(_DIGITS)


def too_deep(data: bytes, limit: int = MAX_DEPTH) -> bool:
    """Whether brackets nest more than `limit` levels; exact for valid JSON, and cheap for almost all of it."""
    if len(data) <= limit or data.count(b"[") + data.count(b"{") <= limit:
        return False
    # Brackets that close at once cannot make depth; without them little is left of the largest polygon lists.
    brackets = data.translate(None, _NOT_BRACKETS).replace(b"[]", b"").replace(b"{}", b"")
    if len(brackets) < limit:
        return False
    brackets = _STRING.sub(b"", data).translate(None, _NOT_BRACKETS)
    return max(accumulate(1 if c in b"[{" else -1 for c in brackets), default=0) > limit


def _upstream(data: bytes) -> Any:
    """Parse with Python's `json` as the trainers do: strict UTF-8 text, then `json.loads`."""
    if data.startswith(BOM):
        raise JSONProblem("bom", "expected JSON, got a byte order mark first", 0, (Splice(0, 3, b""),))
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise JSONProblem(
            "encoding", f"expected UTF-8, got byte 0x{data[error.start]:02x}", error.start
        ) from None
    if too_deep(data):
        raise JSONProblem(
            "depth", f"nested more than {MAX_DEPTH} levels deep; the trainer's parser gives up", 0
        )
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise _all_commas(data, _explained(text, error)) from None
    except RecursionError:
        raise JSONProblem("depth", "nested deeper than the trainer's parser can follow", 0) from None
    except ValueError:
        found = re.search(rb"[0-9]{%d}" % (_MAX_INT_DIGITS + 1), data)
        message = f"an integer of more than {_MAX_INT_DIGITS} digits; Python refuses to read it"
        raise JSONProblem("syntax", message, found.start() if found else 0) from None


_TRAILING_COMMA = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|(,)(?=[ \t\n\r]*+[\]}])', re.DOTALL)


def _all_commas(data: bytes, error: JSONProblem) -> JSONProblem:
    """The problem with a repair of all trailing commas, if they are all that is wrong."""
    if error.kind == "trailing-comma":
        places = [found.start() for found in _TRAILING_COMMA.finditer(data) if found[1]]
        repaired = bytearray(data)
        for place in reversed(places):
            del repaired[place]
        if accepts(bytes(repaired)):
            error.splices = tuple(Splice(place, place + 1, b"") for place in places)
    return error


_EXPECTED = {
    "Expecting value": "a value",
    "Expecting property name": "a key in double quotes",
    "Expecting ':' delimiter": "':' after the key",
    "Expecting ',' delimiter": "',' or a closing bracket",
    "Extra data": "nothing after the value",
    "Illegal trailing comma": "no comma before a closing bracket",
}

_HINTS = (
    ("'", "; JSON uses double quotes"),
    ("/", "; JSON has no comments"),
    ("#", "; JSON has no comments"),
    ("True", "; JSON writes true"),
    ("False", "; JSON writes false"),
    ("None", "; JSON writes null"),
    ("nan", "; JSON has no nan"),
    ("\N{LEFT DOUBLE QUOTATION MARK}", "; JSON uses straight double quotes"),
)


def _explained(text: str, error: json.JSONDecodeError) -> JSONProblem:
    """Python's error as expected/got, with the byte offset and, where one is certain, the repair."""
    place = error.pos
    expected = next((words for start, words in _EXPECTED.items() if error.msg.startswith(start)), None)
    comma = _comma_before(text, place)
    if comma >= 0 and expected is not None:
        at = _bytes(text, comma)
        words = f"expected no comma before {text[comma + 1 :].lstrip()[:1]!r}, got one"
        return JSONProblem("trailing-comma", words, at, (Splice(at, at + 1, b""),))
    at = _bytes(text, place)
    if error.msg.startswith("Unterminated string"):
        return JSONProblem(
            "truncated", "expected a closing quote for the string that starts here, got the end", at
        )
    if not text[place:].strip(" \t\n\r"):
        what = expected or "more"
        return JSONProblem(
            "truncated", f"expected {what}, got the end of the record", min(at, len(text.encode()))
        )
    got = text[place]
    if got == "\0":
        return JSONProblem("nul", f"expected {expected or 'text'}, got a NUL byte", at)
    hint = next((h for start, h in _HINTS if text.startswith(start, place)), "")
    if error.msg.startswith("Invalid control character"):
        name = {"\n": "a line break", "\t": "a tab", "\r": "a carriage return"}.get(
            got, f"control character {got!r}"
        )
        return JSONProblem("syntax", f"expected control characters in strings to be escaped, got {name}", at)
    if error.msg.startswith("Invalid"):
        words = f"expected a valid escape after the backslash, got {text[place : place + 6]!r}"
        return JSONProblem("truncated" if place + 2 > len(text) else "syntax", words, at)
    return JSONProblem("syntax", f"expected {expected or error.msg}, got {got!r}{hint}", at)


def _comma_before(text: str, place: int) -> int:
    """Where the comma lies that stands before the closing bracket at `place` (or at `place` itself); -1 for none."""
    if text[place : place + 1] == "," and text[place + 1 :].lstrip(" \t\n\r")[:1] in ("]", "}"):
        return place
    if text[place : place + 1] not in ("]", "}"):
        return -1
    before = text[:place].rstrip(" \t\n\r")
    return len(before) - 1 if before.endswith(",") else -1


def _bytes(text: str, place: int) -> int:
    return place if text.isascii() else len(text[:place].encode())


__all__ = [
    "BOM",
    "MAX_DEPTH",
    "JSONProblem",
    "Oddity",
    "OddityKind",
    "accepts",
    "has_long_number",
    "locate",
    "locate_key",
    "oddities",
    "parse",
    "problem",
    "too_deep",
]
