"""InternVL: JSON Lines of conversations with images, several images, video or text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from mmdata.format import Evidence, Format, Guess, MediaRef, Speaker
from mmdata.formats._shared import decode
from mmdata.formats._shared.evidence import says, speaks, weigh
from mmdata.formats._shared.media import refs
from schemas.sample import Media, MediaPart, Origin, Part, Sample, TextPart


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


_TAG = re.compile(r"<image>|<video>(?=\n)")


def to_sample(record: Mapping[str, Any], origin: Origin) -> Sample:
    """Decode a record: the k-th ``<image>`` of the user turns is the k-th picture; further ones stay text.

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

    def take(match: re.Match[str]) -> Part | None:
        nonlocal seen
        if match[0] != wanted or seen >= len(found):
            return None
        seen += 1
        return MediaPart(seen - 1)

    for turn, text in decode.turns(record, speaker, origin):
        turn.parts = decode.split(text, _TAG, take) if turn.role == "user" else [TextPart(text)]
        sample.turns.append(turn)
    if len(found) == 1 and seen == 0:
        decode.imply_media(sample)
    else:
        decode.expect(seen, len(found), "<image> for pictures", origin)
    return sample


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
    answer_markers=frozenset({"<ref>", "</ref>"}),
    kind=kind,
    media=media,
    sniff=sniff,
    to_sample=to_sample,
    paths="below the meta file's root",
)
