"""Counting cues in the evidence of detection, tolerant of any record."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from mmdata.format import Evidence, Guess

Cue = tuple[Callable[[Mapping[str, Any]], bool], float, str]
"""(test on a record, weight, reason): a positive weight speaks for the format, a negative one against it."""


def records(evidence: Evidence) -> list[Mapping[str, Any]]:
    """The records that are objects."""
    return [r for r in evidence.records if isinstance(r, dict)]


def turns(record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(role, text) of every well-formed turn."""
    entries = record.get("conversations", record.get("conversation"))
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict):
            role, text = entry.get("from"), entry.get("value")
            yield role if isinstance(role, str) else "", text if isinstance(text, str) else ""


def says(record: Mapping[str, Any], *markers: str) -> bool:
    """Whether some turn holds one of the markers."""
    return any(marker in text for _, text in turns(record) for marker in markers)


def speaks(record: Mapping[str, Any], *roles: str) -> bool:
    """Whether some turn has one of the role words."""
    return any(role in roles for role, _ in turns(record))


def has_turns(record: Mapping[str, Any]) -> bool:
    """Whether the record has conversations in the from/value manner, however damaged."""
    entries = record.get("conversations", record.get("conversation"))
    return isinstance(entries, list) and any(
        isinstance(e, dict) and ("from" in e or "value" in e) for e in entries
    )


def weigh(
    evidence: Evidence,
    base: float,
    cues: list[Cue],
    container: dict[str, float] | None = None,
    *,
    speaking: tuple[Callable[[Mapping[str, Any]], bool], str] = (
        has_turns,
        "`conversations` of `from` and `value`",
    ),
) -> Guess:
    """Confidence from the share of records that show each cue.

    Args:
        evidence: what is known of the file.
        base: confidence of a file of records with conversations and no cue at all.
        cues: what speaks for and against; each counts by the share of records that show it.
        container: container -> what it adds.
        speaking: test for the turns without which a record is none of the format's, and what they are called.
    """
    found = records(evidence)
    has_any, what = speaking
    if not any(map(has_any, found)):
        return Guess(0.0, (f"no record with {what}",))
    confidence = base
    reasons = []
    for test, weight, reason in cues:
        share = sum(map(test, found)) / len(found)
        if share:
            confidence += weight * (1.0 if share > 0.5 else 0.5 + share)
            reasons.append(f"{reason} ({share:.0%} of records)" if share < 1 else reason)
    if container and evidence.container in container:
        confidence += container[evidence.container]
        reasons.append(f"the file is {_CONTAINERS.get(evidence.container, evidence.container)}")
    return Guess(max(0.0, min(1.0, confidence)), tuple(reasons))


_CONTAINERS = {"array": "a JSON array", "jsonl": "JSON Lines", "object": "one JSON object"}
