"""Values inside records: by name or JSON pointer, and as canonical text for comparison."""

from __future__ import annotations

import json
from typing import Any

import orjson

ABSENT = object()
"""No such field."""


def lookup(value: Any, field: str) -> Any:
    """The value at a JSON pointer (``/a/0``) or under a top-level key (``a``); `ABSENT` where nothing is."""
    if not field.startswith("/"):
        return value.get(field, ABSENT) if isinstance(value, dict) else ABSENT
    for token in field[1:].split("/"):
        key = token.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict) and key in value:
            value = value[key]
        elif isinstance(value, list) and key.isascii() and key.isdigit() and int(key) < len(value):
            value = value[int(key)]
        else:
            return ABSENT
    return value


def canonical(value: Any) -> bytes:
    """A value as text that is equal exactly for equal JSON: keys sorted, no spaces; 1 and 1.0 differ, as in the file."""
    if value is ABSENT:
        return b""
    try:
        text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
        if b"null" not in text:
            return text
    except (TypeError, ValueError):  # integers beyond 64 bits and lone surrogates
        pass
    # orjson writes NaN as null; Python tells them apart. Equal values always take the same way.
    text_of = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text_of.encode("utf-8", "surrogatepass")


__all__ = ["ABSENT", "canonical", "lookup"]
