"""VideoRefer's VideoLLaMA3 dialect: regions under ``masks``."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mmdata.errors import DataError
from mmdata.format import Evidence, Format, Guess, MediaRef, Speaker
from mmdata.formats._shared import decode, encode, videorefer
from mmdata.formats._shared.evidence import says, speaks, weigh
from mmdata.formats._shared.media import refs
from schemas.sample import Media, MediaPart, Origin, Part, RegionPart, Sample, SampleObject

if TYPE_CHECKING:
    from mmdata.encoding import Encoding


def speaker(role: str) -> Speaker:
    """`human` asks; every other word answers, `system` too (``videorefer_videollama3/train.py``)."""
    return "user" if role == "human" else "assistant"


def kind(record: Mapping[str, Any]) -> str:
    """`image` wins over `video`; null is as good as absent."""
    return next((key for key in ("image", "video") if record.get(key) is not None), "text")


def media(record: Mapping[str, Any]) -> list[MediaRef]:
    """The pictures, or else the video; a list of several, or one with timestamps, is a list of frames."""
    if record.get("image") is not None:
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
            (
                lambda r: says(r, "<image>", "<video>") and speaks(r, "human"),
                0.4,
                "<image> or <video> with the roles `human` and `gpt`",
            ),
            (lambda r: "annotation" in r, -0.5, "`annotation`, as v1 has it"),
            (lambda r: says(r, "[SEG]", "<ImageHere>"), -0.4, "another trainer's placeholders"),
        ],
        {"jsonl": -0.15, "object": -0.15},
    )


_TAG = re.compile(r"<(?:image|video|region)>")


def to_sample(record: Mapping[str, Any], origin: Origin) -> Sample:
    """Decode a record: each ``<region>`` is one mask, in the order object, then frame.

    Raises:
        DataError: turns, masks or placeholders are not as the loader takes them.
    """
    files = media(record)
    if files and files[0].kind == "frames":
        found = [Media("frames", [ref.path for ref in files], timestamps=_seconds(record.get("timestamps")))]
    else:
        found = [Media("image" if ref.kind == "image" else "video", [ref.path]) for ref in files]
    objects = [_object(entry, k, origin) for k, entry in enumerate(record.get("masks") or ())]
    sample = Sample(
        turns=[],
        media=found,
        objects=objects,
        id=record.get("id"),
        width=decode.size(record, "width"),
        height=decode.size(record, "height"),
        extras=decode.extras(
            record, "masks", "width", "height", files[0].pointer.split("/")[1] if files else ""
        ),
        origin=origin,
    )
    prompts = iter([RegionPart(k, frame or None) for k, one in enumerate(objects) for frame in one.masks])
    tags = itertools.count()

    def medium(_: re.Match[str]) -> Part | None:
        number = next(tags)
        return MediaPart(number) if number < len(found) else None

    decode.fill_turns(sample, record, speaker, _TAG, media=medium, region=lambda: next(prompts, None))
    if next(prompts, None) is not None:
        raise DataError(f"{decode.place(origin)}: fewer <region> than masks")
    if found and next(tags) == 0:
        decode.imply_media(sample)
    return sample


def _object(entry: Any, number: int, origin: Origin) -> SampleObject:
    """One entry of ``masks``: a segmentation of the picture, or {frame: segmentation}."""
    if isinstance(entry, dict) and not {"size", "counts"} <= entry.keys():
        return SampleObject(
            {
                frame: decode.mask(one, origin, f"object {number}, frame {frame!r}")
                for frame, one in entry.items()
            }
        )
    return SampleObject({"": decode.mask(entry, origin, f"mask {number}")})


def _seconds(value: Any) -> list[float] | None:
    return (
        [float(v) for v in value]
        if isinstance(value, list) and all(type(v) in (int, float) for v in value)
        else None
    )


def from_sample(sample: Sample, enc: Encoding) -> dict[str, Any]:
    """Encode a record: one ``<region>`` and one mask for every mask of a region prompt.

    Raises:
        CannotEncode: several videos, or masks of several pictures.
    """
    from mmdata.encoding import CannotEncode

    encode.in_order(sample)
    used: list[tuple[int, list[str]]] = []
    turns = videorefer.turns(sample, enc, used, every_mask=True)
    body: dict[str, Any] = {}
    pairs = [(number, frames[0]) for number, frames in used]
    video = sample.media[0] if sample.media and sample.media[0].kind != "image" else None
    if video is not None:
        if len(sample.media) > 1:
            raise CannotEncode("L11", "one video a record, and no pictures beside it")
        body["video"] = [enc.path(path) for path in video.paths]
        if video.timestamps is not None and "timestamps" not in sample.extras:
            body["timestamps"] = video.timestamps
        enc.kept("media")
    elif sample.media:
        paths = encode.pictures(sample, enc)
        if pairs and len(paths) > 1:
            raise CannotEncode("masks-of-several", "all masks are taken to be on the first picture")
        body["image"] = paths[0] if len(paths) == 1 else paths
    if pairs:
        if video is None:
            body["masks"] = [videorefer.segmentation(number, frame, enc) for number, frame in pairs]
        else:
            entries: dict[int, dict[str, Any]] = {}
            for number, frame in pairs:
                entries.setdefault(number, {})[frame] = videorefer.segmentation(number, frame, enc)
            body["masks"] = list(entries.values())
        body |= videorefer.canvas(enc, pairs)
    elif sample.media:
        body |= encode.declared(sample, enc, target_reads=True)
    body["conversations"] = turns
    return encode.with_extras(sample, enc, body)


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
    to_sample=to_sample,
    from_sample=from_sample,
    paths="below --data_folder",
)
