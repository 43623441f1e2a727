"""InternVL's meta file: one object, name -> data set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmdata.format import Evidence, Format, Guess, MediaRef

KEYS = frozenset({"root", "annotation", "data_augment", "repeat_time", "length"})


def sniff(evidence: Evidence) -> Guess:
    """An object whose values are objects with the loader's keys."""
    value = next((r for r in evidence.records if isinstance(r, dict)), None)
    if value is None:
        keys = sum(f'"{key}"'.encode() in evidence.head for key in KEYS)
        return Guess(0.7 if keys >= 3 else 0.0, (f"broken JSON with {keys} of the keys of a data set",))
    if evidence.container not in ("object", "jsonl") or len(evidence.records) > 1:
        return Guess(0.0, ("not one JSON object",))
    entries = [entry for entry in value.values() if isinstance(entry, dict)]
    found = {key for entry in entries for key in KEYS & set(entry)}
    if entries and {"annotation", "root"} & found:
        return Guess(0.95, (f"one object of {len(value)} data sets with {', '.join(sorted(found))}",))
    return Guess(0.0, ("no member with `root` and `annotation`",))


def media(record: Mapping[str, Any]) -> list[MediaRef]:
    """None: the data sets are looked at on their own."""
    del record
    return []


FORMAT = Format(
    name="internvl-meta",
    title="InternVL meta file (names its data sets)",
    trainer="InternVL",
    container="object",
    record_type="schemas.mixture:InternVLMetaEntry",
    speaker=lambda _role: None,
    kind=lambda _record: "dataset",
    media=media,
    sniff=sniff,
    paths="annotation files from the working directory, media below root",
    mixture=True,
)
