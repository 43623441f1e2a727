"""References to media in the ``image`` and ``video`` keys, tolerant of any type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmdata.format import MediaKind, MediaRef


def refs(record: Mapping[str, Any], key: str, kind: MediaKind) -> list[MediaRef]:
    """The file or files under a key: a string, or a list of strings; empty strings name no file."""
    value = record.get(key)
    if isinstance(value, str):
        return [MediaRef(kind, value, f"/{key}")] if value else []
    if isinstance(value, list):
        return [
            MediaRef(kind, item, f"/{key}/{i}")
            for i, item in enumerate(value)
            if isinstance(item, str) and item
        ]
    return []
