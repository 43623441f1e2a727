"""ms-swift's `objects`: references, boxes and their unit (N11 to N13)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mmdata.checks.registry import Hit, check
from mmdata.checks.view import RecordView
from mmdata.finding import Edit

SWIFT = ("ms-swift",)

_TAGS_FIT = " and ".join(
    f"user_marks.count('{tag}') + answer_marks.count('{tag}') + other_marks.count('{tag}') == {number}(r.objects)"
    for tag, number in (("<ref-object>", "REFERENCES"), ("<bbox>", "BOXES"))
)
_BOXES_FIT = "ORDINARY_BOXES(r.objects, n_images)"


def _objects(record: RecordView) -> dict[str, Any]:
    value = record.raw.get("objects")
    return value if isinstance(value, dict) else {}


def _list(record: RecordView, key: str) -> list[Any]:
    value = _objects(record).get(key)
    return value if isinstance(value, list) else []


@check("N11", severity="warning", formats=SWIFT, guard=_TAGS_FIT)
def grounding_counts(record: RecordView) -> Iterator[Hit]:
    """The number of `<ref-object>` or `<bbox>` is not that of `ref` or `bbox` in `objects`.

    Upstream: Placeholders that are too many stay plain text, references and boxes that are too many are never shown.
    Fix: Write one `<ref-object>` for each reference and one `<bbox>` for each box, in order.
    Source: ms-swift `template/base.py`.
    Bad (ms-swift): {"images": ["a.png"], "messages": [{"role": "user", "content": "<image>Where is the <ref-object>?"}, {"role": "assistant", "content": "<bbox>"}], "objects": {"ref": ["dog"], "bbox": [[10, 10, 20, 20], [30, 10, 40, 20]]}}
    Good (ms-swift): {"images": ["a.png"], "messages": [{"role": "user", "content": "<image>Where is the <ref-object>?"}, {"role": "assistant", "content": "<bbox>"}], "objects": {"ref": ["dog"], "bbox": [[10, 10, 20, 20]]}}
    """
    said = "\n".join(turn.text for turn in record.turns if turn.text is not None)
    for tag, key in (("<ref-object>", "ref"), ("<bbox>", "bbox")):
        tags, entries = said.count(tag), len(_list(record, key))
        if tags != entries and (record.raw.get("objects") is not None or tags):
            place = (
                f"/objects/{key}"
                if key in _objects(record)
                else "/objects"
                if "objects" in record.raw
                else ""
            )
            yield Hit(f"{tags} {tag} in the text and {entries} entries in `{key}`", pointer=place)


@check("N12", severity="error", formats=SWIFT, guard=_BOXES_FIT, fixable="sometimes")
def bad_box(record: RecordView) -> Iterator[Hit]:
    """A box is no box: not two or four numbers, turned round, negative, or of a picture that is not there.

    Upstream: The row fails and is dropped or replaced, or the model is trained on coordinates that are nowhere in the picture.
    Fix: Write [left, top, right, bottom], or [x, y] for a point; `image_id` counts pictures from 0.
    Source: ms-swift `template/base.py` (normalize_bbox).
    Bad (ms-swift): {"images": ["a.png"], "messages": [{"role": "user", "content": "<image>Where is the dog?"}, {"role": "assistant", "content": "<bbox>"}], "objects": {"ref": [], "bbox": [[20, 10, 10, 30]]}}
    Bad (ms-swift): {"images": ["a.png"], "messages": [{"role": "user", "content": "<image>Where is the dog?"}, {"role": "assistant", "content": "<bbox>"}], "objects": {"ref": [], "bbox": [[10, 10, 20]]}}
    Bad (ms-swift): {"images": ["a.png"], "messages": [{"role": "user", "content": "<image>Where is the dog?"}, {"role": "assistant", "content": "<bbox>"}], "objects": {"ref": [], "bbox": [[10, 10, 20, 20]], "image_id": [1]}}
    Good (ms-swift): {"images": ["a.png"], "messages": [{"role": "user", "content": "<image>Where is the dog?"}, {"role": "assistant", "content": "<bbox>"}], "objects": {"ref": [], "bbox": [[10, 10, 20, 30]], "image_id": [0]}}
    """
    shares = _objects(record).get("bbox_type") == "norm1"
    for number, box in enumerate(_list(record, "bbox")):
        place = f"/objects/bbox/{number}"
        if not isinstance(box, list) or not all(type(v) in (int, float) for v in box):
            continue  # S01 names it
        if len(box) not in (2, 4):
            yield Hit(f"box {number} has {len(box)} numbers, not 2 or 4", pointer=place)
        elif min(box) < 0:
            yield Hit(f"box {number} is {box}: a number is negative", pointer=place)
        elif shares and max(box) > 1:
            yield Hit(f"box {number} is {box}, and bbox_type says shares of 0-1", pointer=place)
        elif len(box) == 4 and (box[0] >= box[2] or box[1] >= box[3]):
            turned = [min(box[0], box[2]), min(box[1], box[3]), max(box[0], box[2]), max(box[1], box[3])]
            whole = turned[0] < turned[2] and turned[1] < turned[3]
            yield Hit(
                f"box {number} is {box}: left and right, or top and bottom, are turned round or equal",
                pointer=place,
                edits=(Edit("set", place, turned),) if whole else (),
                unsafe=True,
            )
    pictures = len(record.images)
    for number, image in enumerate(_list(record, "image_id")):
        if type(image) is int and not 0 <= image < pictures:
            yield Hit(
                f"box {number} lies on picture {image}, and the record has {pictures}",
                pointer=f"/objects/image_id/{number}",
            )


@check("N13", severity="warning", formats=SWIFT, guard=_BOXES_FIT)
def unit_of_boxes(record: RecordView) -> Iterator[Hit]:
    """Every box lies between 0 and 1, and nothing says that the unit is shares of the picture.

    Upstream: Without `bbox_type` the numbers are read as pixels: every box is at most one pixel in the top-left corner.
    Fix: Add `"bbox_type": "norm1"` to `objects` if these are shares.
    Source: ms-swift's custom data set guide; `template/base.py` (normalize_bbox).
    Bad (ms-swift): {"images": ["a.png"], "messages": [{"role": "user", "content": "<image>Where is the dog?"}, {"role": "assistant", "content": "<bbox>"}], "objects": {"ref": [], "bbox": [[0.1, 0.2, 0.5, 0.6]]}}
    Good (ms-swift): {"images": ["a.png"], "messages": [{"role": "user", "content": "<image>Where is the dog?"}, {"role": "assistant", "content": "<bbox>"}], "objects": {"ref": [], "bbox": [[0.1, 0.2, 0.5, 0.6]], "bbox_type": "norm1"}}
    """
    if (_objects(record).get("bbox_type") or "real") != "real":
        return
    values = [v for box in _list(record, "bbox") if isinstance(box, list) for v in box]
    numbers = [v for v in values if type(v) in (int, float)]
    if numbers and max(numbers) <= 1 and min(numbers) >= 0:
        yield Hit("every box lies between 0 and 1, and the unit is pixels", pointer="/objects/bbox")
