"""ms-swift: messages with media in columns, and `objects` for grounding (``<ref-object>``, ``<bbox>``)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mmdata.errors import DataError
from mmdata.format import Evidence, Format, Guess, Speaker, TurnKeys, Turns
from mmdata.formats._shared import decode, messages
from mmdata.formats._shared.evidence import weigh
from schemas.sample import (
    BoxMask,
    MediaPart,
    Origin,
    Part,
    PhrasePart,
    RegionPart,
    Sample,
    SampleObject,
    SampleTurn,
    TextPart,
)

if TYPE_CHECKING:
    from mmdata.encoding import Encoding

_SPEAKERS: dict[str, Speaker] = {
    "user": "user",
    "human": "user",
    "tool": "user",
    "tool_response": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "bot": "assistant",
    "tool_call": "assistant",
    "system": "system",
}


_LISTS = ("messages", "conversations", "conversation")


def turn_keys(record: Mapping[str, Any]) -> TurnKeys:
    """`messages` of `role` and `content`; its preprocessor also reads `conversations` and `from`/`value`."""
    return messages.keys(record, *_LISTS)


def speaker(role: str) -> Speaker | None:
    """The roles of ``dataset/preprocessor/core.py``, other tools' words for user and assistant among them."""
    return _SPEAKERS.get(role)


def kind(record: Mapping[str, Any]) -> str:
    """What the record shows."""
    found = [key for key in ("images", "videos", "audios", "objects") if record.get(key)]
    return "-".join(found) or "text"


def sniff(evidence: Evidence) -> Guess:
    """`objects` speak for it; without them messages with columns are LLaMA-Factory's too."""
    return weigh(
        evidence,
        0.5,
        [
            (lambda r: isinstance(r.get("objects"), dict), 0.4, "`objects` with references and boxes"),
            (
                lambda r: "images" in r or "videos" in r or "audios" in r,
                0.1,
                "`images` or `videos` as columns",
            ),
            (lambda r: "rejected_response" in r, 0.3, "`rejected_response`"),
            (lambda r: bool({"tool_call", "tool_response"} & messages.roles(r)), 0.4, "its words for tools"),
            (lambda r: "image" in r or "video" in r, -0.3, "`image` or `video`, as other tools have them"),
            (lambda r: any(isinstance(c, list) for c in messages.contents(r)), -0.5, "content in parts"),
        ],
        {"jsonl": 0.05},
        speaking=(messages.speaks_messages("messages"), "`messages` of `role` and `content`"),
    )


_TAG = re.compile(r"<image>|<video>|(?:<ref-object>(?P<gap>\s*))?(?P<boxes>(?:<bbox>)+)|<ref-object>")


def to_sample(record: Mapping[str, Any], origin: Origin) -> Sample:
    """Decode a record: the k-th ``<ref-object>`` and ``<bbox>`` stand for the k-th `ref` and `bbox` of `objects`.

    Media without a tag go in front of the first message, as the template puts them. Boxes are in pixels of their
    picture, or in 0-1 where `bbox_type` says ``norm1``; right and bottom are taken as one past the object.

    Raises:
        DataError: turns, placeholders or objects are not as the loader takes them, a box is a point, or the record has
            sound or calls of tools.
    """
    messages.no_audio(record, origin)
    place = turn_keys(record)
    sample = Sample(
        turns=[],
        id=record.get("id"),
        extras=decode.extras(record, place.turns, "images", "videos", "objects", "system"),
        origin=origin,
    )
    queues = {
        "<image>": messages.of_column(record, "images", origin),
        "<video>": messages.of_column(record, "videos", origin),
    }
    found = list(messages.texts(record, place, speaker, origin))
    said = "\n".join(text for _, text in found)
    first = next((turn for turn, _ in found if turn.role != "system"), None)
    for tag, media in queues.items():
        missing = len(media) - said.count(tag)
        if missing < 0:
            decode.expect(said.count(tag), len(media), f"{tag} for its media, of which there are", origin)
        if first is not None:
            for one in media[:missing]:
                sample.media.append(one)
                first.parts.append(MediaPart(len(sample.media) - 1, implied=True))
        del media[:missing]
    boxes, references = _objects(record.get("objects"), sample, origin)
    pictures: list[int] = []

    def take(match: re.Match[str]) -> Part | None:
        nonlocal boxes
        if match[0] in queues:
            sample.media.append(queues[match[0]].pop(0))
            return MediaPart(len(sample.media) - 1)
        spoken = "<ref-object>" in match[0]
        number = (match["boxes"] or "").count("<bbox>")
        if number > len(boxes) or (spoken and not references):
            return None
        phrase = references.pop(0) if spoken else None
        taken, boxes = boxes[:number], boxes[number:]
        if number == 0:
            return TextPart(phrase or "")
        return PhrasePart(phrase, taken, match["gap"] or "")

    for turn, text in found:
        parts = decode.split(text, _TAG, take)
        turn.parts += parts if turn.role == "assistant" else _asked(parts)
        sample.turns.append(turn)
    _number_media(sample, pictures)
    return sample


def _asked(parts: list[Part]) -> list[Part]:
    """Boxes in a question are region prompts."""
    found: list[Part] = []
    for part in parts:
        if isinstance(part, PhrasePart):
            found += [TextPart(part.text + part.gap)] if part.text else []
            found += [RegionPart(number) for number in part.objects]
        else:
            found.append(part)
    return found


def _number_media(sample: Sample, pictures: list[int]) -> None:
    """`image_id` counts pictures alone, a sample's media count videos too."""
    pictures += [k for k, one in enumerate(sample.media) if one.kind == "image"]
    for one in sample.objects:
        if one.media is not None:
            one.media = pictures[one.media] if one.media < len(pictures) else None


def _objects(value: Any, sample: Sample, origin: Origin) -> tuple[list[int], list[str]]:
    """Add the boxes to a sample; returns their numbers, and the references."""
    if value is None:
        return [], []
    if not isinstance(value, dict):
        raise DataError(f"{decode.place(origin)}: `objects` is no object")
    scale = {"real": None, "norm1": 1}.get(value.get("bbox_type") or "real", 0)
    if scale == 0:
        raise DataError(f"{decode.place(origin)}: bbox_type {value['bbox_type']!r}, not `real` or `norm1`")
    references, boxes = value.get("ref") or [], value.get("bbox") or []
    images = value.get("image_id") or []
    if not all(isinstance(one, list) for one in (references, boxes, images)):
        raise DataError(f"{decode.place(origin)}: `ref`, `bbox` and `image_id` of `objects` are lists")
    for number, box in enumerate(boxes):
        if not isinstance(box, list) or not all(type(v) in (int, float) for v in box):
            raise DataError(f"{decode.place(origin)}: box {number} is no list of numbers")
        if len(box) == 2:
            raise DataError(f"{decode.place(origin)}: box {number} is a point, which no other format has")
        if len(box) != 4 or box[0] >= box[2] or box[1] >= box[3]:
            raise DataError(f"{decode.place(origin)}: box {number} is {box}, not left, top, right, bottom")
        media = images[number] if number < len(images) and type(images[number]) is int else 0
        sample.objects.append(SampleObject({"": BoxMask((box[0], box[1], box[2], box[3]), scale)}, media))
    return list(range(len(boxes))), [str(one) for one in references]


def from_sample(sample: Sample, enc: Encoding) -> dict[str, Any]:
    """Encode a record: masks become boxes in pixels, InternVL's boxes of 0-1000 become ``norm1``.

    Raises:
        CannotEncode: an empty region, or the size of a picture is needed and not known.
    """
    from mmdata.encoding import CannotEncode
    from mmdata.formats._shared import encode

    encode.in_order(sample)
    references: list[str] = []
    boxes: list[list[float]] = []
    images: list[int] = []
    video = bool(sample.media) and sample.media[0].kind != "image"
    masks = [mask for one in sample.objects for mask in one.masks.values()]
    shares = bool(masks) and all(isinstance(mask, BoxMask) and mask.scale is not None for mask in masks)
    pictures = [k for k, one in enumerate(sample.media) if one.kind == "image"]

    def place(number: int, frame: str) -> str:
        box = _share(number, frame, enc) if shares else _pixels(number, frame, enc)
        if box is None:
            enc.lost("masks", "an empty mask has no box")
            return ""
        boxes.append(box)
        images.append(pictures.index(sample.objects[number].media or 0))
        return "<bbox>"

    def write(part: MediaPart | RegionPart | PhrasePart, _turn: SampleTurn) -> str:
        if isinstance(part, MediaPart):
            return messages.tag(part, sample)
        if isinstance(part, RegionPart):
            keys = [part.frame] if part.frame is not None else list(sample.objects[part.object].masks)
            if video:
                return encode.coordinates(part.object, keys, enc)
            text = "".join(place(part.object, key) for key in keys)
            if not text:
                raise CannotEncode(
                    "empty-region", f"object {part.object} has an empty mask, so there is no box"
                )
            return text
        if video:
            return encode.phrase_alone(part, enc)
        text = "".join(place(k, frame) for k in part.objects for frame in sample.objects[k].masks)
        if part.text is None or not text:
            return text or (part.text or "").strip()
        references.append(part.text.strip())
        return f"<ref-object>{text}"

    spoken = encode.speeches(sample, enc, pattern=_LITERALS, write=write, system=True)
    body: dict[str, Any] = {"messages": [{"role": who, "content": "".join(pieces)} for who, pieces in spoken]}
    body |= messages.media_columns(sample, enc)
    if boxes:
        kept = {"ref": references, "bbox": boxes, "bbox_type": "norm1" if shares else "real"}
        body["objects"] = kept if shares or not any(images) else {**kept, "image_id": images}
    encode.declared(sample, enc, target_reads=False)
    messages.only_columns(sample, enc)
    return body


_LITERALS = re.compile("<image>|<video>|<audio>|<ref-object>|<bbox>")


def _share(number: int, frame: str, enc: Encoding) -> list[float] | None:
    """A box in 0-1; the numbers are always fractions, so that the column has one type."""
    mask = enc.mask(number, frame)
    assert isinstance(mask, BoxMask)
    assert mask.scale is not None
    enc.kept("boxes")
    return [value / mask.scale for value in mask.box]


def _pixels(number: int, frame: str, enc: Encoding) -> list[float] | None:
    """A box in pixels."""
    from mmdata import masks

    mask = enc.mask(number, frame)
    if isinstance(mask, BoxMask):
        if mask.scale is None:
            enc.kept("boxes")
            return [float(value) for value in mask.box]
        high, wide = enc.canvas(number, frame)
        enc.approximated("boxes", "shares of the picture as pixels")
        return [v * side / mask.scale for v, side in zip(mask.box, (wide, high, wide, high), strict=True)]
    box = enc.box_xyxy(number, frame)
    if box is None:
        return None
    error = 1 - masks.area(enc.rle(number, frame)) / ((box[2] - box[0]) * (box[3] - box[1]))
    enc.approximated("masks", "mask -> box in pixels; the error is one minus the IoU of both", error)
    enc.lost("mask shape", "a box has no shape")
    return [float(value) for value in box]


_OWN = frozenset({"<image>", "<video>", "<audio>", "<bbox>", "<ref-object>"})

FORMAT = Format(
    name="ms-swift",
    title="ms-swift (messages with images, videos and objects)",
    trainer="ms-swift",
    container="array-or-jsonl",
    record_type="schemas.ms_swift:MSSwiftRecord",
    speaker=speaker,
    image_tag="<image>",
    video_tag="<video>",
    user_markers=_OWN,
    answer_markers=_OWN,
    kind=kind,
    media=messages.columns,
    sniff=sniff,
    to_sample=to_sample,
    from_sample=from_sample,
    turns=Turns(turn_keys, messages.usual(*_LISTS)),
    lines=True,
    paths="from the working directory, else below ROOT_IMAGE_DIR",
)
