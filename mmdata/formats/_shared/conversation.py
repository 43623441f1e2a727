"""Conversations in LLaVA's words with InternVL's boxes, as the formats of Parquet files and tar shards share them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from mmdata.format import Evidence, Format, Guess, MediaRef, Speaker
from mmdata.formats._shared import decode, encode, spans
from mmdata.formats._shared.media import refs
from schemas.sample import (
    Media,
    MediaPart,
    Origin,
    Part,
    PhrasePart,
    RegionPart,
    RLEMask,
    Sample,
    SampleObject,
    SampleTurn,
    TextPart,
)

if TYPE_CHECKING:
    from mmdata.encoding import Encoding

KEYS = ("image", "images", "video", "videos", "masks")

_ROLES: Mapping[str, Speaker] = {
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "bot": "assistant",
    "system": "system",
}


def speaker(role: str) -> Speaker | None:
    """LLaVA's words, and those that its kin use."""
    return _ROLES.get(role)


def media(record: Mapping[str, Any]) -> list[MediaRef]:
    """The pictures, then the videos."""
    pictures = refs(record, "image", "image") + refs(record, "images", "image")
    return pictures + refs(record, "video", "video") + refs(record, "videos", "video")


def kind(record: Mapping[str, Any]) -> str:
    """What the record shows."""
    found = [ref.kind for ref in media(record)]
    if "video" in found:
        return "video"
    return "text" if not found else "image" if len(found) == 1 else "multi-image"


_TAG = re.compile(rf"<image>|<video>|{spans.BOX}")


def to_sample(record: Mapping[str, Any], origin: Origin) -> Sample:
    """Decode a record: the k-th ``<image>`` of the user turns is the k-th picture, a ``<video>`` the next video.

    ``<ref>phrase</ref><box>[[x1,y1,x2,y2]]</box>`` in an answer about one picture is a phrase with an object a box;
    `masks` has the mask of each box in order.

    Raises:
        DataError: turns, placeholders or masks do not fit.
    """
    from mmdata.encoding import CannotEncode

    if record.get("mmdata_faults"):
        raise CannotEncode("W01", "; ".join(map(str, record["mmdata_faults"])))
    files = media(record)
    pictures = [ref.path for ref in files if ref.kind == "image"]
    videos = [ref.path for ref in files if ref.kind == "video"]
    sample = Sample(
        turns=[],
        media=[Media("image", [path]) for path in pictures] + [Media("video", [path]) for path in videos],
        id=record.get("id"),
        extras=decode.extras(record, *KEYS),
        origin=origin,
    )
    masks = _masks(record, origin)
    seen = {"<image>": 0, "<video>": 0}
    limits = {"<image>": len(pictures), "<video>": len(videos)}
    one_picture = len(pictures) == 1 and not videos

    def take(match: re.Match[str]) -> Part | None:
        if match["boxes"] is not None:
            return grounded(match)
        word = match[0]
        if seen[word] >= limits[word]:
            return None
        seen[word] += 1
        return MediaPart(seen[word] - 1 + (len(pictures) if word == "<video>" else 0))

    def grounded(match: re.Match[str]) -> Part | None:
        part = spans.phrase(match, sample) if one_picture else None
        if part is not None and masks is not None:
            for number in part.objects:
                mask = masks[number] if number < len(masks) else None
                if mask is not None:
                    sample.objects[number] = SampleObject({"": mask})
        return part

    for turn, text in decode.turns(record, speaker, origin):
        if turn.role == "user":
            turn.parts = decode.split(text, _TAG, take)
        else:
            answers = turn.role == "assistant" and "<box>" in text
            turn.parts = decode.split(text, spans.GROUNDED, grounded) if answers else [TextPart(text)]
        sample.turns.append(turn)
    if len(files) == 1 and not any(seen.values()):
        decode.imply_media(sample)
    else:
        decode.expect(seen["<image>"], len(pictures), "<image> for pictures", origin)
        decode.expect(seen["<video>"], len(videos), "<video> for videos", origin)
    if masks is not None:
        decode.expect(len(sample.objects), len(masks), "boxes for masks", origin)
    return sample


def _masks(record: Mapping[str, Any], origin: Origin) -> list[RLEMask | None] | None:
    value = record.get("masks")
    if not isinstance(value, list):
        return None
    found: list[RLEMask | None] = []
    for number, one in enumerate(value):
        mask = decode.mask(one, origin, f"mask {number}")
        found.append(mask if isinstance(mask, RLEMask) else None)
    return found


_LITERALS = encode.markers("<image>", "<video>", "<ref>", "</ref>", "<box>", "</box>")


def from_sample(sample: Sample, enc: Encoding) -> dict[str, Any]:
    """Encode a record: pictures under `images`, videos under `videos`, masks as boxes in the text and RLE under `masks`.

    Raises:
        CannotEncode: placeholders do not name the media in order.
    """
    from mmdata.encoding import CannotEncode

    order = [p.media for turn in sample.turns for p in turn.parts if isinstance(p, MediaPart)]
    for word in ("image", "video"):
        wanted = [k for k, one in enumerate(sample.media) if (one.kind == "image") == (word == "image")]
        named = [k for k in order if k in wanted]
        if named != wanted:
            raise CannotEncode("placeholders", f"placeholders name the {word}s {named} of {wanted}")
    body: dict[str, Any] = {}
    pictures = [enc.path(one.paths[0]) for one in sample.media if one.kind == "image"]
    videos: list[str] = []
    for one in sample.media:
        if one.kind == "frames":
            if len(sample.media) > 1 or any(frame for o in sample.objects for frame in o.masks):
                raise CannotEncode("frames", "a list of frames with regions, or beside other media")
            pictures = [enc.path(path) for path in one.paths]
            enc.approximated("media", "the video's frames as several pictures")
        elif one.kind == "video":
            videos.append(enc.path(one.paths[0]))
    if pictures:
        body["images"] = pictures
    if videos:
        body["videos"] = videos
    if sample.media:
        enc.kept("media")
    masks: list[dict[str, Any] | None] = []

    def write(part: MediaPart | RegionPart | PhrasePart, turn: SampleTurn) -> str:
        if isinstance(part, MediaPart):
            if turn.role != "user" or encode.is_system(turn):
                raise CannotEncode("placeholders", "a picture outside the user turns")
            one = sample.media[part.media]
            tag = "<video>" if one.kind == "video" else "<image>" * len(one.paths)
            return f"{tag}\n" if part.implied else tag
        if isinstance(part, RegionPart):
            keys = [part.frame] if part.frame is not None else list(sample.objects[part.object].masks)
            return encode.coordinates(part.object, keys, enc)
        if turn.role != "assistant" or len(sample.media) != 1 or sample.media[0].kind != "image":
            return encode.phrase_alone(part, enc)
        return _span(part, enc, masks)

    body["conversations"] = encode.conversations(
        sample, enc, answer="gpt", pattern=_LITERALS, write=write, system=True
    )
    if any(one is not None for one in masks):
        body["masks"] = masks
    encode.declared(sample, enc, target_reads=False)
    return encode.with_extras(sample, enc, body)


def _span(part: PhrasePart, enc: Encoding, masks: list[dict[str, Any] | None]) -> str:
    """A phrase with its boxes; the masks behind them go to `masks`."""
    found = []
    for number in part.objects:
        box, error = enc.permille(number)
        if box is None:
            enc.lost("masks", "an empty mask has no box")
            continue
        if box[0] >= box[2] or box[1] >= box[3]:
            # A sliver has a box of no extent in 0-1000, which no reader takes.
            box = [
                min(box[0], 999),
                min(box[1], 999),
                max(box[2], min(box[0], 999) + 1),
                max(box[3], min(box[1], 999) + 1),
            ]
            enc.approximated("boxes", "widened to one in 0-1000")
        if error is None:
            masks.append(None)
            enc.kept("boxes")
        else:
            masks.append(enc.rle(number))
            enc.kept("masks")
        found.append("[" + ",".join(map(str, box)) + "]")
    phrase = None if part.text is None else part.text.strip()
    if not found:
        return phrase or ""
    text = "" if phrase is None else f"<ref>{phrase}</ref>"
    return f"{text}<box>[{','.join(found)}]</box>"


def sniff(container: str, what: str, evidence: Evidence) -> Guess:
    """The container says it."""
    if evidence.container != container:
        return Guess(0.0, (f"no {what}",))
    return Guess(0.95, (f"a {what}",))


def packed_in(
    container: str,
    *,
    what: str,
    title: str,
    trainer: str,
    paths: str,
    from_sample: Callable[[Sample, Encoding], dict[str, Any]] = from_sample,
) -> Format:
    """The format of such conversations in a container of its own name.

    Args:
        container: its name and the format's.
        what: a file of it, in words.
        title: see `Format`.
        trainer: likewise.
        paths: likewise.
        from_sample: where the container wants more of a record than this module's.
    """
    return Format(
        name=container,
        title=title,
        trainer=trainer,
        container=container,
        record_type="schemas.conversation:ConversationRecord",
        speaker=speaker,
        image_tag="<image>",
        video_tag="<video>",
        user_markers=frozenset({"<image>", "<video>"}),
        answer_markers=frozenset({"<ref>", "</ref>"}),
        kind=kind,
        media=media,
        sniff=partial(sniff, container, what),
        to_sample=to_sample,
        from_sample=from_sample,
        paths=paths,
    )
