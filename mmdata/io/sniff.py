"""How records lie in a file, judged by its first bytes."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from mmdata.io.jsontext import BOM, problem
from mmdata.io.record import Container
from mmdata.io.spans import raw_end, skip_space

Layout = Literal["array", "values", "json-lines", "text-lines", "nothing"]
"""How to read it. ``values``: JSON values one after another, each spread over lines as it likes."""

_LINES = 20
_ARRAY_LATER = re.compile(rb"[^{]{0,4096}?\[\s*\{")


class Sniffed(NamedTuple):
    """What the first bytes say.

    Attributes:
        container: for people and formats.
        layout: for readers.
        encoding: ``"utf-16"`` or ``"utf-32"`` where a byte order mark says so; such a file has no readable record.
    """

    container: Container
    layout: Layout
    encoding: str | None = None


def sniff(head: bytes, *, complete: bool) -> Sniffed:
    """Judge a file by its first bytes.

    Args:
        head: the first bytes, decompressed.
        complete: `head` is the whole file.
    """
    if head.startswith((b"\xff\xfe\0\0", b"\0\0\xfe\xff")):
        return Sniffed("lines", "nothing", "utf-32")
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return Sniffed("lines", "nothing", "utf-16")
    text = head.removeprefix(BOM).lstrip(b" \t\n\r\0")
    if not text:
        return Sniffed("empty", "nothing") if complete else Sniffed("lines", "text-lines")
    if text.startswith(b"["):
        return Sniffed("array", "array")
    if text.startswith(b"{"):
        return _object(text, complete=complete)
    if _ARRAY_LATER.match(text):
        return Sniffed("array", "array")
    if any(line.startswith(b"{") for line in _first_lines(text)):
        return Sniffed("jsonl", "json-lines")
    return Sniffed("lines", "text-lines")


def _object(text: bytes, *, complete: bool) -> Sniffed:
    line, newline, rest = text.partition(b"\n")
    line = line.rstrip(b" \t\r")
    only = complete and not rest.strip(b" \t\n\r\0")
    if not newline or problem(line.rstrip(b",")) is None:
        return Sniffed("object" if only and problem(line) is None else "jsonl", "json-lines")
    end = raw_end(memoryview(text))
    if 0 < end <= len(line):
        return Sniffed("jsonl", "json-lines")
    if end > 0:
        after = skip_space(text, end)
        return Sniffed("object" if after >= len(text) and complete else "jsonl", "values")
    lines = _first_lines(text)
    whole = sum(part.startswith(b"{") and part.rstrip(b",").endswith(b"}") for part in lines)
    if 2 * whole >= len(lines) or len(lines) == 1:
        return Sniffed("jsonl", "json-lines")
    if (
        end == -1
        and not complete
        and line not in (b"{", b"{,")
        and not line.endswith((b",", b"[", b"{", b":"))
    ):
        return Sniffed("jsonl", "json-lines")
    return Sniffed("object", "values")


def _first_lines(text: bytes) -> list[bytes]:
    lines = (line.strip() for line in text[: 1 << 20].split(b"\n", 10 * _LINES))
    return [line for line in lines if line][:_LINES]
