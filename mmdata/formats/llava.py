"""LLaVA: JSON arrays of conversations with ``<image>`` where the picture goes; lists and videos as LLaVA-NeXT has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mmdata.format import Evidence, Format, Guess, MediaRef, Speaker
from mmdata.formats._shared import decode, encode
from mmdata.formats._shared.evidence import says, speaks, weigh
from mmdata.formats._shared.media import refs
from schemas.sample import Media, MediaPart, Origin, PhrasePart, RegionPart, Sample, SampleTurn

if TYPE_CHECKING:
    from mmdata.encoding import Encoding


def speaker(role: str) -> Speaker | None:
    """`human` asks, `gpt` answers; another word is a KeyError (``preprocess_v1``)."""
    return {"human": "user", "gpt": "assistant"}.get(role)  # type: ignore[return-value]


def kind(record: Mapping[str, Any]) -> str:
    """Which branch of the loader takes the record; the key decides, whatever it holds."""
    if "image" in record:
        return "multi-image" if isinstance(record["image"], list) else "image"
    return "video" if "video" in record else "text"


def media(record: Mapping[str, Any]) -> list[MediaRef]:
    """The pictures, or else the video."""
    if "image" in record:
        return refs(record, "image", "image")
    return [r for r in refs(record, "video", "video") if r.pointer == "/video"]


def sniff(evidence: Evidence) -> Guess:
    """An array with `human` and `gpt` and one picture a record; VideoRefer's loaders read such records too."""
    return weigh(
        evidence,
        0.2,
        [
            (
                lambda r: says(r, "<image>") and speaks(r, "human"),
                0.4,
                "<image> with the roles `human` and `gpt`",
            ),
            (lambda r: "model" in r, 0.05, "`model`, as LLaVA's mixtures have it"),
            (
                lambda r: any(
                    k in r for k in ("polygons", "segmentation", "annotation", "masks", "masked_video")
                ),
                -0.6,
                "masks, which it does not read",
            ),
            (
                lambda r: "images" in r or "videos" in r,
                -0.6,
                "`images` or `videos`, as other tools have them",
            ),
            (lambda r: isinstance(r.get("video"), list), -0.5, "`video` is a list"),
            (lambda r: says(r, "[SEG]", "<ImageHere>", "<region>"), -0.5, "another trainer's placeholders"),
        ],
        {"jsonl": -0.3, "object": -0.3},
    )


def to_sample(record: Mapping[str, Any], origin: Origin) -> Sample:
    """Decode a record: the k-th ``<image>``, over all turns, is the k-th picture; a video has ``<image>`` too.

    Raises:
        DataError: turns or placeholders are not as the loader takes them.
    """
    from mmdata.formats._shared import tagged

    files = media(record)
    sample = Sample(
        turns=[],
        id=record.get("id"),
        extras=decode.extras(record, *{ref.pointer.split("/")[1] for ref in files}),
        origin=origin,
    )
    found = [Media("image" if ref.kind == "image" else "video", [ref.path]) for ref in files]
    tagged.fill(sample, decode.turns(record, speaker, origin), {"<image>": found})
    return sample


def from_sample(sample: Sample, enc: Encoding) -> dict[str, Any]:
    """Encode a record: masks become InternVL's spans of 0-1000, as LLaVA has no grounding of its own.

    Raises:
        CannotEncode: several videos, or pictures beside a video.
    """
    from mmdata.formats._shared import tagged

    encode.in_order(sample)
    tagged.one_video_or_pictures(sample)
    body: dict[str, Any] = {}
    frames: list[str] = []
    if sample.media and sample.media[0].kind == "frames":
        frames = [enc.path(path) for path in sample.media[0].paths]
        body["image"] = frames
        enc.approximated("media", "the video's frames as several pictures")
    elif sample.media and sample.media[0].kind == "video":
        body["video"] = enc.path(sample.media[0].paths[0])
        enc.kept("media")
    elif sample.media:
        paths = encode.pictures(sample, enc)
        body["image"] = paths[0] if len(paths) == 1 else paths

    def write(part: MediaPart | RegionPart | PhrasePart, _turn: SampleTurn) -> str:
        if isinstance(part, MediaPart):
            return "<image>\n" * len(frames) if frames else "<image>\n" if part.implied else "<image>"
        return tagged.in_text(part, sample, enc)

    body["conversations"] = encode.conversations(
        sample, enc, answer="gpt", pattern=tagged.LITERALS, write=write
    )
    encode.declared(sample, enc, target_reads=False)
    return encode.with_extras(sample, enc, body)


FORMAT = Format(
    name="llava",
    title="LLaVA and LLaVA-NeXT (conversation JSON)",
    trainer="LLaVA",
    container="array",
    record_type="schemas.llava:LLaVARecord",
    speaker=speaker,
    image_tag="<image>",
    user_markers=frozenset({"<image>"}),
    answer_markers=frozenset({"<image>"}),
    kind=kind,
    media=media,
    sniff=sniff,
    to_sample=to_sample,
    from_sample=from_sample,
    paths="below --image_folder (videos: --video_folder)",
)
