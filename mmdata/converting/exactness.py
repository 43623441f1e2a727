"""Whether a record's text says more than its parsed value, so that it could not be written again as it was."""

from __future__ import annotations

from typing import Any

from mmdata.io.jsontext import oddities
from mmdata.io.oddities import surely_none

_INEXACT = {
    "big-int": "a number beyond 64 bits",
    "non-finite": "NaN or Infinity, which JSON does not have",
    "lone-surrogate": "an escape that is no character",
    "duplicate-key": "a key twice in one object: one of the values would be lost",
}

_LONG = 1024
"""Bytes of a record from which on it is worth leaving out its strings, which texts of RLE make up most of, before a look."""


def inexactness(data: bytes, value: Any) -> tuple[str, str] | None:
    """What of a record would be lost by parsing it: a code and the reason; None for nothing.

    Args:
        data: the record.
        value: what `orjson` makes of it.
    """
    # Strings are read exactly, but may look like huge numbers, and those of RLE often do.
    if len(data) >= _LONG:
        if surely_none(_without_strings(data), value):
            return None
    elif surely_none(data, value) or surely_none(_without_strings(data), value):
        return None
    found = (one.kind for one in oddities(data) if one.kind in _INEXACT)
    return next(((kind, _INEXACT[kind]) for kind in found), None)


def _without_strings(data: bytes) -> bytes:
    """A JSON text with every string, of keys too, made empty."""
    if b"\\" in data:
        # Escaped backslashes first, so that what stands before a quotation mark then is its own.
        data = data.replace(b"\\\\", b"").replace(b'\\"', b"")
    return b'""'.join(data.split(b'"')[::2])


__all__ = ["inexactness"]
