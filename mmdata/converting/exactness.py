"""Whether a record's text says more than its parsed value, so that it could not be written again as it was."""

from __future__ import annotations

import re
from typing import Any

from mmdata.io.jsontext import oddities

_INEXACT = {
    "big-int": "a number beyond 64 bits",
    "non-finite": "NaN or Infinity, which JSON does not have",
    "lone-surrogate": "an escape that is no character",
    "duplicate-key": "a key twice in one object: one of the values would be lost",
}

_DIGITS = bytes(
    ord("0") if chr(c).isdigit() and c < 128 else ord("e") if c == ord("E") else c for c in range(256)
)
_LARGE = (b"0" * 18, b"0e000", b"0e+000")
_KEY_END = re.compile(rb'"\s*:')


def _plainly_exact(data: bytes, value: Any) -> bool:
    """Whether a parsed record surely says all that its text says: no huge number, and as many keys as colons."""
    digits = data.translate(_DIGITS)
    return not any(large in digits for large in _LARGE) and len(_KEY_END.findall(data)) == _keys(value)


def _keys(value: Any) -> int:
    if type(value) is dict:
        return len(value) + sum(_keys(item) for item in value.values() if type(item) in (dict, list))
    if type(value) is list:
        return sum(_keys(item) for item in value if type(item) in (dict, list))
    return 0


def inexactness(data: bytes, value: Any) -> tuple[str, str] | None:
    """What of a record would be lost by parsing it: a code and the reason; None for nothing.

    Args:
        data: the record.
        value: what `orjson` makes of it.
    """
    if _plainly_exact(data, value):
        return None
    found = (one.kind for one in oddities(data) if one.kind in _INEXACT)
    return next(((kind, _INEXACT[kind]) for kind in found), None)


__all__ = ["inexactness"]
