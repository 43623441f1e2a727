"""COCO instances: pictures with boxes, polygons and RLE of categories; no conversations of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from mmdata.format import Evidence, Format, Guess, MediaRef, Speaker
from mmdata.formats._shared import decode
from schemas.sample import (
    BoxMask,
    Mask,
    Media,
    MediaPart,
    Origin,
    Part,
    PhrasePart,
    PolygonMask,
    RLEMask,
    Sample,
    SampleObject,
    SampleTurn,
    TextPart,
)

if TYPE_CHECKING:
    from mmdata.encoding import Encoding
    from mmdata.masks.picture_rings import Picture


def speaker(role: str) -> Speaker | None:
    """Nobody speaks in COCO."""
    del role
    return None


def kind(record: Mapping[str, Any]) -> str:
    """Whether the picture has annotations."""
    return "annotated" if record.get("annotations") else "unannotated"


def media(record: Mapping[str, Any]) -> list[MediaRef]:
    """The picture."""
    image = record.get("image")
    name = image.get("file_name") if isinstance(image, dict) else None
    return [MediaRef("image", name, "/image/file_name")] if isinstance(name, str) else []


def sniff(evidence: Evidence) -> Guess:
    """The container says it."""
    if evidence.container != "coco":
        return Guess(0.0, ("no object with lists of `images` and `annotations`",))
    return Guess(0.95, ("lists of `images`, `annotations` and `categories`",))


# --- a record as a conversation ------------------------------------------------------------------------------------------

_QUESTION = "Outline every object in the picture."
_NOTHING = "There is no object of the known categories in the picture."


def by_instance(names: list[str], sample: Sample) -> None:
    """One question; the answer names each annotation in the file's order, each with its own mask."""
    answer: list[Part] = []
    for number, name in enumerate(names):
        answer += [TextPart(", ")] if number else []
        answer.append(PhrasePart(name, [number]))
    _ask(sample, _QUESTION, answer)


def by_category(names: list[str], sample: Sample) -> None:
    """One question and answer for each category that is in the picture, with all its objects."""
    groups: dict[str, list[int]] = {}
    for number, name in enumerate(names):
        groups.setdefault(name, []).append(number)
    for name, numbers in groups.items():
        _ask(sample, f"Outline every {name} in the picture.", [PhrasePart(name, numbers)])
    if not groups:
        _ask(sample, _QUESTION, [])


def _ask(sample: Sample, question: str, answer: list[Part]) -> None:
    start: list[Part] = [] if sample.turns else [MediaPart(0), TextPart("\n")]
    sample.turns.append(SampleTurn("user", [*start, TextPart(question)], "human"))
    end: list[Part] = [TextPart(".")] if answer else [TextPart(_NOTHING)]
    sample.turns.append(SampleTurn("assistant", [*answer, *end], "gpt"))


DIALOGUES: Mapping[str, Callable[[list[str], Sample], None]] = {
    "by-instance": by_instance,
    "by-category": by_category,
}
"""Name of ``--dialogue`` -> how a picture's annotations become a conversation."""


def to_sample(record: Mapping[str, Any], origin: Origin, dialogue: str = "by-instance") -> Sample:
    """Decode a picture: every annotation is an object; its category is the phrase that names it.

    Polygons are covered by COCO's rule; an annotation without a mask is its box.

    Args:
        record: the picture with its annotations and categories.
        origin: where it comes from.
        dialogue: one of `DIALOGUES`.

    Raises:
        CannotEncode: the picture is missing or named twice, a category is unknown, or a mask is none.
    """
    from mmdata.encoding import CannotEncode

    where = decode.place(origin)
    image = record.get("image")
    if not isinstance(image, dict):
        raise CannotEncode("O01", f"{where}: {'; '.join(record.get('mmdata_faults', ())) or 'no image'}")
    if record.get("mmdata_faults"):
        raise CannotEncode("O02", f"{where}: {'; '.join(record['mmdata_faults'])}")
    name, width, height = image.get("file_name"), decode.size(image, "width"), decode.size(image, "height")
    if not isinstance(name, str) or width is None or height is None:
        raise CannotEncode("S01", f"{where}: the image lacks `file_name`, `width` or `height`")
    categories = {c["id"]: c["name"] for c in record.get("categories", ())}
    known = ("id", "file_name", "width", "height")
    sample = Sample(
        turns=[],
        media=[Media("image", [name], width=width, height=height)],
        id=image.get("id"),
        extras={key: value for key, value in image.items() if key not in known},
        origin=origin,
    )
    from mmdata.masks.picture_rings import Picture

    names, picture = [], Picture()
    for number, mark in enumerate(record.get("annotations", ())):
        if mark.get("category_id") not in categories:
            raise CannotEncode(
                "O03",
                f"{where}: annotation {number} names the category {mark.get('category_id')!r}, which is not there",
            )
        names.append(str(categories[mark["category_id"]]))
        own = ("id", "image_id", "category_id", "segmentation", "bbox", "area")
        extras = {
            key: value for key, value in mark.items() if key not in own and (key, value) != ("iscrowd", 0)
        }
        mask = _mask(mark, (height, width), origin, number, picture)
        sample.objects.append(SampleObject({"": mask}, extras=extras))
    DIALOGUES[dialogue](names, sample)
    return sample


def _mask(
    mark: Mapping[str, Any], size: tuple[int, int], origin: Origin, number: int, picture: Picture
) -> Mask | None:
    from mmdata.encoding import CannotEncode

    where = f"annotation {number}"
    segmentation = mark.get("segmentation")
    if segmentation:
        if isinstance(segmentation, list) and all(map(decode.is_flat, segmentation)):
            return PolygonMask(picture.add(segmentation), "coco")
        mask = decode.mask(segmentation, origin, where)
        if isinstance(mask, RLEMask) and tuple(mask.size) != size:
            raise CannotEncode(
                "O04",
                f"{decode.place(origin)}: {where}: RLE of {list(mask.size)} in a picture of {list(size)}",
            )
        return mask
    box = mark.get("bbox")
    if not isinstance(box, list) or len(box) != 4 or not all(type(v) in (int, float) for v in box):
        raise CannotEncode("O04", f"{decode.place(origin)}: {where} has neither a mask nor a box")
    x, y, w, h = box
    return BoxMask((x, y, x + w, y + h), None)


# --- a sample as a record ------------------------------------------------------------------------------------------------


def from_sample(sample: Sample, enc: Encoding) -> dict[str, Any]:
    """Encode a picture with its objects; masks become polygons that cover exactly their pixels under COCO's rule.

    Raises:
        CannotEncode: not exactly one picture.
    """
    return _encode(sample, enc, polygons=True)


def from_sample_rle(sample: Sample, enc: Encoding) -> dict[str, Any]:
    """Encode a picture with its objects; masks become compressed RLE.

    Raises:
        CannotEncode: not exactly one picture.
    """
    return _encode(sample, enc, polygons=False)


def _encode(sample: Sample, enc: Encoding, *, polygons: bool) -> dict[str, Any]:
    from mmdata.encoding import CannotEncode

    if [one.kind for one in sample.media] != ["image"]:
        raise CannotEncode(
            "one-picture", f"COCO annotates one picture; the record has {len(sample.media)} media"
        )
    height, width = enc.image_size(0)
    whole = type(sample.id) is int and sample.id >= 0
    local = ["annotations", "categories"] if whole else ["image", "annotations", "categories"]
    image = {
        "id": sample.id if whole else 1,
        "file_name": enc.path(sample.media[0].paths[0]),
        "height": height,
        "width": width,
    }
    enc.kept("media")
    if sample.id is not None and not whole:
        enc.lost("id", "COCO's ids are whole numbers")
    if sample.height is not None and sample.width is not None:
        enc.kept("size")
    if enc.source != "coco" and any(
        part.kind == "text" and part.text.strip() for turn in sample.turns for part in turn.parts
    ):
        enc.lost("turns", "COCO has no conversations")
    for key, value in sample.extras.items():
        if key in image or key.startswith("mmdata_"):
            enc.lost("unknown keys", f"`{key}` would mean something else in COCO")
        else:
            image[key] = value
            enc.kept("unknown keys")
    phrases = _phrases(sample)
    numbers: dict[str, int] = {}
    marks = []
    for number, one in enumerate(sample.objects):
        name = phrases.get(number) or "object"
        category = numbers.setdefault(name, len(numbers) + 1)
        mark = _annotation(number, enc, polygons=polygons and not one.extras.get("iscrowd"))
        mark = {"id": number + 1, "image_id": image["id"], "category_id": category, **mark}
        for key, value in one.extras.items():
            if key in mark and key != "iscrowd":
                enc.lost("object keys", f"`{key}` would mean something else in COCO")
            else:
                mark[key] = value
        marks.append(mark)
    if marks:
        enc.kept("categories")
    categories = [{"id": number, "name": name} for name, number in numbers.items()]
    return {"image": image, "annotations": marks, "categories": categories, "mmdata_local": local}


def _phrases(sample: Sample) -> dict[int, str]:
    """Object -> the words that name it in the text."""
    found: dict[int, str] = {}
    for turn in sample.turns:
        for part in turn.parts:
            if isinstance(part, PhrasePart) and part.text and part.text.strip():
                for number in part.objects:
                    found.setdefault(number, part.text.strip())
    return found


def _annotation(number: int, enc: Encoding, *, polygons: bool) -> dict[str, Any]:
    """Segmentation, box and area of an object."""
    from mmdata import masks

    mask = enc.mask(number)
    if isinstance(mask, BoxMask):
        height, width = enc.image_size(0)
        sides = (1, 1) if mask.scale is None else (width / mask.scale, height / mask.scale)
        x1, y1, x2, y2 = (v * sides[k % 2] for k, v in enumerate(mask.box))
        box = [_plain(x1), _plain(y1), _plain(x2 - x1), _plain(y2 - y1)]
        enc.kept("boxes")
        return {"segmentation": [], "bbox": box, "area": _plain(box[2] * box[3]), "iscrowd": 0}
    rle = enc.rle(number)
    area = int(masks.area(rle))
    box = [int(v) for v in masks.bbox(rle)]
    segmentation: Any = rle
    if polygons and area:
        rings = enc.rings(number, "", "coco")
        flat = masks.rings_to_flat(rings)
        segmentation = flat
    enc.kept("masks")
    return {"segmentation": segmentation, "bbox": box, "area": area, "iscrowd": 0}


def _plain(value: float) -> float:
    """A coordinate without the noise of having been a share of the picture."""
    rounded = round(value, 6)
    return int(rounded) if rounded == int(rounded) else rounded


FORMAT = Format(
    name="coco",
    title="COCO instances (detection and segmentation)",
    trainer="COCO tools",
    container="coco",
    record_type="schemas.coco:CocoRecord",
    speaker=speaker,
    kind=kind,
    media=media,
    sniff=sniff,
    to_sample=to_sample,
    from_sample=from_sample,
    variants={"coco-rle": from_sample_rle},
    dialogues=tuple(DIALOGUES),
    file_type="schemas.coco:CocoFile",
    paths="below a folder of pictures that the program names",
)
