"""The ``data.txt`` of GeoPixel and XComposer: a path and a number a line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmdata.format import Evidence, Format, Guess, MediaRef


def sniff(evidence: Evidence) -> Guess:
    """Text whose lines are a path of a JSON file and a number."""
    if evidence.container != "lines":
        return Guess(0.0, ("not plain text",))
    try:
        text = evidence.head.decode("utf-8-sig")
    except UnicodeDecodeError:
        return Guess(0.0, ("not UTF-8 text",))
    lines = [
        line.split() for line in text.splitlines()[:200] if line.strip() and not line.lstrip().startswith("#")
    ]
    named = [words for words in lines if any(word.endswith(".json") for word in words)]
    share = len(named) / len(lines) if lines else 0.0
    return Guess(0.9 * share, (f"{len(named)} of {len(lines)} lines name a JSON file",))


def media(record: Mapping[str, Any]) -> list[MediaRef]:
    """None: the data sets are looked at on their own."""
    del record
    return []


FORMAT = Format(
    name="data-txt",
    title="data.txt of GeoPixel and XComposer (names its data sets)",
    trainer="GeoPixel, InternLM-XComposer",
    container="lines",
    record_type="schemas.mixture:DataTxtEntry",
    speaker=lambda _role: None,
    kind=lambda _record: "dataset",
    media=media,
    sniff=sniff,
    paths="from the working directory",
    mixture=True,
)
