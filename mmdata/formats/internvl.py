"""InternVL: JSON Lines of conversations with images, several images, video or text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mmdata.format import Evidence, Format, Guess, MediaRef, Speaker
from mmdata.formats._shared import decode, encode, spans
from mmdata.formats._shared.evidence import says, speaks, weigh
from mmdata.formats._shared.media import refs
from schemas.sample import (
    Media,
    MediaPart,
    Origin,
    Part,
    PhrasePart,
    RegionPart,
    Sample,
    SampleTurn,
    TextPart,
)

if TYPE_CHECKING:
    from mmdata.encoding import Encoding


def speaker(role: str) -> Speaker | None:
    """`human` asks, `gpt` answers, `system` instructs; another word is a KeyError."""
    return {"human": "user", "gpt": "assistant", "system": "system"}.get(role)  # type: ignore[return-value]


def kind(record: Mapping[str, Any]) -> str:
    """Which branch of the loader takes the record; an empty `image` falls to video or text."""
    image = record.get("image")
    if isinstance(image, (str, list)) and image:
        return "multi-image" if isinstance(image, list) else "image"
    video = record.get("video")
    return "video" if isinstance(video, str) and video else "text"


def media(record: Mapping[str, Any]) -> list[MediaRef]:
    """The pictures, or else the video."""
    found = refs(record, "image", "image")
    return found or (
        [r for r in refs(record, "video", "video") if r.pointer == "/video"]
        if not record.get("image")
        else []
    )


def sniff(evidence: Evidence) -> Guess:
    """JSON Lines with the roles `human` and `gpt` speak for it."""
    return weigh(
        evidence,
        0.2,
        [
            (lambda r: speaks(r, "gpt") and speaks(r, "human"), 0.2, "the roles `human` and `gpt`"),
            (lambda r: says(r, "<image>", "<video>"), 0.1, "<image> or <video> in the text"),
            (lambda r: says(r, "<ref>", "<box>"), 0.2, "<ref> or <box> in the text"),
            (lambda r: "width_list" in r or "height_list" in r or "clip" in r, 0.1, "`width_list` or `clip`"),
            (
                lambda r: any(k in r for k in ("polygons", "segmentation", "annotation", "masks")),
                -0.5,
                "masks, which it does not read",
            ),
            (lambda r: says(r, "[SEG]", "<ImageHere>", "<region>"), -0.4, "another trainer's placeholders"),
        ],
        {"jsonl": 0.4, "object": 0.4, "array": -0.2},
    )


_TAG = re.compile(r"<image>|<video>(?=\n)|" + spans.BOX)
_GROUNDED = spans.GROUNDED


def to_sample(record: Mapping[str, Any], origin: Origin) -> Sample:
    """Decode a record: the k-th ``<image>`` of the user turns is the k-th picture; further ones stay text.

    ``<ref>phrase</ref><box>[[x1,y1,x2,y2]]</box>`` of a record with one picture is a phrase with an object a box.

    Raises:
        DataError: turns or placeholders are not as the loader takes them.
    """
    files = media(record)
    clip = record.get("clip")
    found = [
        Media(
            "image" if ref.kind == "image" else "video",
            [ref.path],
            clip=(clip[0], clip[1]) if isinstance(clip, list) and len(clip) == 2 else None,
        )
        for ref in files
    ]
    known = {ref.pointer.split("/")[1] for ref in files} | ({"clip"} if found and found[0].clip else set())
    sample = Sample(
        turns=[], media=found, id=record.get("id"), extras=decode.extras(record, *known), origin=origin
    )
    wanted = "<video>" if found and found[0].kind == "video" else "<image>"
    seen = 0

    def grounded(match: re.Match[str]) -> Part | None:
        return spans.phrase(match, sample) if len(found) == 1 and found[0].kind == "image" else None

    def take(match: re.Match[str]) -> Part | None:
        nonlocal seen
        if match["boxes"] is not None:
            return grounded(match)
        if match[0] != wanted or seen >= len(found):
            return None
        seen += 1
        return MediaPart(seen - 1)

    for turn, text in decode.turns(record, speaker, origin):
        if turn.role == "user":
            turn.parts = decode.split(text, _TAG, take)
        else:
            answers = turn.role == "assistant" and "<box>" in text
            turn.parts = decode.split(text, _GROUNDED, grounded) if answers else [TextPart(text)]
        sample.turns.append(turn)
    if len(found) == 1 and seen == 0:
        decode.imply_media(sample)
    else:
        decode.expect(seen, len(found), "<image> for pictures", origin)
    return sample


_LITERALS = encode.markers("<image>", "<video>", *spans.TAGS)


def from_sample(sample: Sample, enc: Encoding) -> dict[str, Any]:
    """Encode a record: masks become boxes of 0-1000, regions of a video its frames as several pictures.

    Raises:
        CannotEncode: media in an answer, or regions on frames that lie inside a video file.
    """
    from mmdata.encoding import CannotEncode

    encode.in_order(sample)
    frames = _frames(sample, enc)
    body: dict[str, Any] = {}
    video = sample.media[0] if sample.media and sample.media[0].kind != "image" else None
    if frames is not None:
        body["image"] = [enc.path(path) for path in frames.values()]
    elif video is not None:
        if len(sample.media) > 1:
            raise CannotEncode(
                "several-videos", "InternVL takes one video a record, and no pictures beside it"
            )
        body["video"] = enc.path(video.paths[0])
        if video.clip is not None:
            body["clip"] = list(video.clip)
            enc.kept("clip")
        enc.kept("media")
    else:
        paths = encode.pictures(sample, enc)
        if paths:
            body["image"] = paths[0] if len(paths) == 1 else paths
    places = {key: number + 1 for number, key in enumerate(frames or ())}

    def write(part: MediaPart | RegionPart | PhrasePart, turn: SampleTurn) -> str:
        if isinstance(part, MediaPart):
            if turn.role != "user" or encode.is_system(turn):
                raise CannotEncode("I07", "a picture outside the user turns")
            if frames is not None:
                return "".join(f"Frame-{number}: <image>\n" for number in places.values())
            if video is not None:
                return "<video>\n"
            return "<image>\n" if part.implied else "<image>"
        if isinstance(part, RegionPart):
            one = sample.objects[part.object]
            keys = [part.frame] if part.frame is not None else list(one.masks)
            return ", ".join(
                spans.span(
                    f"region in Frame-{places[key]}" if key in places else "region", [(part.object, key)], enc
                )
                for key in keys
            )
        keyed = [(k, frame) for k in part.objects for frame in sample.objects[k].masks]
        return spans.span(part.text, keyed, enc)

    body["conversations"] = encode.conversations(
        sample,
        enc,
        answer="gpt",
        pattern=_LITERALS,
        write=write,
        # A single picture or video is looked for in turn 0, which then must be the user's.
        system=enc.options.template == "internvl2_5"
        and not isinstance(body.get("image", body.get("video")), str),
    )
    encode.declared(sample, enc, target_reads=False)
    return encode.with_extras(sample, enc, body)


def _frames(sample: Sample, enc: Encoding) -> dict[str, str] | None:
    """Frame key -> picture, of the frames that regions name, or all of a list; None where there is no need of them."""
    import os

    from mmdata.encoding import CannotEncode

    video = sample.media[0] if len(sample.media) == 1 and sample.media[0].kind != "image" else None
    if video is None:
        return None
    named = {frame for one in sample.objects for frame in one.masks}
    if video.kind == "frames":
        files = video.paths
    elif not named:
        return None
    else:
        folder = enc.locate(video.paths[0])
        if not os.path.isdir(folder):
            raise CannotEncode(
                "video-frames",
                f"the regions are on frames inside {video.paths[0]}; InternVL draws frames by chance: "
                "extract the frames into a folder",
            )
        files = [os.path.join(video.paths[0], name) for name in sorted(os.listdir(folder))]
    try:
        picked = sorted({int(key) for key in named}) if named else list(range(len(files)))
        result = {str(k): files[k] for k in picked if k >= 0}
        if named and set(result) != named:
            raise IndexError
    except (ValueError, IndexError):
        raise CannotEncode("V06", f"frame keys {sorted(named)} of {len(files)} frames") from None
    enc.approximated("media", "the video's frames as several pictures")
    return result


FORMAT = Format(
    name="internvl",
    title="InternVL (image, multi-image, video, text)",
    trainer="InternVL",
    container="jsonl",
    record_type="schemas.internvl:InternVLRecord",
    speaker=speaker,
    image_tag="<image>",
    video_tag="<video>",
    user_markers=frozenset({"<image>", "<video>"}),
    answer_markers=frozenset({"<ref>", "</ref>", "<box>", "</box>"}),
    kind=kind,
    media=media,
    sniff=sniff,
    to_sample=to_sample,
    from_sample=from_sample,
    paths="below the meta file's root",
)
