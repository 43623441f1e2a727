"""What the formats share that name pictures and videos in the text by ``<image>`` and ``<video>``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from mmdata.encoding import CannotEncode, Encoding
from mmdata.formats._shared import decode, encode, spans
from schemas.sample import Media, MediaPart, Part, PhrasePart, RegionPart, Sample, SampleTurn

_TAG = re.compile(r"<image>|<video>|" + spans.BOX)
LITERALS = encode.markers("<image>", "<video>", "<audio>", *spans.TAGS)
"""What must not stand in the plain text of these formats."""


def fill(sample: Sample, turns: Iterable[tuple[SampleTurn, str]], media: Mapping[str, list[Media]]) -> None:
    """Give a sample its turns and its media, which are numbered in the order of their tags.

    InternVL's grounded spans in answers about one picture become phrases.

    Args:
        sample: gets `turns`, `media` and `objects`.
        turns: each turn without parts yet, and its text.
        media: tag -> what its first, second … occurrence over all turns stands for.

    Raises:
        DataError: more or fewer tags than media.
    """
    assert sample.origin is not None
    queues = {tag: iter(found) for tag, found in media.items()}
    counts = dict.fromkeys(media, 0)
    every = [one for found in media.values() for one in found]
    one_picture = len(every) == 1 and every[0].kind == "image"

    def take(match: re.Match[str]) -> Part | None:
        if match["boxes"] is not None:
            grounds = one_picture and sample.turns[-1].role == "assistant"
            return spans.phrase(match, sample) if grounds else None
        if match[0] not in queues:
            return None
        counts[match[0]] += 1
        one = next(queues[match[0]], None)
        if one is None:
            return None
        sample.media.append(one)
        return MediaPart(len(sample.media) - 1)

    for turn, text in turns:
        sample.turns.append(turn)
        turn.parts = decode.split(text, _TAG, take)
    for tag, found in media.items():
        decode.expect(counts[tag], len(found), f"{tag} for its media, of which there are", sample.origin)


def in_text(part: MediaPart | RegionPart | PhrasePart, sample: Sample, enc: Encoding) -> str:
    """The text of a placeholder: ``<image>`` or ``<video>``; grounded phrases and regions as InternVL writes them."""
    if isinstance(part, MediaPart):
        one = sample.media[part.media]
        tag = "<image>" if one.kind == "image" else "<video>"
        return f"{tag}\n" if part.implied else tag
    video = bool(sample.media) and sample.media[0].kind != "image"
    if isinstance(part, RegionPart):
        keys = [part.frame] if part.frame is not None else list(sample.objects[part.object].masks)
        if video:
            return encode.coordinates(part.object, keys, enc)
        return spans.span("region", [(part.object, key) for key in keys], enc)
    if video:
        return encode.phrase_alone(part, enc)
    return spans.span(part.text, [(k, key) for k in part.objects for key in sample.objects[k].masks], enc)


def one_video_or_pictures(sample: Sample) -> None:
    """Refuse what a loader with one key for pictures and one for a video cannot say.

    Raises:
        CannotEncode: several videos, or pictures beside a video.
    """
    if len(sample.media) > 1 and any(one.kind != "image" for one in sample.media):
        raise CannotEncode("several-videos", "one video a record, and no pictures beside it")
