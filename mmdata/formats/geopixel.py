"""GeoPixel: conversations with masks as targets, polygons in a file beside or RLE inline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmdata.format import Evidence, Format, Guess, MediaRef, Speaker
from mmdata.formats._shared.evidence import says, weigh
from mmdata.formats._shared.media import refs


def speaker(role: str) -> Speaker:
    """`human` and `user` in any case ask; every other word answers (``data_mix.py``)."""
    return "user" if role.lower() in ("human", "user") else "assistant"


def kind(record: Mapping[str, Any]) -> str:
    """Which branch of the loader takes the record; polygons win over RLE."""
    if "image" not in record:
        return "text"
    return "polygons" if "polygons" in record else "segmentation" if "segmentation" in record else "image"


def media(record: Mapping[str, Any]) -> list[MediaRef]:
    """The picture and the polygon file."""
    return refs(record, "image", "image") + [r for r in refs(record, "polygons", "sidecar") if r.pointer == "/polygons"]


def sniff(evidence: Evidence) -> Guess:
    """Mask keys and mask tokens speak for it."""
    if evidence.container == "object" and evidence.records and _is_sidecar(evidence.records[0]):
        return Guess(0.0, ("a GeoPixel polygon file: it is read through the record that names it",))
    return weigh(
        evidence,
        0.2,
        [
            (lambda r: isinstance(r.get("polygons"), str), 0.7, "`polygons` names a file"),
            (lambda r: "segmentation" in r, 0.7, "`segmentation` holds masks"),
            (lambda r: "polygon" in r or "mask" in r, 0.4, "`polygon` or `mask`, as the guide has it"),
            (lambda r: says(r, "[SEG]"), 0.5, "[SEG] in the answers"),
            (lambda r: "annotation" in r or "masks" in r, -0.3, "regions as VideoRefer has them"),
            (lambda r: says(r, "<region>"), -0.3, "<region> in the questions"),
        ],
        {"jsonl": -0.1},
    )


def _is_sidecar(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("polygons"), list) and "conversations" not in value


FORMAT = Format(
    name="geopixel",
    title="GeoPixel (polygon and RLE records)",
    trainer="GeoPixel",
    container="array",
    record_type="schemas.geopixel:GeoPixelRecord",
    speaker=speaker,
    image_tag="<ImageHere>",
    user_markers=frozenset({"<ImageHere>"}),
    answer_markers=frozenset({"<p>", "</p>", "[SEG]"}),
    kind=kind,
    media=media,
    sniff=sniff,
    paths="from the working directory, polygon files too",
)
