"""GeoPixel: conversations with masks as targets, polygons in a file beside or RLE inline."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from mmdata.errors import DataError
from mmdata.format import Evidence, Format, Guess, MediaRef, Speaker
from mmdata.formats._shared import decode
from mmdata.formats._shared.evidence import says, weigh
from mmdata.formats._shared.media import refs
from schemas.sample import (
    Media,
    MediaPart,
    Origin,
    Part,
    PhrasePart,
    PolygonMask,
    RLEMask,
    Sample,
    SampleObject,
)


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
    return refs(record, "image", "image") + [
        r for r in refs(record, "polygons", "sidecar") if r.pointer == "/polygons"
    ]


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
    return (
        isinstance(value, dict) and isinstance(value.get("polygons"), list) and "conversations" not in value
    )


_IMAGE = re.compile(re.escape("<ImageHere>"))
_MASK = re.compile(r"(?:<p>(?P<phrase>.*?)</p>(?P<gap>\s*))?\[SEG\]", re.DOTALL)


def to_sample(record: Mapping[str, Any], origin: Origin) -> Sample:
    """Decode a record: mask k belongs to the k-th ``[SEG]``; polygons stay a reference into their file.

    Raises:
        DataError: turns, masks or placeholders are not as the loader takes them.
    """
    images = refs(record, "image", "image")
    objects = (
        [SampleObject({"": _rle(m, origin, k)}) for k, m in enumerate(record.get("segmentation") or ())]
        if kind(record) == "segmentation"
        else []
    )
    sample = Sample(
        turns=[],
        media=[Media("image", [ref.path]) for ref in images],
        objects=objects,
        id=record.get("id"),
        extras=decode.extras(record, "image", "polygons", "segmentation"),
        origin=origin,
    )
    seen = masks = 0

    def image(_match: re.Match[str]) -> Part | None:
        nonlocal seen
        seen += 1
        return MediaPart(seen - 1) if seen <= len(images) else None

    def grounded(match: re.Match[str]) -> Part:
        nonlocal masks
        masks += 1
        if kind(record) == "polygons":
            sample.objects.append(
                SampleObject({"": PolygonMask(None, "opencv", record["polygons"], masks - 1)})
            )
        return PhrasePart(match["phrase"], [masks - 1], match["gap"] if match["gap"] is not None else "")

    for turn, text in decode.turns(record, speaker, origin):
        turn.parts = (
            decode.split(text, _IMAGE, image) if turn.role == "user" else decode.split(text, _MASK, grounded)
        )
        sample.turns.append(turn)
    if len(images) == 1 and seen == 0:
        decode.imply_media(sample)
    if kind(record) != "polygons":
        decode.expect(masks, len(objects), "[SEG] for masks", origin)
    return sample


def _rle(value: Any, origin: Origin, number: int) -> RLEMask:
    found = decode.mask(value, origin, f"mask {number}")
    if not isinstance(found, RLEMask):
        raise DataError(f"{decode.place(origin)}: mask {number} is no RLE")
    return found


FORMAT = Format(
    name="geopixel",
    title="GeoPixel (polygon and RLE records)",
    trainer="GeoPixel",
    container="array",
    record_type="schemas.geopixel:GeoPixelRecord",
    speaker=speaker,
    image_tag="<ImageHere>",
    user_markers=frozenset({"<ImageHere>"}),
    answer_markers=frozenset({"<p>", "</p>", "</p> [SEG]", "[SEG]"}),
    kind=kind,
    media=media,
    sniff=sniff,
    to_sample=to_sample,
    paths="from the working directory, polygon files too",
)
