"""`ObjectStream`: one JSON object of any size, a member at a time, its lists an element at a time.

For annotations that are one object: DriveLM's scenes, RSVQA's ``{"questions": [...]}``. Held is one value at a time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from mmdata.errors import DataError
from mmdata.io.jsontext import BOM, JSONProblem, parse
from mmdata.io.read import open_source
from mmdata.io.source import BLOCK_BYTES, MAX_RECORD_BYTES
from mmdata.io.spans import STRING, raw_end, value_end
from mmdata.io.window import Window

_SCALAR = re.compile(rb"[-+.0-9A-Za-z]++")
_FLAT = re.compile(rb'\{[^{}"]*+(?:"[^"\\]*+"[^{}"]*+)*+\}')
"""An object without objects and escapes in it, several times as fast to find as the end of any; a row mostly is one."""

_WORDS = {0x7B: "an object", 0x5B: "a list", 0x22: "a string"}


class WrongOpening(DataError):
    """The value is of another type than the one asked for; `got` names it."""

    def __init__(self, path: str, wanted: str, got: str) -> None:
        super().__init__(f"{path}: expected {wanted}, got {got}")
        self.got = got


class ObjectStream:
    """Reads the members of a file that is one object.

    Args:
        path: as for `mmdata.io.read.open_source`.
        max_bytes: of one value; a longer one is refused.

    Attributes:
        size: of the file in bytes; None where it is not known.

    Raises:
        UsageError: there is no such file.
    """

    def __init__(self, path: str, *, max_bytes: int = MAX_RECORD_BYTES) -> None:
        self._source = open_source(path)
        self._path = path
        self._most = max_bytes
        self._window = Window(self._source.reader(), 0, BLOCK_BYTES)
        self._at = 0
        self.size = self._source.size

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._source.close()

    @property
    def position(self) -> int:
        """Bytes read so far."""
        return self._at

    def members(self) -> Iterator[str]:
        """The keys in order; before the next one is asked for, the value has to be read: `value` or `elements`.

        Raises:
            DataError: no object, not JSON, or a key stands twice: Python's parser drops the first in silence.
        """
        if self._byte() == BOM[0]:
            raise self._fault("a byte order mark, which Python's parser refuses")
        self._open(0x7B)
        seen: set[str] = set()
        while self._more(0x7D, first=not seen):
            key = self._key()
            if key in seen:
                raise DataError(
                    f"{self._path}: the key {key!r} stands twice in one object: only the last one would count"
                )
            seen.add(key)
            yield key
        self._at = self._window.skip_space(self._at)
        if self._window.byte(self._at) >= 0:
            raise self._fault("more follows after the object's end")

    def opens_list(self) -> bool:
        """Whether the value that comes next is a list."""
        return self._byte() == 0x5B

    def elements(self) -> Iterator[bytes]:
        """The text of each element of the list that comes next.

        Raises:
            DataError: it is no list, or not JSON.
        """
        self._open(0x5B)
        first = True
        while self._more(0x5D, first=first):
            first = False
            yield self.value()

    def value(self) -> bytes:
        """The text of the value that comes next; its inside may still not be JSON.

        Raises:
            DataError: no value is there, it does not end, or it is longer than may be.
        """
        byte = self._byte()
        while True:
            end = self._end(byte)
            if end > 0 and (end < self._window.end or byte in _WORDS or self._window.eof):
                break
            if self._window.end - self._at > self._most:
                raise self._fault(f"a value of more than {self._most >> 20} MiB")
            if not self._window.fill() and end <= 0:
                raise self._fault("the file ends within a value" if byte in _WORDS else "no value")
        data = self._window.data[self._at - self._window.base : end - self._window.base]
        self._at = end
        self._window.cut_lazily(end)
        return data

    def _end(self, byte: int) -> int:
        """One past the value at the place reached; -1 if what is held does not have its end."""
        held, start = self._window.data, self._at - self._window.base
        if byte in (0x7B, 0x5B):
            if flat := _FLAT.match(held, start):
                return self._window.base + flat.end()
            found = raw_end(memoryview(held)[start:])
            if found == -2:
                found = value_end(held, start) - start if _closes(held, start) else -1
            return self._at + found if found > 0 else -1
        match = (STRING if byte == 0x22 else _SCALAR).match(held, start)
        return self._window.base + match.end() if match else -1

    def _key(self) -> str:
        byte = self._byte()
        if byte != 0x22:
            raise self._fault("expected a key")
        try:
            key: str = parse(self.value())
        except JSONProblem as error:
            raise self._fault(f"a key that is no string: {error}") from None
        if self._byte() != 0x3A:
            raise self._fault("expected a colon after a key")
        self._at += 1
        return key

    def _open(self, bracket: int) -> None:
        byte = self._byte()
        if byte != bracket:
            got = "nothing" if byte < 0 else _WORDS.get(byte, "something else")
            raise WrongOpening(self._path, _WORDS[bracket], got)
        self._at += 1

    def _more(self, closing: int, *, first: bool) -> bool:
        byte = self._byte()
        if byte == closing:
            self._at += 1
            return False
        if not first:
            if byte != 0x2C:
                raise self._fault("expected a comma" if byte >= 0 else "the file ends too early")
            self._at += 1
            if self._byte() == closing:
                raise self._fault("a comma before the closing bracket")
        return True

    def _byte(self) -> int:
        """The next byte that is no space, where reading then stands; -1 at the end."""
        self._at = self._window.skip_space(self._at)
        return self._window.byte(self._at)

    def _held(self, count: int) -> bytes:
        while self._window.end < self._at + count and self._window.fill():
            pass
        start = self._at - self._window.base
        return self._window.data[start : start + count]

    def _fault(self, what: str) -> DataError:
        held = self._held(40)
        return DataError(f"{self._path}: not JSON: {what} (byte {self._at:,}: {held!r})")


def _closes(held: bytes, start: int) -> bool:
    """Whether the bracket at `start` is closed in what is held."""
    try:
        return value_end(held, start) > 0
    except DataError:
        return False
