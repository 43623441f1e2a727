"""What Python's `json` accepts and a person would still want to know: repeated keys, NaN, huge integers, surrogates."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from mmdata.io.spans import decode_string

OddityKind = Literal["duplicate-key", "big-int", "non-finite", "lone-surrogate"]


@dataclass(frozen=True, slots=True)
class Oddity:
    """Something unusual in a record that the trainer's parser accepts.

    Attributes:
        kind: ``"duplicate-key"`` (the last one wins), ``"big-int"`` (beyond 64 bits), ``"non-finite"`` (NaN, Infinity
            or a number that overflows to it) or ``"lone-surrogate"`` (an escape that is no character).
        pointer: RFC 6901 pointer of the value; of a repeated key, of its last value.
        start: first byte of the offending key or value within the record.
        end: one past its last byte.
        message: one sentence.
    """

    kind: OddityKind
    pointer: str
    start: int
    end: int
    message: str


_TOKEN = re.compile(
    rb'(?P<string>"[^"\\]*+(?:\\.[^"\\]*+)*+")|(?P<word>-?(?:NaN|Infinity|[0-9][-+.0-9eE]*+))|[\[\]{},]',
    re.DOTALL,
)
_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")
_SURROGATE = re.compile("[\ud800-\udfff]")


_DIGITS = bytes(
    ord("0") if chr(c).isdigit() and c < 128 else ord("e") if c == ord("E") else c for c in range(256)
)
_LARGE = (b"0" * 18, b"0e000", b"0e+000")
_APART = (b" :", b"\t:", b"\n:", b"\r:")
_KEY_END = re.compile(rb'"\s*:')


def surely_none(data: bytes, value: Any) -> bool:
    """Whether a record has no oddity, as far as a cheap look can tell: no huge number, and as many keys as colons.

    Args:
        data: the record.
        value: what `orjson` makes of it, which takes neither NaN nor half a surrogate pair.
    """
    digits = data.translate(_DIGITS)
    return not any(large in digits for large in _LARGE) and _key_ends(data) == _keys(value)


def _key_ends(data: bytes) -> int:
    """Keys in a text, those counted that come again; a string that begins with a colon counts too."""
    if any(apart in data for apart in _APART):
        return len(_KEY_END.findall(data))
    return data.count(b'":')


def _keys(value: Any) -> int:
    """Keys of all objects in a value, however deep: without recursion, as texts may be nested deeper than it goes."""
    count, left = 0, [value]
    while left:
        one = left.pop()
        inside = one
        if type(one) is dict:
            count += len(one)
            inside = one.values()
        elif type(one) is not list:
            continue
        # Long lists of numbers are passed over without a step of their own for each.
        if not _NESTED.isdisjoint(map(type, inside)):
            left += [item for item in inside if type(item) in _NESTED]
    return count


_NESTED = frozenset((dict, list))


class _Level:
    """An object or list that is open: its pointer, the members so far."""

    __slots__ = ("index", "key", "pointer", "seen")

    def __init__(self, pointer: str, *, is_object: bool) -> None:
        self.pointer = pointer
        self.seen: dict[str, int] | None = {} if is_object else None
        self.key: str | None = None
        self.index = 0

    def child(self) -> str:
        """The pointer of the value that comes next."""
        last = str(self.index) if self.key is None else self.key.replace("~", "~0").replace("/", "~1")
        return f"{self.pointer}/{last}"


def oddities(data: bytes, limit: int = 1000) -> list[Oddity]:
    """The first `limit` oddities of a record, in the order of the text.

    An exact scan of every token, some 3 MB/s where it is numbers, which is left out where a look at the whole text shows that
    there can be none. `data` must be JSON that the trainer's parser accepts.
    """
    try:
        if surely_none(data, orjson.loads(data)):
            return []
    except orjson.JSONDecodeError:
        pass
    found: list[Oddity] = []
    stack: list[_Level] = []
    for token in _TOKEN.finditer(data):
        if len(found) >= limit:
            break
        level = stack[-1] if stack else None
        byte = data[token.start()]
        if byte in b"{[":
            stack.append(_Level(level.child() if level else "", is_object=byte == 0x7B))
        elif byte in b"]}":
            stack.pop()
        elif byte == 0x2C:
            assert level is not None
            level.index += 1
            level.key = None
        elif token["string"] is not None:
            _string(token, level, found)
        else:
            _number(token, level, found)
    return found


def _string(token: re.Match[bytes], level: _Level | None, found: list[Oddity]) -> None:
    start, end = token.span()
    text = decode_string(token[0])
    is_key = level is not None and level.seen is not None and level.key is None
    if is_key:
        assert level is not None
        assert level.seen is not None
        level.key = text
        if text in level.seen:
            message = f"the key {text!r} comes twice in one object; the last one wins"
            found.append(Oddity("duplicate-key", level.child(), start, end, message))
        level.seen[text] = start
    if _SURROGATE_ESCAPE.search(token[0]) and (lone := _SURROGATE.search(text)):
        message = f"the escape \\u{ord(lone[0]):04x} is half of a surrogate pair: no character, and it cannot be encoded"
        found.append(Oddity("lone-surrogate", level.child() if level else "", start, end, message))


def _number(token: re.Match[bytes], level: _Level | None, found: list[Oddity]) -> None:
    start, end = token.span()
    word = token[0].decode()
    pointer = level.child() if level else ""
    if word.lstrip("-") in ("NaN", "Infinity"):
        found.append(
            Oddity("non-finite", pointer, start, end, f"{word} is not JSON; Python's parser takes it")
        )
    elif word.lstrip("-").isdigit():
        if len(word) >= 19 and not -(1 << 63) <= int(word) < 1 << 64:
            found.append(
                Oddity("big-int", pointer, start, end, f"the integer {_short(word)} does not fit 64 bits")
            )
    elif float(word) in (float("inf"), float("-inf")):
        found.append(
            Oddity("non-finite", pointer, start, end, f"the number {_short(word)} overflows to infinity")
        )


def _short(word: str) -> str:
    return word if len(word) <= 40 else f"{word[:20]}...{word[-8:]}"
