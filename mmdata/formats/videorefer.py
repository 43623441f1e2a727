"""VideoRefer v1: regions of pictures and videos under ``annotation``."""

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
from schemas.sample import Media, MediaPart, Origin, RegionPart, Sample, SampleObject

if TYPE_CHECKING:
    from mmdata.encoding import Encoding


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
            (
                lambda r: says(r, "<image>", "<video>") and speaks(r, "human"),
                0.4,
                "<image> or <video> with the roles `human` and `gpt`",
            ),
            (lambda r: "masks" in r, -0.5, "`masks`, as the VideoLLaMA3 dialect has it"),
            (
                lambda r: isinstance(r.get("video"), list),
                -0.3,
                "`video` is a list, as the VideoLLaMA3 dialect has it",
            ),
            (lambda r: says(r, "[SEG]", "<ImageHere>"), -0.4, "another trainer's placeholders"),
        ],
        {"jsonl": -0.4, "object": -0.4},
    )


_TAG = re.compile(r"<(?:image|video|region)>")


def to_sample(record: Mapping[str, Any], origin: Origin) -> Sample:
    """Decode a record: the k-th ``<region>`` is the k-th object of ``annotation``.

    Raises:
        DataError: turns, masks or placeholders are not as the loader takes them.
    """
    files = media(record)
    objects = [_object(entry, k, origin) for k, entry in enumerate(record.get("annotation") or ())]
    sample = Sample(
        turns=[],
        media=[Media("image" if ref.kind == "image" else "video", [ref.path]) for ref in files],
        objects=objects,
        id=record.get("id"),
        width=decode.size(record, "width"),
        height=decode.size(record, "height"),
        extras=decode.extras(record, "annotation", "width", "height", files[0].pointer[1:] if files else ""),
        origin=origin,
    )
    numbers = itertools.count()
    decode.fill_turns(
        sample,
        record,
        speaker,
        _TAG,
        media=lambda _: MediaPart(0) if files else None,
        region=lambda: RegionPart(next(numbers)),
    )
    decode.expect(next(numbers), len(objects), "<region> for objects", origin)
    return sample


def _object(entry: Any, number: int, origin: Origin) -> SampleObject:
    """One object: frame -> mask; keys beside `segmentation` go to its extras."""
    if not isinstance(entry, dict):
        raise DataError(f"{decode.place(origin)}: object {number} is no object of frames")
    masks, extras = {}, {}
    for frame, value in entry.items():
        if not isinstance(value, dict) or "segmentation" not in value:
            raise DataError(f"{decode.place(origin)}: object {number}, frame {frame!r} has no `segmentation`")
        masks[frame] = decode.mask(value["segmentation"], origin, f"object {number}, frame {frame!r}")
        rest = {key: item for key, item in value.items() if key != "segmentation"}
        if rest:
            extras[frame] = rest
    return SampleObject(masks, extras=extras)


def from_sample(sample: Sample, enc: Encoding) -> dict[str, Any]:
    """Encode a record: one ``<region>`` and one entry of ``annotation`` for every region prompt.

    Raises:
        CannotEncode: several pictures, or a video that is a list of frames.
    """
    from mmdata.encoding import CannotEncode

    if len(sample.media) > 1:
        raise CannotEncode("multi-image", "a record has one picture or one video")
    if sample.media and sample.media[0].kind == "frames":
        raise CannotEncode("V17", "the video is a list of frames; a record names one path")
    encode.in_order(sample)
    used: list[tuple[int, list[str]]] = []
    turns = videorefer.turns(sample, enc, used, every_mask=False)
    body: dict[str, Any] = {}
    if sample.media:
        body[sample.media[0].kind] = enc.path(sample.media[0].paths[0])
        enc.kept("media")
    pairs = [(number, frame) for number, frames in used for frame in frames]
    if used:
        picture = bool(sample.media) and sample.media[0].kind == "image"
        if picture and any(len(frames) != 1 for _, frames in used):
            raise CannotEncode("V14", "an object of a picture has exactly one mask")
        body["annotation"] = [
            {frame or "0": {"segmentation": videorefer.segmentation(number, frame, enc)} for frame in frames}
            for number, frames in used
        ]
        body |= videorefer.canvas(enc, pairs)
    elif sample.media:
        body |= encode.declared(sample, enc, target_reads=True)
    body["conversations"] = turns
    return encode.with_extras(sample, enc, body)


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
    to_sample=to_sample,
    from_sample=from_sample,
    paths="below --data_folder",
)
