"""Where one JSON value of a stream ends: exactly, however long it is, with bounded memory."""

from __future__ import annotations

import codecs
import json
import re
from typing import Any, Literal

from mmdata.io.spans import STRING, raw_end
from mmdata.io.window import Window

Outcome = Literal["whole", "broken", "large"]

_FIRST_LOOK = 1 << 16
_SCALAR = re.compile(rb"[-+.0-9A-Za-z]*+")
_IN_STRING = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_BRACKET = re.compile(rb"[\]\[{}]")
_DECODER = json.JSONDecoder()

_FREE_LOOKAHEAD = 1 << 28
_LONG_LOOK = 1 << 22
_SHORT_LOOK = 1 << 14
_SLOWNESS = 60
_PIECE = 1 << 14


class Values:
    """Finds the end of values in a window.

    A value whose brackets never close swallows everything after it until `max_bytes`. In a file full of such records
    that would be done again for each. So the look-ahead has a budget; once a quarter of a gigabyte has been looked at in vain,
    the first look at a value is a short one.
    """

    def __init__(self, window: Window, max_bytes: int) -> None:
        self._window = window
        self._max_bytes = max_bytes
        self._spent = 0
        self._limit = max_bytes

    @property
    def poor(self) -> bool:
        """Whether the budget is spent."""
        return self._spent >= _FREE_LOOKAHEAD

    @property
    def reach(self) -> int:
        """Bytes to look at to see whether something is a whole record."""
        return _SHORT_LOOK if self.poor else _LONG_LOOK

    def spend(self, start: int) -> None:
        """What is held from `start` on was looked at in vain."""
        self._spent += self._window.end - start

    def find(self, start: int, *, patient: bool = False) -> tuple[Outcome, int]:
        """Look at the value that starts at offset `start`.

        Returns:
            ``"whole"`` and the offset of its end: its brackets are balanced (whether it is JSON, `problem` says);
            ``"broken"``: no parser finds an end; ``"large"``: it goes on for more bytes than are allowed, with its end
            if that was found. If the budget is spent, ``"large"`` may mean a short look, unless `patient`.
        """
        self._limit = min(self._max_bytes, _SHORT_LOOK) if self.poor and not patient else self._max_bytes
        outcome, end = self._find(start)
        if outcome != "whole":
            self.spend(start)
        elif end - start > self._max_bytes:
            return "large", end
        return outcome, end

    def _find(self, start: int) -> tuple[Outcome, int]:
        window = self._window
        opening = window.byte(start)
        if opening == 0x22:
            return self._token(start, STRING)
        if opening not in b"{[":
            return self._token(start, _SCALAR)
        want = _FIRST_LOOK
        while True:
            at = start - window.base
            view = memoryview(window.data)[at : at + want]
            end = raw_end(view)
            if end > 0:
                return "whole", start + end
            if end == -2:
                return self._by_parser(start)
            if len(view) > self._limit:
                return "large", -1
            if at + want < len(window.data):
                want = min(want * 4, self._limit + 1)
            elif not window.fill():
                # A lone surrogate escape near the end looks cut off to the fast scanner.
                return self._by_parser(start) if b"\\u" in window.data[-32:] else ("broken", -1)

    def _token(self, start: int, pattern: re.Pattern[bytes]) -> tuple[Outcome, int]:
        window = self._window
        while True:
            found = pattern.match(window.data, start - window.base)
            end = window.base + found.end() if found is not None else -1
            if end == start:
                return "broken", -1
            if end > 0 and (end < window.end or pattern is STRING or window.eof):
                return "whole", end
            if window.end - start > self._limit:
                return "large", -1
            if not window.fill():
                return ("whole", end) if end > 0 else ("broken", -1)

    def _by_parser(self, start: int) -> tuple[Outcome, int]:
        """Ask Python's `json`, on as little text as settles it."""
        window = self._window
        want = _FIRST_LOOK
        while True:
            at = start - window.base
            last = window.eof and at + want >= len(window.data)
            text, bad = _text(window.data[at : at + want], final=last)
            try:
                _, stop = _DECODER.raw_decode(text)
                return "whole", start + (stop if text.isascii() else len(text[:stop].encode()))
            except json.JSONDecodeError as error:
                cut_off = error.msg.startswith("Unterminated") or error.pos >= len(text) - 8
                if last or bad or not cut_off:
                    return "broken", -1
            except (RecursionError, ValueError):
                # Too deep, or an integer too long to read: the brackets still tell where the value ends.
                return ("large", -1) if self._limit < self._max_bytes else self.by_brackets(start)
            if min(want, len(window.data) - at) > self._limit:
                return "large", -1
            if at + want < len(window.data):
                want = min(want * 4, self._limit + 1)
            else:
                window.fill()

    def by_brackets(self, start: int) -> tuple[Outcome, int]:
        """Count brackets only."""
        window = self._window
        skipper = Skipper()
        at = start
        while at - start <= self._limit:
            if at >= window.end and not window.fill():
                self._spent += _SLOWNESS * (at - start)
                return "broken", -1
            piece = window.data[at - window.base : at - window.base + _PIECE]
            end = skipper.feed(piece)
            if end >= 0:
                return "whole", at + end
            at += len(piece)
        self._spent += _SLOWNESS * (at - start)
        return "large", -1


class Skipper:
    """Counts brackets outside strings, piece by piece, to find where a value ends without holding it."""

    def __init__(self) -> None:
        self._depth = 0
        self._in_string = False
        self._escaped = False

    def feed(self, data: bytes) -> int:
        """Read on; one past the value's last byte in `data`, or -1 if it goes on."""
        at = int(self._escaped)
        if data:
            self._escaped = False
        while at < len(data):
            if self._in_string:
                found = _IN_STRING.match(data, at)
                if found is None:
                    tail = data[at:]
                    self._escaped = (len(tail) - len(tail.rstrip(b"\\"))) % 2 == 1
                    return -1
                at = found.end()
                self._in_string = False
                continue
            quote = data.find(b'"', at)
            stop = len(data) if quote < 0 else quote
            end = self._outside(data, at, stop)
            if end >= 0:
                return end
            self._in_string = quote >= 0
            at = stop + 1
        return -1

    def _outside(self, data: bytes, at: int, stop: int) -> int:
        closing = data.count(b"]", at, stop) + data.count(b"}", at, stop)
        if self._depth > closing:
            self._depth += data.count(b"[", at, stop) + data.count(b"{", at, stop) - closing
            return -1
        if stop - at > 4096:
            return self._outside_fast(data, at, stop)
        for mark in _BRACKET.finditer(data, at, stop):
            self._depth += 1 if data[mark.start()] in b"[{" else -1
            if self._depth <= 0:
                return mark.end()
        return -1

    def _outside_fast(self, data: bytes, at: int, stop: int) -> int:
        import numpy as np

        step = np.zeros(256, np.int8)
        step[[0x5B, 0x7B]] = 1
        step[[0x5D, 0x7D]] = -1
        depth: Any = step[np.frombuffer(data, np.uint8, stop - at, at)].cumsum(dtype=np.int64) + self._depth
        closed = depth <= 0
        if closed.any():
            return at + int(closed.argmax()) + 1
        self._depth = int(depth[-1])
        return -1


def _text(piece: bytes, *, final: bool) -> tuple[str, bool]:
    """The text of a piece that may end inside a character, up to its first bad byte; whether there was one."""
    try:
        return codecs.getincrementaldecoder("utf-8")().decode(piece, final), False
    except UnicodeDecodeError as error:
        return piece[: error.start].decode(), True
