"""Where the value of a JSON pointer lies in a record's text, without building the record.

All offsets are bytes of `data`, which must be JSON that the trainer's parser accepts (`mmdata.io.jsontext.accepts`).
Pointers are RFC 6901. Of a key that an object has twice, the last one counts, as it does for the trainers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from mmdata.errors import DataError

_RAW = msgspec.json.Decoder(msgspec.Raw)
_SPACE = re.compile(rb"[ \t\n\r]*+")
STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_SCALAR = re.compile(rb"[-+.0-9A-Za-z]++")
_MARK = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[\[{]|[\]}]', re.DOTALL)
_TRAILING = re.compile(r"trailing characters \(byte (\d+)\)")


class Member(NamedTuple):
    """One member of an object or element of a list, as spans.

    Attributes:
        key: the decoded key, or the index as text.
        key_start: start of the key's opening quote; of the value for a list element.
        key_end: one past the key's closing quote.
        start: start of the value.
        end: one past the end of the value.
    """

    key: str
    key_start: int
    key_end: int
    start: int
    end: int


def tokens(pointer: str) -> list[str]:
    """The reference tokens of an RFC 6901 pointer.

    Raises:
        DataError: a pointer that is not empty must start with ``/``.
    """
    if not pointer:
        return []
    if not pointer.startswith("/"):
        raise DataError(f"not a JSON pointer: {pointer!r}")
    return [token.replace("~1", "/").replace("~0", "~") for token in pointer[1:].split("/")]


def locate(data: bytes, pointer: str) -> tuple[int, int] | None:
    """(start, end) of the value at `pointer`, or None if there is none."""
    return locate_tokens(data, tokens(pointer))


def locate_tokens(data: bytes, path: list[str]) -> tuple[int, int] | None:
    """`locate` with the pointer's tokens."""
    start = skip_space(data, 0)
    span = (start, len(data.rstrip(b" \t\n\r")))
    for token in path:
        member = find_member(data, span[0], token)
        if member is None:
            return None
        span = (member.start, member.end)
    return span


def locate_key(data: bytes, pointer: str) -> tuple[int, int] | None:
    """(start, end) of the quoted key of the object member at `pointer`; None if it is no object member."""
    path = tokens(pointer)
    if not path:
        return None
    holder = locate_tokens(data, path[:-1])
    if holder is None or data[holder[0] : holder[0] + 1] != b"{":
        return None
    member = find_member(data, holder[0], path[-1])
    return None if member is None else (member.key_start, member.key_end)


def find_member(data: bytes, start: int, token: str) -> Member | None:
    """The member `token` of the object or list that starts at `start`."""
    opening = data[start : start + 1]
    found: Member | None = None
    if opening == b"{":
        for member in members(data, start):
            if member.key == token:
                found = member
    elif opening == b"[" and token.isascii() and token.isdigit() and (token == "0" or token[0] != "0"):  # noqa: S105
        for member in members(data, start):
            if member.key == token:
                return member
    return found


def members(data: bytes, start: int) -> Iterator[Member]:
    """The members of the object or list whose bracket is at `start`, in order, repeated keys included.

    Raises:
        DataError: the text is not JSON.
    """
    is_object = data[start : start + 1] == b"{"
    at = skip_space(data, start + 1)
    index = 0
    while data[at : at + 1] not in (b"}", b"]"):
        key_start = key_end = at
        if is_object:
            quoted = STRING.match(data, at)
            if quoted is None:
                raise DataError(f"not JSON at byte {at}")
            key_end = quoted.end()
            key = decode_string(quoted[0])
            at = skip_space(data, skip_space(data, key_end) + 1)
        else:
            key = str(index)
        end = value_end(data, at)
        yield Member(key, key_start, key_end, at, end)
        at = skip_space(data, end)
        if data[at : at + 1] == b",":
            at = skip_space(data, at + 1)
        index += 1


def value_end(data: bytes, start: int) -> int:
    """One past the last byte of the JSON value that starts at `start`.

    Raises:
        DataError: no value starts there.
    """
    opening = data[start : start + 1]
    if opening == b'"':
        found = STRING.match(data, start)
    elif opening in (b"{", b"["):
        end = _bracket_end(data, start)
        if end > 0:
            return end
        found = None
    else:
        found = _SCALAR.match(data, start)
    if found is None:
        raise DataError(f"not JSON at byte {start}")
    return found.end()


def raw_end(view: memoryview) -> int:
    """One past the JSON value at the start of `view`, which must begin with a bracket.

    -1: the value goes on after the view. -2: this fast scanner does not take it, which proves nothing.
    """
    try:
        _RAW.decode(view)
    except msgspec.DecodeError as error:
        message = str(error)
        found = _TRAILING.search(message)
        if found is None:
            return -1 if message.startswith("Input data was truncated") else -2
        # The error counts the trailing byte itself; it comes after the whitespace that follows the value.
        return _without_space(view, int(found[1]) - 1)
    except RecursionError:
        return -2
    return _without_space(view, len(view))


def _without_space(view: memoryview, end: int) -> int:
    while end and view[end - 1] <= 32:
        end -= 1
    return end


def skip_space(data: bytes, at: int) -> int:
    """The first place from `at` on that is not JSON whitespace."""
    found = _SPACE.match(data, at)
    return found.end() if found is not None else at


def decode_string(quoted: bytes) -> str:
    """The text of a quoted JSON string; lone surrogate escapes stay lone surrogates, as in Python's `json`."""
    if b"\\" not in quoted:
        return quoted[1:-1].decode("utf-8", "surrogateescape")
    text = json.loads(quoted.decode("utf-8", "surrogateescape"), strict=False)
    assert isinstance(text, str)
    return text


def _bracket_end(data: bytes, start: int) -> int:
    end = raw_end(memoryview(data)[start:])
    if end > 0:
        return start + end
    depth = 0
    for mark in _MARK.finditer(data, start):
        byte = data[mark.start()]
        if byte in b"[{":
            depth += 1
        elif byte in b"]}":
            depth -= 1
            if depth == 0:
                return mark.end()
    return -1
