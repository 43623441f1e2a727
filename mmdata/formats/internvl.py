"""InternVL: JSON Lines of conversations with images, several images, video or text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmdata.format import Evidence, Format, Guess, MediaRef, Speaker
from mmdata.formats._shared.evidence import says, speaks, weigh
from mmdata.formats._shared.media import refs


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
    return found or ([r for r in refs(record, "video", "video") if r.pointer == "/video"] if not record.get("image") else [])


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
            (lambda r: any(k in r for k in ("polygons", "segmentation", "annotation", "masks")), -0.5, "masks, which it does not read"),
            (lambda r: says(r, "[SEG]", "<ImageHere>", "<region>"), -0.4, "another trainer's placeholders"),
        ],
        {"jsonl": 0.4, "array": -0.2},
    )


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
    paths="below the meta file's root",
)
