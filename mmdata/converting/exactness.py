"""Whether a record's text says more than its parsed value, so that it could not be written again as it was."""

from __future__ import annotations

import re
from typing import Any

from mmdata.io.jsontext import oddities
from mmdata.io.oddities import surely_none

_INEXACT = {
    "big-int": "a number beyond 64 bits",
    "non-finite": "NaN or Infinity, which JSON does not have",
    "lone-surrogate": "an escape that is no character",
    "duplicate-key": "a key twice in one object: one of the values would be lost",
}

_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)


def inexactness(data: bytes, value: Any) -> tuple[str, str] | None:
    """What of a record would be lost by parsing it: a code and the reason; None for nothing.

    Args:
        data: the record.
        value: what `orjson` makes of it.
    """
    # Texts may look like huge numbers, those of RLE often do; what `orjson` read in them is exact.
    if surely_none(data, value) or surely_none(_STRING.sub(b'""', data), value):
        return None
    found = (one.kind for one in oddities(data) if one.kind in _INEXACT)
    return next(((kind, _INEXACT[kind]) for kind in found), None)


__all__ = ["inexactness"]
