"""`Exact`: walks a JSON array (or values one after another) one record at a time and sees everything that is wrong.

The hot path of `mmdata.io.json_array` falls back on it wherever its cuts do not hold.
"""

from __future__ import annotations

import re

from mmdata.finding import Splice
from mmdata.io.jsontext import BOM, problem
from mmdata.io.record import Item, Problem, ProblemKind, RawRecord
from mmdata.io.resync import Resumption, find_record, resync
from mmdata.io.shape import Shape, signature_at
from mmdata.io.spans import skip_space
from mmdata.io.values import Outcome, Skipper, Values
from mmdata.io.window import Window

_VALUE = re.compile(rb'[{["0-9]|-[0-9I]|true\b|false\b|null\b|NaN\b|Infinity\b')
_ANCHOR = re.compile(rb"[\]\[{,]")
_RUN = 1 << 16
_LOOK = 4096
_EXCERPT = 1 << 20
_AFTER_ARRAY = re.compile(rb"[\[{]")


class Exact:
    """A position between records, and the rules for going on from there.

    Attributes:
        pos: offset at which reading goes on.
        index: index of the next record.
        done: nothing is left to read, or the next record starts at or after `hi`.
        inside: between the brackets of an array; always true if `commas` is False.
        needle: end of a record, separator and start of the next one, as last seen; what the hot path cuts by.
        gap: bytes from the start of `needle` to the start of the next record in it.
        record_start: where the last record that was read begins.
    """

    def __init__(self, window: Window, shape: Shape, *, commas: bool, max_bytes: int, hi: int | None) -> None:
        self._window = window
        self._values = Values(window, max_bytes)
        self._shape = shape
        self._commas = commas
        self._max_bytes = max_bytes
        self.hi = hi
        self.pos = window.base
        self.index = 0
        self.done = False
        self.inside = True
        self.needle: bytes | None = None
        self.gap = 0
        self.record_start: int | None = None
        self._comma = -1
        self._closed = -1

    def go_to(self, offset: int) -> None:
        """Go on at `offset`, where a record is known to start."""
        self.pos = offset
        self.inside = True
        self._comma = -1

    def step(self) -> list[Item]:
        """Read one record with the separator after it, or one problem between records."""
        self._window.cut_lazily(self.pos)
        items: list[Item] = []
        at = self._window.skip_space(self.pos)
        byte = self._window.byte(at)
        if byte < 0:
            self._at_end(at, items)
        elif byte == 0 or (byte == 0xEF and self._starts_with(at, BOM)):
            self.filler(at, items)
        elif not self.inside:
            self._outside(at, byte, items)
        elif byte == 0x5D:
            self._close(at, items)
        elif byte in b",}":
            self._stray_mark(at, items)
        elif self.hi is not None and at >= self.hi:
            self.pos = at
            self.done = True
        else:
            self._record(at, items)
        return items

    def _record(self, at: int, items: list[Item]) -> None:
        self.record_start = at
        self._comma = -1
        self._value(at, *self._values.find(at), items)

    def _value(self, at: int, outcome: Outcome, end: int, items: list[Item]) -> None:
        if outcome == "broken":
            self._broken(at, items)
        elif outcome == "large":
            self._too_large(at, end, items)
        elif self._swallows_array(at, end):
            message = "expected a record, got another '[', which nothing closes"
            items.append(self._problem("stray", message, at, at + 1, remove=True))
            self.pos = at + 1
        else:
            self._add(at, self._bytes(at, end), items)
            self._separator(end, items)

    def _swallows_array(self, at: int, end: int) -> bool:
        """Whether the list [at, end) is the rest of the array behind a bracket too many: the array's own end is missing."""
        if not self._commas or self._window.byte(at) != 0x5B or not self._opens_record(at + 1):
            return False
        window = self._window
        while skip_space(window.data, end - window.base) == len(window.data):
            if window.end - end > _LOOK:
                return False
            if not window.fill():
                return True
        return False

    def _add(self, at: int, data: bytes, items: list[Item]) -> None:
        wrong = problem(data)
        items.append(
            RawRecord(self.index, at, data, None if wrong is None else wrong.as_problem(at, self.index))
        )
        self.index += 1

    def _separator(self, end: int, items: list[Item]) -> None:
        """What stands between a record that ends at `end` and the next."""
        at = self._window.skip_space(end)
        byte = self._window.byte(at)
        self._window.byte(at + 8)  # enough to tell a literal
        regular = not self._commas
        if byte == 0x2C:
            self._comma = at
            regular = True
            at = self._window.skip_space(at + 1)
        elif byte == 0x5B and self._commas and self._opens_record(at + 1):
            items.append(
                self._problem("stray", "expected ',' after the record, got '['", at, at + 1, remove=False)
            )
            at = self._window.skip_space(at + 1)
        elif byte >= 0 and self._commas and _VALUE.match(self._window.data, at - self._window.base):
            message = "expected ',' between two records, got none"
            splices = (Splice(end, end, b","),)
            items.append(Problem("missing-comma", message, end, max(at, end + 1), self.index, splices))
        elif byte >= 0 and byte not in b"]},\0\xef" and (self._commas or byte not in b'{["'):
            self._garbage(at, items)
            return
        self.pos = at
        if regular and end > self._window.base:
            signature = signature_at(self._window.data, at - self._window.base)
            if signature is not None and self._window.byte(end - 1) == 0x7D:
                self.needle = self._bytes(end - 1, at) + signature
                self.gap = at - end + 1

    def _broken(self, at: int, items: list[Item]) -> None:
        found = self._resync(at)
        if found is None:
            wrong = problem(self._bytes(at, min(at + _EXCERPT, self._window.end)))
            message = wrong.message if wrong is not None else "expected a record"
            self._skip_to_record(at, wrong.kind if wrong is not None else "syntax", message, items)
            return
        data = self._bytes(at, max(found.end, at + 1))
        self._add(at, data, items)
        if found.at_value:
            self.go_to(found.at)
        elif found.at >= self._window.end and self._window.eof:
            self.pos = found.at
            self.done = True
        else:
            self._separator(found.at, items)

    def _resync(self, at: int) -> Resumption | None:
        found = resync(
            self._window,
            at,
            self._shape,
            limit=self._max_bytes,
            reach=self._values.reach,
            commas=self._commas,
        )
        self._values.spend(at)
        return found

    def _too_large(self, at: int, end: int, items: list[Item]) -> None:
        message = f"the record is larger than {self._max_bytes} bytes; it was skipped"
        if end < 0:
            found = self._resync(at)
            if found is not None and found.at_value:
                self._broken(at, items)
                return
            if self._values.poor and at >= self._window.base:
                outcome, end = self._values.find(at, patient=True)
                if outcome != "large":
                    self._value(at, outcome, end, items)
                    return
            if end < 0:
                end = self._skip(at)
        if end < 0:
            self._skip_to_record(at, "too-large", message, items)
            return
        wrong = Problem("too-large", message, at, end, self.index)
        items.append(RawRecord(self.index, at, b"", wrong))
        self.index += 1
        self._separator(end, items)

    def _skip(self, at: int) -> int:
        """Count brackets from `at` on, forgetting what was counted; the value's end, or -1 if it has none."""
        if self._window.byte(at) not in b"{[":
            return -1
        skipper = Skipper()
        while True:
            self._window.cut(at)
            end = skipper.feed(self._window.data)
            if end >= 0:
                return at + end
            at = self._window.end
            if not self._window.fill():
                return -1

    def _skip_to_record(self, at: int, kind: ProblemKind, message: str, items: list[Item]) -> None:
        """Give up the record at `at` and everything up to the next whole one."""
        following = find_record(self._window, max(at + 1, self._window.base), self._shape)
        end = self._window.end if following is None else following
        items.append(RawRecord(self.index, at, b"", Problem(kind, message, at, end, self.index)))
        self.index += 1
        self.pos = end
        self.done = following is None

    def _close(self, at: int, items: list[Item]) -> None:
        """A closing bracket where a record might begin."""
        if not self._commas:
            self._stray_mark(at, items)
            return
        if self._comma >= 0:
            message = "expected no comma after the last record, got one"
            items.append(self._problem("trailing-comma", message, self._comma, self._comma + 1, remove=True))
        elif self.index == 0 and self.record_start is None and not items and self._closed < 0:
            items.append(Problem("empty", "the array holds no record", at, at + 1, None))
        self._comma = -1
        self._closed = at
        self.inside = False
        self.pos = at + 1

    def _outside(self, at: int, byte: int, items: list[Item]) -> None:
        """Something after the end of the array."""
        if byte == 0x5B:
            merge = (
                self.record_start is not None and self._window.byte(self._window.skip_space(at + 1)) != 0x5D
            )
            splices = (Splice(self._closed, at + 1, b","),) if merge else ()
            message = "expected the end of the file after the array, got a second array"
            items.append(Problem("second-array", message, at, at + 1, None, splices))
            self.inside = True
            self.pos = at + 1
        elif byte == 0x5D:
            message = "expected the end of the file after the array, got another ']'"
            items.append(self._problem("stray", message, at, at + 1, remove=True))
            self.pos = at + 1
        elif byte in b',{"':
            message = "the array ends here, but more records follow"
            items.append(Problem("stray", message, self._closed, self._closed + 1, None))
            self.inside = True
            self.pos = at + 1 if byte == 0x2C else at
            self._comma = at if byte == 0x2C else -1
        else:
            end = self.find(_AFTER_ARRAY, at)
            message = "expected the end of the file after the array, got more text"
            items.append(Problem("stray", message, at, end, None))
            self.pos = end

    def _garbage(self, at: int, items: list[Item]) -> None:
        """Words between a record and its separator."""
        end = self.find(_ANCHOR, at)
        items.append(Problem("stray", "expected ',' or ']' after the record, got other text", at, end, None))
        self.pos = end

    def _stray_mark(self, at: int, items: list[Item]) -> None:
        mark = chr(self._window.byte(at))
        if mark == "," and not self._commas:
            self.pos = at + 1
            return
        if mark == "," and self._comma < 0 and self.record_start is not None:
            # The comma that belongs after the record; something else stood before it.
            self._comma = at
            self.pos = at + 1
            return
        self._window.byte(at + _RUN)
        run = re.compile(rb"(?:" + re.escape(mark.encode()) + rb"[ \t\n\r]*+)++")
        begin = at - self._window.base
        found = run.match(self._window.data, begin, begin + _RUN)
        assert found is not None
        end = at + len(found[0].rstrip(b" \t\n\r"))
        items.append(self._problem("stray", f"expected a record, got {mark!r}", at, end, remove=True))
        self.pos = end

    def filler(self, at: int, items: list[Item]) -> None:
        """NUL bytes or a byte order mark."""
        if self._window.byte(at):
            items.append(
                self._problem("bom", "expected no byte order mark, got one", at, at + 3, remove=True)
            )
            self.pos = at + 3
            return
        end = at
        while self._window.byte(end) == 0:
            run = self._window.data[end - self._window.base :]
            end += len(run) - len(run.lstrip(b"\0"))
            self._window.cut_lazily(end)
        items.append(self._problem("nul", f"expected JSON, got {end - at} NUL byte(s)", at, end, remove=True))
        self.pos = end

    def _at_end(self, at: int, items: list[Item]) -> None:
        if self._commas and self.inside:
            items.append(
                Problem("truncated", "expected ']' to close the array, got the end of the file", at, at, None)
            )
        self.pos = at
        self.done = True

    def find(self, pattern: re.Pattern[bytes], at: int) -> int:
        """Offset of the first match at or after `at`, or the end of the stream; forgets what is passed."""
        while True:
            found = pattern.search(self._window.data, at - self._window.base)
            if found is not None:
                return self._window.base + found.start()
            at = self._window.end
            self._window.cut_lazily(at)
            if not self._window.fill():
                return at

    def _problem(self, kind: ProblemKind, message: str, start: int, end: int, *, remove: bool) -> Problem:
        return Problem(kind, message, start, end, None, (Splice(start, end, b""),) if remove else ())

    def _bytes(self, start: int, end: int) -> bytes:
        return self._window.data[start - self._window.base : end - self._window.base]

    def _opens_record(self, at: int) -> bool:
        """Whether an object that looks like a record begins at `at`, after whitespace."""
        self._window.byte(at + _LOOK)
        opening = self._shape.opening
        follows = skip_space(self._window.data, at - self._window.base)
        return opening is not None and opening.match(self._window.data, follows) is not None

    def _starts_with(self, at: int, what: bytes) -> bool:
        self._window.byte(at + len(what) - 1)
        return self._window.data.startswith(what, at - self._window.base)
