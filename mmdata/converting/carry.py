"""The carry: one extra key in a converted record that holds what the target cannot say.

``record["mmdata_carry"]`` is a JSON string, so that loaders with typed columns see one more text column; no trainer
reads it. It holds::

    {"v": 1, "from": "geopixel", "digest": "…", "same": [[key, turn], …], "record": {…}, "files": {path: text}}

``record`` is the original record. A turn's text that stands in the converted record too is null there and listed in
``same`` (index of the original's turn, index of the converted turn). ``files`` holds the polygon files that the record
names. ``digest`` is of the converted record without the carry: `restore` gives the original back, key for key, while it
agrees. Where somebody has edited the converted record since, **the edit wins**: the record is decoded as it stands, and
`graft` takes from the carry only what the edit did not touch.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from schemas.sample import Sample

KEY = "mmdata_carry"
VERSION = 1

SPECIAL_KEYS = frozenset(
    ["__key__", "mmdata_members", "mmdata_names", "mmdata_file", "mmdata_faults", "mmdata_local"]
)
"""Keys of a record that say where in its container things lie, not what they are; a digest passes over them."""


@dataclass(slots=True)
class Carried:
    """What a carry holds.

    Attributes:
        source: format of the original record.
        record: the original record.
        files: path as the original wrote it -> content of a polygon file.
        intact: the converted record is as the conversion wrote it.
    """

    source: str
    record: dict[str, Any]
    files: dict[str, bytes]
    intact: bool


_IN_CONTAINER = re.compile(rb'"[^"\\]*?!//')


def digest(record: Mapping[str, Any]) -> str:
    """Digest of a record without its carry; the order of the keys does not count."""
    plain = {key: value for key, value in record.items() if key != KEY and key not in SPECIAL_KEYS}
    text = orjson.dumps(plain, option=orjson.OPT_SORT_KEYS)
    if _IN_CONTAINER.search(text):
        # Where the container lies is no part of what the record says.
        text = _IN_CONTAINER.sub(b'"!//', text)
    return hashlib.blake2b(text, digest_size=12).hexdigest()


def pack(
    source: str, original: Mapping[str, Any], converted: Mapping[str, Any], files: Mapping[str, bytes]
) -> str:
    """The carry of a converted record."""
    turns = original.get("conversations")
    now = [
        turn["value"] if isinstance(turn, dict) and isinstance(turn.get("value"), str) else None
        for turn in converted.get("conversations") or ()
    ]
    same: list[tuple[int, int]] = []
    record = dict(original)
    if isinstance(turns, list):
        short = []
        for number, turn in enumerate(turns):
            text = turn.get("value") if isinstance(turn, dict) else None
            # The turn at the same place, so that equal texts elsewhere change nothing.
            if isinstance(text, str) and text in now:
                there = number if number < len(now) and now[number] == text else now.index(text)
                same.append((number, there))
                turn = {**turn, "value": None}
            short.append(turn)
        record["conversations"] = short
    value: dict[str, Any] = {
        "v": VERSION,
        "from": source,
        "digest": digest(converted),
        "same": same,
        "record": record,
    }
    if files:
        value["files"] = {path: _text(content) for path, content in files.items()}
    return orjson.dumps(value).decode()


def resealed(text: str, converted: Mapping[str, Any]) -> str:
    """A carry whose digest is of `converted`: a writer of containers gave ids or names after it was packed."""
    value = orjson.loads(text)
    value["digest"] = digest(converted)
    return orjson.dumps(value).decode()


def unpack(record: Mapping[str, Any]) -> Carried | None:
    """What a record carries; None without a carry, or where it is not one of ours."""
    text = record.get(KEY)
    if not isinstance(text, str):
        return None
    try:
        value = orjson.loads(text)
        if value["v"] != VERSION:
            return None
        intact = value["digest"] == digest(record)
        original = value["record"]
        for number, there in value["same"] if intact else ():
            original["conversations"][number]["value"] = record["conversations"][there]["value"]
        files = {path: _bytes(content) for path, content in value.get("files", {}).items()}
        if not isinstance(original, dict) or not isinstance(value["from"], str):
            return None
        return Carried(value["from"], original, files, intact)
    except (orjson.JSONDecodeError, LookupError, TypeError, ValueError, AttributeError):
        return None


def graft(edited: Sample, carried: Carried) -> None:
    """Give an edited record back what its format could not show and nobody could have edited: id and unknown keys.

    Masks, text and media are the edited record's own.
    """
    from mmdata.formats._shared.encode import COLUMNS, RESERVED

    original = carried.record
    if edited.id is None:
        edited.id = original.get("id")
    for key, value in original.items():
        if key not in edited.extras and key not in RESERVED | COLUMNS:
            edited.extras[key] = value


def _text(content: bytes) -> Any:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(content).decode()}


def _bytes(value: Any) -> bytes:
    return base64.b64decode(value["base64"]) if isinstance(value, dict) else value.encode()
