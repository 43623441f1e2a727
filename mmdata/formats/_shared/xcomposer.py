"""What XComposer 2.5 and 2.0 share (``data_mix.py``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmdata.format import MediaRef, Speaker
from mmdata.formats._shared.media import refs


def speaker(role: str) -> Speaker:
    """`human` and `user` in any case ask; every other word answers."""
    return "user" if role.lower() in ("human", "user") else "assistant"


def kind(record: Mapping[str, Any]) -> str:
    """The key decides, whatever it holds."""
    return "image" if "image" in record else "text"


def media(record: Mapping[str, Any]) -> list[MediaRef]:
    """The pictures."""
    return refs(record, "image", "image")
