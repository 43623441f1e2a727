"""What XComposer 2.5 and 2.0 share (``data_mix.py``)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from mmdata.format import MediaRef, Speaker
from mmdata.formats._shared import decode
from mmdata.formats._shared.media import refs
from schemas.sample import Media, MediaPart, Origin, Part, Sample


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
