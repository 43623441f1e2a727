"""VideoRefer v1: regions of pictures and videos under ``annotation``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmdata.format import Evidence, Format, Guess, MediaRef, Speaker
from mmdata.formats._shared.evidence import says, speaks, weigh
from mmdata.formats._shared.media import refs


def speaker(role: str) -> Speaker | None:
    """`human` asks, `gpt` answers; another word is a KeyError (``videorefer/train.py``)."""
    return {"human": "user", "gpt": "assistant"}.get(role)  # type: ignore[return-value]


def kind(record: Mapping[str, Any]) -> str:
    """`image` wins over `video`."""
    return "image" if "image" in record else "video" if "video" in record else "text"


def media(record: Mapping[str, Any]) -> list[MediaRef]:
    """The picture, or else the video; only a string is a path."""
    found = refs(record, "image", "image") if "image" in record else refs(record, "video", "video")
    return [ref for ref in found if ref.pointer.count("/") == 1]


def sniff(evidence: Evidence) -> Guess:
    """``annotation`` speaks for it; ``masks`` and video lists for the other dialect."""
    return weigh(
        evidence,
        0.2,
        [
            (lambda r: isinstance(r.get("annotation"), list), 0.7, "`annotation` holds regions"),
            (lambda r: says(r, "<region>"), 0.2, "<region> in the questions"),
            (lambda r: says(r, "<image>", "<video>") and speaks(r, "human"), 0.4, "<image> or <video> with the roles `human` and `gpt`"),
            (lambda r: "masks" in r, -0.5, "`masks`, as the VideoLLaMA3 dialect has it"),
            (lambda r: isinstance(r.get("video"), list), -0.3, "`video` is a list, as the VideoLLaMA3 dialect has it"),
            (lambda r: says(r, "[SEG]", "<ImageHere>"), -0.4, "another trainer's placeholders"),
        ],
        {"jsonl": -0.4},
    )


FORMAT = Format(
    name="videorefer",
    title="VideoRefer v1 (`annotation`)",
    trainer="VideoRefer",
    container="array",
    record_type="schemas.videorefer:VideoReferRecord",
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
