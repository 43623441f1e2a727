"""What XComposer 2.5 and 2.0 share (``data_mix.py``)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mmdata.format import MediaRef, Speaker
from mmdata.formats._shared import decode, encode
from mmdata.formats._shared.media import refs
from schemas.sample import Media, MediaPart, Origin, Part, PhrasePart, RegionPart, Sample, SampleTurn

if TYPE_CHECKING:
    from mmdata.encoding import Encoding


def speaker(role: str) -> Speaker:
    """`human` and `user` in any case ask; every other word answers."""
    return "user" if role.lower() in ("human", "user") else "assistant"


def kind(record: Mapping[str, Any]) -> str:
    """The key decides, whatever it holds."""
    return "image" if "image" in record else "text"


def media(record: Mapping[str, Any]) -> list[MediaRef]:
    """The pictures."""
    return refs(record, "image", "image")


_IMAGE = re.compile(re.escape("<ImageHere>"))


def to_sample(record: Mapping[str, Any], origin: Origin) -> Sample:
    """Decode a record: the k-th ``<ImageHere>``, over all turns, is the k-th picture.

    Raises:
        DataError: turns or placeholders are not as the loader takes them.
    """
    images = media(record)
    sample = Sample(
        turns=[],
        media=[Media("image", [ref.path]) for ref in images],
        id=record.get("id"),
        extras=decode.extras(record, "image"),
        origin=origin,
    )
    seen = 0

    def image(_match: re.Match[str]) -> Part:
        nonlocal seen
        seen += 1
        return MediaPart(seen - 1)

    for turn, text in decode.turns(record, speaker, origin):
        turn.parts = decode.split(text, _IMAGE, image)
        sample.turns.append(turn)
    if len(images) == 1 and seen == 0:
        decode.imply_media(sample)
    else:
        decode.expect(seen, len(images), "<ImageHere> for pictures", origin)
    return sample


_LITERALS = encode.markers("<ImageHere>")


def from_sample(sample: Sample, enc: Encoding) -> dict[str, Any]:
    """Encode a record: phrases stand alone, region prompts become boxes in plain text.

    Raises:
        CannotEncode: the sample has a video.
    """
    encode.in_order(sample)
    paths = encode.pictures(sample, enc)
    body: dict[str, Any] = {}
    if paths:
        body["image"] = paths[0] if len(paths) == 1 and enc.target == "xcomposer" else paths

    def write(part: MediaPart | RegionPart | PhrasePart, _turn: SampleTurn) -> str:
        if isinstance(part, MediaPart):
            return "<ImageHere>"
        if isinstance(part, RegionPart):
            keys = [part.frame] if part.frame is not None else list(sample.objects[part.object].masks)
            return encode.coordinates(part.object, keys, enc)
        return encode.phrase_alone(part, enc)

    body["conversations"] = encode.conversations(sample, enc, answer="bot", pattern=_LITERALS, write=write)
    encode.declared(sample, enc, target_reads=False)
    return encode.with_extras(sample, enc, body)
