"""Where the next record begins after one that is broken."""

from __future__ import annotations

import re
from typing import NamedTuple

from mmdata.io.shape import Shape
from mmdata.io.spans import raw_end, skip_space
from mmdata.io.window import Window

# A string may not hold a raw line break, so an unclosed quote costs one line and not the rest of the file.
_TOKEN = re.compile(rb'"(?:[^"\\\n]|\\.)*+"?|[\]\[{},]', re.DOTALL)
_PLAIN = re.compile(rb'"(?:[^"\\\n]|\\.)*+"|-?[0-9][-+.0-9eE]*+|true|false|null', re.DOTALL)
_FILLER = re.compile(rb"[ \t\n\r\0]*+")
_CANDIDATES = 2000
_BEFORE = 4096
_BALANCE_BYTES = 1 << 22
_SPACE = b" \t\n\r"


class Resumption(NamedTuple):
    """Where to go on after a broken record.

    Attributes:
        end: one past the last byte of the broken record.
        at: where reading goes on.
        at_value: a record begins at `at`; else a separator is expected there.
    """

    end: int
    at: int
    at_value: bool


class _NeedMore(Exception):
    """The answer depends on bytes that are not read yet."""


class _View(NamedTuple):
    """The bytes at hand; `final`: no more will be read, so decide on these."""

    data: bytes
    final: bool
    eof: bool


def resync(
    window: Window, start: int, shape: Shape, *, limit: int, reach: int, commas: bool
) -> Resumption | None:
    """Find the end of the broken record that starts at `start`.

    Two witnesses are heard. Looks: the next whole object with the keys of a record is a record, and so is what begins
    exactly as records do. Brackets: if those of the broken record are intact, it may end at a comma before that.

    Args:
        window: the stream; read on as far as needed.
        start: offset of the broken record.
        shape: what records look like.
        limit: bytes to look at.
        reach: bytes in which a record that follows must end to count as whole.
        commas: records are separated by commas (an array).

    Returns:
        Where to go on; None if nothing was found within `limit` bytes. At the end of the stream the record is all
        that is left.
    """
    while True:
        at = start - window.base
        view = _View(window.data, window.eof or len(window.data) - at > limit, window.eof)
        try:
            found = _by_looks(view, at, shape, reach)
            stop = found.at if found is not None else len(view.data)
            best = _by_brackets(view, at, stop, commas=commas) or found
        except _NeedMore:
            window.fill()
            continue
        if best is not None:
            return Resumption(best.end + window.base, best.at + window.base, best.at_value)
        if window.eof:
            rest = view.data[at:].rstrip(_SPACE + b"\0")
            return Resumption(start + len(rest), window.end, at_value=False)
        if view.final:
            return None
        window.fill()


def find_record(window: Window, start: int, shape: Shape) -> int | None:
    """Offset of the first whole record at or after `start`, forgetting what is passed; None if there is none."""
    at = start
    while shape.opening is not None:
        view = _View(window.data, final=True, eof=window.eof)
        found = _by_looks(view, at - window.base - 1, shape, len(window.data))
        if found is not None:
            return found.at + window.base
        if window.eof:
            return None
        # What began in the older half had room to be whole; nothing in it was.
        at = max(at, window.base + len(window.data) // 2)
        window.cut(at)
        window.fill()
    while window.fill():
        window.cut(window.end)
    return None


def _by_brackets(view: _View, at: int, stop: int, *, commas: bool) -> Resumption | None:
    data = view.data
    stack = bytearray()
    reach = min(stop, at + _BALANCE_BYTES)
    for token in _TOKEN.finditer(data, at, reach):
        byte = data[token.start()]
        if byte in b"[{":
            stack.append(byte)
        elif byte == 0x2C:
            if not stack:
                return _if_record_follows(view, at, token.start())
        elif byte in b"]}":
            # A closing bracket closes what was opened inside it too; one that closes nothing is passed over.
            inner = stack.rfind(b"[" if byte == 0x5D else b"{")
            if inner >= 0:
                del stack[inner:]
                if not commas and not stack:
                    return _if_record_follows(view, at, token.end())
            elif byte == 0x5D and not stack:
                return _if_array_ends(view, at, token.start())
    if reach == len(data) and not view.final:
        raise _NeedMore
    return None


def _if_record_follows(view: _View, start: int, separator: int) -> Resumption | None:
    data = view.data
    end = start + len(data[start:separator].rstrip(_SPACE))
    there = Resumption(end, separator, at_value=False)
    comma = data[separator : separator + 1] == b","
    follows = skip_space(data, separator + 1 if comma else separator)
    if follows >= len(data):
        if not view.final:
            raise _NeedMore
        return there if view.eof else None
    if data[follows] == data[start] and data[start] in b"[{":
        return there
    return there if _whole(view, follows) else None


def _if_array_ends(view: _View, start: int, bracket: int) -> Resumption | None:
    filler = _FILLER.match(view.data, bracket + 1)
    after = filler.end() if filler is not None else bracket + 1
    if after >= len(view.data) and not view.final:
        raise _NeedMore
    if (after >= len(view.data) and view.eof) or view.data[after : after + 1] == b"[":
        return Resumption(start + len(view.data[start:bracket].rstrip(_SPACE)), bracket, at_value=False)
    return None


def _by_looks(view: _View, at: int, shape: Shape, reach: int) -> Resumption | None:
    data = view.data
    if shape.opening is None:
        return None
    for count, found in enumerate(shape.opening.finditer(data, at + 1)):
        if count >= _CANDIDATES:
            return None
        start = found.start()
        end = raw_end(memoryview(data)[start : start + reach])
        if end == -1 and len(data) - start < reach and not view.final:
            raise _NeedMore
        if end > 0:
            accepted = shape.fits(data[start : start + end]) and _separated(view, start + end)
        else:
            # Broken as well; but it begins exactly as records do.
            before = (
                data[max(at, 0, start - _BEFORE) : start].rstrip(_SPACE).removesuffix(b",").rstrip(_SPACE)
            )
            accepted = found[0] == shape.signature and before.endswith((b"}", b"]"))
        if accepted:
            before = data[max(at, 0) : start].rstrip(_SPACE).removesuffix(b",").rstrip(_SPACE)
            return Resumption(max(at, 0) + len(before), start, at_value=True)
    if not view.final:
        raise _NeedMore
    return None


def _whole(view: _View, at: int) -> bool:
    data = view.data
    if data[at] in b"{[":
        end = raw_end(memoryview(data)[at:])
        if end == -1 and not view.final:
            raise _NeedMore
        return end > 0 and _separated(view, at + end)
    found = _PLAIN.match(data, at)
    if not view.final and (
        len(data) - at < 8 or (found is None and data[at] == 0x22 and b"\n" not in data[at:])
    ):
        raise _NeedMore
    return found is not None and _separated(view, found.end())


def _separated(view: _View, at: int) -> bool:
    """Whether what follows a value at `at` may follow a record."""
    after = skip_space(view.data, at)
    if after < len(view.data):
        return view.data[after] in b",]{["
    if not view.final:
        raise _NeedMore
    return view.eof
