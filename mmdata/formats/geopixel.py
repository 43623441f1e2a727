"""GeoPixel: conversations with masks as targets, polygons in a file beside or RLE inline."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mmdata.errors import DataError
from mmdata.format import Evidence, Format, Guess, MediaRef, Speaker
from mmdata.formats._shared import decode, encode
from mmdata.formats._shared.evidence import says, weigh
from mmdata.formats._shared.media import refs
from schemas.sample import (
    Media,
    MediaPart,
    Origin,
    Part,
    PhrasePart,
    PolygonMask,
    RegionPart,
    RLEMask,
    Sample,
    SampleObject,
    SampleTurn,
)

if TYPE_CHECKING:
    from mmdata.encoding import Encoding


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


_LITERALS = encode.markers("<ImageHere>", "[SEG]", "<p>", "</p>")


def from_sample(sample: Sample, enc: Encoding) -> dict[str, Any]:
    """Encode a record with its masks as rings in a polygon file beside it.

    Raises:
        CannotEncode: a video, or masks on one of several pictures.
    """
    return _encode(sample, enc, rle=False)


def from_sample_rle(sample: Sample, enc: Encoding) -> dict[str, Any]:
    """Encode a record with its masks as compressed RLE inline.

    Raises:
        CannotEncode: a video, or masks on one of several pictures.
    """
    return _encode(sample, enc, rle=True)


def _encode(sample: Sample, enc: Encoding, *, rle: bool) -> dict[str, Any]:
    from mmdata.encoding import CannotEncode

    encode.in_order(sample)
    paths = encode.pictures(sample, enc)
    groups: list[list[tuple[int, str]]] = []

    def write(part: MediaPart | RegionPart | PhrasePart, turn: SampleTurn) -> str:
        if isinstance(part, MediaPart):
            return "<ImageHere>"
        if isinstance(part, RegionPart):
            keys = [part.frame] if part.frame is not None else list(sample.objects[part.object].masks)
            return encode.coordinates(part.object, keys, enc)
        if turn.role == "user":
            boxes = [(k, frame) for k in part.objects for frame in sample.objects[k].masks]
            places = ", ".join(encode.coordinates(k, [frame], enc) for k, frame in boxes)
            return f"{part.text.strip()} {places}" if part.text else places
        groups.append([(k, frame) for k in part.objects for frame in sample.objects[k].masks])
        return "[SEG]" if part.text is None else f"<p> {part.text.strip()} </p> [SEG]"

    turns = encode.conversations(sample, enc, answer="bot", pattern=_LITERALS, write=write)
    body: dict[str, Any] = {}
    if paths:
        body["image"] = paths[0] if len(paths) == 1 else paths
    if groups:
        if len(paths) != 1:
            raise CannotEncode("G04", f"GeoPixel grounds in one picture, the record has {len(paths)}")
        body |= _rles(groups, enc) if rle else _polygons(groups, enc)
    body["conversations"] = turns
    encode.declared(sample, enc, target_reads=False)
    return encode.with_extras(sample, enc, body)


def _rles(groups: list[list[tuple[int, str]]], enc: Encoding) -> dict[str, Any]:
    from mmdata import masks

    found = []
    for group in groups:
        parts = [enc.rle(number, frame) for number, frame in group]
        found.append(parts[0] if len(parts) == 1 else dict(masks.union(parts)))
        enc.kept("masks")
    return {"segmentation": found}


def _polygons(groups: list[list[tuple[int, str]]], enc: Encoding) -> dict[str, Any]:
    from orjson import dumps

    found = []
    for group in groups:
        found.append([ring for number, frame in group for ring in enc.rings(number, frame, "opencv")])
        enc.kept("masks")
    return {"polygons": enc.sidecar(dumps({"polygons": found}), ".json")}


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
    from_sample=from_sample,
    variants={"geopixel-rle": from_sample_rle},
    paths="from the working directory, polygon files too",
)
