"""The problems of a file as a whole that its first bytes show: byte order mark, no record, not the expected container."""

from __future__ import annotations

from mmdata.finding import Splice
from mmdata.io.jsontext import BOM
from mmdata.io.record import Container, Item, Problem
from mmdata.io.sniff import Sniffed
from mmdata.io.spans import skip_space

_WORDS: dict[Container, str] = {
    "array": "one JSON array of records",
    "jsonl": "one JSON record a line",
    "object": "one JSON object",
    "lines": "lines of text",
    "empty": "nothing",
}


def opening_problems(head: bytes, sniffed: Sniffed, expect: Container | None) -> list[Item]:
    """What is wrong before the first record.

    Args:
        head: the first bytes of the file.
        sniffed: what they were taken for.
        expect: how the trainer reads the file, if that is known.
    """
    found: list[Item] = []
    if sniffed.encoding is not None:
        message = f"expected UTF-8, got a file in {sniffed.encoding.upper()}; none of it can be read"
        return [Problem("encoding", message, 0, 2, None)]
    if head.startswith(BOM):
        message = "expected no byte order mark at the start of the file, got one"
        found.append(Problem("bom", message, 0, 3, None, (Splice(0, 3, b""),)))
    if sniffed.container == "empty":
        found.append(Problem("empty", "the file holds no record", len(head), len(head), None))
        return found
    got = _got(sniffed, expect)
    if got:
        start = skip_space(head, 3 if head.startswith(BOM) else 0)
        wanted = _WORDS[expect] if expect else "one JSON array, or one record a line"
        found.append(Problem("container", f"expected {wanted}, got {got}", start, start + 1, None))
    return found


def _got(sniffed: Sniffed, expect: Container | None) -> str:
    """What the file is, if that is not what is expected."""
    if sniffed.container == "jsonl" and sniffed.layout == "values":
        return "JSON values one after another, spread over several lines"
    if expect is None or expect == sniffed.container:
        return ""
    if expect == "jsonl" and sniffed.container == "object":
        return "" if sniffed.layout == "json-lines" else "one JSON object spread over several lines"
    return _WORDS[sniffed.container]
