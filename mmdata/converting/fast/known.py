"""`Known`: a skeleton and what its records become, as the fast path of one source has learned it."""

from __future__ import annotations

from collections.abc import Callable

from mmdata.converting.fast.template import Write
from mmdata.encoding import Note


class Known:
    """A skeleton with its template, and what it has written of the batch at hand.

    Attributes:
        quick: for records without escaped backslashes.
        careful: for records as `orjson` writes them.
        kind: of the output.
        notes: what becomes of the fields of each record.
        quotes: quotation marks around its keys and strings.
        lines: line breaks between its tokens.
        records: how many records of the batch it has translated.
        written: takes the translations; None before the first one of a batch.
    """

    __slots__ = ("careful", "kind", "lines", "notes", "quick", "quotes", "records", "written")

    def __init__(
        self, quick: Write, careful: Write, kind: str, notes: list[Note], quotes: int, lines: int
    ) -> None:
        self.quick = quick
        self.careful = careful
        self.kind = kind
        self.notes = notes
        self.quotes = quotes
        self.lines = lines
        self.records = 0
        self.written: list[bytes] | None = None


Begin = Callable[[Known], None]
"""Is called with what has its first record of a batch, and gives it a place to write to."""


__all__ = ["Begin", "Known"]
