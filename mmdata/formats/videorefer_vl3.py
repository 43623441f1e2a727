"""VideoRefer's VideoLLaMA3 dialect: regions under ``masks``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmdata.format import Evidence, Format, Guess, MediaRef, Speaker
from mmdata.formats._shared.evidence import says, speaks, weigh
from mmdata.formats._shared.media import refs


def speaker(role: str) -> Speaker:
    """`human` asks; every other word answers, `system` too (``videorefer_videollama3/train.py``)."""
    return "user" if role == "human" else "assistant"


def kind(record: Mapping[str, Any]) -> str:
    """`image` wins over `video`."""
    return "image" if "image" in record else "video" if "video" in record else "text"


def media(record: Mapping[str, Any]) -> list[MediaRef]:
    """The pictures, or else the video; a list of several, or one with timestamps, is a list of frames."""
    if "image" in record:
        return refs(record, "image", "image")
    video = record.get("video")
    if isinstance(video, list) and (len(video) > 1 or "timestamps" in record):
        return refs(record, "video", "frames")
    return refs(record, "video", "video")


def sniff(evidence: Evidence) -> Guess:
    """``masks`` and video lists speak for it."""
    return weigh(
        evidence,
        0.2,
        [
            (lambda r: isinstance(r.get("masks"), list), 0.7, "`masks` holds regions"),
            (lambda r: isinstance(r.get("video"), list), 0.5, "`video` is a list"),
            (lambda r: "timestamps" in r or "masked_video" in r, 0.3, "`timestamps` or `masked_video`"),
            (lambda r: says(r, "<region>"), 0.2, "<region> in the questions"),
            (lambda r: says(r, "<image>", "<video>") and speaks(r, "human"), 0.4, "<image> or <video> with the roles `human` and `gpt`"),
            (lambda r: "annotation" in r, -0.5, "`annotation`, as v1 has it"),
            (lambda r: says(r, "[SEG]", "<ImageHere>"), -0.4, "another trainer's placeholders"),
        ],
        {"jsonl": -0.15},
    )


FORMAT = Format(
    name="videorefer-vl3",
    title="VideoRefer, VideoLLaMA3 dialect (`masks`)",
    trainer="VideoRefer (VideoLLaMA3)",
    container="array-or-jsonl",
    record_type="schemas.videorefer_vl3:VideoReferVL3Record",
    speaker=speaker,
    image_tag="<image>",
    video_tag="<video>",
    region_tag="<region>",
    user_markers=frozenset({"<image>", "<video>", "<region>"}),
    kind=kind,
    media=media,
    sniff=sniff,
    paths="below --data_folder",
)
