"""Files that are no data set of the trainers, recognised so that an error can say what they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmdata.format import Evidence


def what_is(evidence: Evidence) -> str | None:
    """What a file of no known format looks like, in words for a person; None where it looks like nothing known."""
    if evidence.container == "empty":
        return "the file is empty"
    first = next((r for r in evidence.records if isinstance(r, dict)), None)
    if first is None:
        return "no record" if evidence.container in ("array", "jsonl") else None
    if isinstance(first.get("polygons"), list) and "conversations" not in first:
        return "a GeoPixel polygon file, which is read through the record that names it"
    if {"images", "annotations"} <= first.keys():
        return "COCO annotations"
    if {"image_id", "segmentation"} <= first.keys() or {"image_id", "bbox"} <= first.keys():
        return "COCO results"
    if _has_messages(first):
        return "messages of `role` and `content`, as LLaMA-Factory, ms-swift and OpenAI have them"
    return None


def _has_messages(record: Mapping[str, Any]) -> bool:
    messages = record.get("messages", record.get("conversations"))
    return isinstance(messages, list) and any(
        isinstance(m, dict) and "role" in m and "content" in m for m in messages
    )
