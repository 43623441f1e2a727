"""JSON that every parser takes, whatever the data held."""

from __future__ import annotations

from typing import Any

import orjson


def dumps(value: Any, *, pretty: bool = False) -> str:
    """The JSON text of plain dicts, lists and scalars.

    Half a surrogate pair, which Python's strings may hold and UTF-8 may not, is written as the text of its escape.
    """
    option = orjson.OPT_INDENT_2 if pretty else 0
    try:
        return orjson.dumps(value, option=option).decode()
    except orjson.JSONEncodeError:
        return orjson.dumps(_encodable(value), option=option).decode()


def _encodable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {_encodable(key): _encodable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_encodable(item) for item in value]
    return value
