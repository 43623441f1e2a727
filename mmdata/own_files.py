"""The files that mmdata itself writes beside data sets: reports, rejects, ledgers. They are no data sets, and no fault."""

from __future__ import annotations

import re

OWN: tuple[tuple[tuple[bytes, ...], str], ...] = (
    ((b"read", b"written", b"rejected", b"outputs"), "the report of `mmdata convert`"),
    ((b"path", b"record", b"byte", b"code", b"reason"), "the records that `mmdata convert` rejected"),
    ((b"path", b"record", b"reason", b"detail"), "the records that a verb of mmdata left out"),
    ((b"verb", b"read", b"written", b"dropped"), "the ledger of a verb of mmdata"),
    ((b"importer", b"read", b"written"), "the ledger of `mmdata import`"),
    ((b"settings", b"version", b"source", b"bytes"), "the index of `mmdata rasterize`"),
    ((b"version", b"sources", b"path", b"format"), "the report of `mmdata validate`"),
    ((b"type", b"code", b"severity", b"message", b"path"), "the report of `mmdata validate`"),
    ((b"version", b"files"), "the baseline of `mmdata validate`"),
)
"""The keys that such a file begins with, in their order, and what it is."""

_LOOKED_AT = 1 << 14
_KEY = re.compile(rb'[{,\[]\s*"((?:[^"\\]|\\.)*)"\s*:')


def own_file(head: bytes) -> str | None:
    """Which file of mmdata's own this is, in words for a person; None for any other.

    Args:
        head: its first bytes. Its records may be longer, so that only its first keys are looked at.
    """
    if not head.startswith(b"{"):
        return None
    keys = [match[1] for match, _ in zip(_KEY.finditer(head[:_LOOKED_AT]), range(8), strict=False)]
    return next((what for first, what in OWN if tuple(keys[: len(first)]) == first), None)


__all__ = ["OWN", "own_file"]
