"""VideoRefer's VideoLLaMA3 dialect: keys, tags, regions and masks of a record (L01 to L14)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mmdata.checks.registry import SHAPE, Hit, check
from mmdata.checks.videorefer import REGION, region_beyond
from mmdata.checks.videorefer_masks import Placed, polygon_faults, rle_fault
from mmdata.checks.view import RecordView
from mmdata.finding import Edit, Severity
from mmdata.io.record import Problem

VL3 = ("videorefer-vl3",)
NO_MASKS = "r.masks is UNSET"


def masks_of(record: RecordView) -> Iterator[Placed]:
    """The masks of a record, in the trainer's order: object, then key order."""
    entries = record.raw.get("masks")
    for number, entry in enumerate(entries if isinstance(entries, list) else ()):
        if record.kind == "video" and isinstance(entry, dict) and not _is_rle(entry):
            for frame, value in entry.items():
                key = frame.replace("~", "~0").replace("/", "~1")
                yield Placed(number, frame, value, f"/masks/{number}/{key}")
        else:
            yield Placed(number, "", entry, f"/masks/{number}")


def _is_rle(value: Any) -> bool:
    return isinstance(value, dict) and {"size", "counts"} <= value.keys()


@check("L01", severity="error", formats=VL3, guard=SHAPE, fixable="always")
def video_string(record: RecordView) -> Iterator[Hit]:
    """`video` is a string; the loader wants a list of one path.

    The guide shows a string.

    Upstream: the string is walked character by character and fails: the sample is replaced by a random one, without end if all are so.
    Fix: Write the path in a list.
    Source: `videorefer_videollama3/train.py`.
    Bad (videorefer-vl3): {"video": "clip.mp4", "conversations": [{"from": "human", "value": "<video>\\nWhat happens?"}, {"from": "gpt", "value": "Nothing."}]}
    Good (videorefer-vl3): {"video": ["clip.mp4"], "conversations": [{"from": "human", "value": "<video>\\nWhat happens?"}, {"from": "gpt", "value": "Nothing."}]}
    """
    video = record.raw.get("video")
    if isinstance(video, str):
        yield Hit("`video` is a string, not a list", "/video", edits=(Edit("set", "/video", [video]),))


@check("L02", severity="error", formats=VL3, keys=("annotation",), guard=SHAPE, fixable="sometimes")
def annotation_ignored(record: RecordView) -> Iterator[Hit]:
    """The regions lie under `annotation`, as v1 has them; this dialect reads `masks`.

    Upstream: the key is never read: every <region> stays plain words, and the model learns to answer without the region.
    Fix: Write the masks under `masks`, without the `segmentation` level.
    Source: `videorefer_videollama3/train.py`.
    Bad (videorefer-vl3): {"video": ["clip.mp4"], "annotation": [{"0": {"segmentation": {"size": [48, 64], "counts": "Z?:V100000000000000000fQ2"}}}], "conversations": [{"from": "human", "value": "<video>\\nWhat is <region>?"}, {"from": "gpt", "value": "A dog."}]}
    Good (videorefer-vl3): {"video": ["clip.mp4"], "masks": [{"0": {"size": [48, 64], "counts": "Z?:V100000000000000000fQ2"}}], "conversations": [{"from": "human", "value": "<video>\\nWhat is <region>?"}, {"from": "gpt", "value": "A dog."}]}
    """
    if "annotation" not in record.raw or "masks" in record.raw:
        return
    masks = _converted(record)
    edits = (Edit("remove", "/annotation"), Edit("add", "/masks", masks)) if masks is not None else ()
    yield Hit("`annotation` is never read; this dialect has `masks`", "/annotation", edits=edits)


def _converted(record: RecordView) -> list[Any] | None:
    """v1's objects as this dialect's masks; None where something would be lost."""
    objects = record.raw["annotation"]
    masks: list[Any] = []
    for entry in objects if isinstance(objects, list) else [None]:
        if not isinstance(entry, dict) or not entry:
            return None
        found = {
            frame: value.get("segmentation") if isinstance(value, dict) and len(value) == 1 else None
            for frame, value in entry.items()
        }
        if any(mask is None for mask in found.values()) or (record.kind == "image" and len(found) != 1):
            return None
        masks.append(next(iter(found.values())) if record.kind == "image" else found)
    return masks or None


@check("L03", severity="error", formats=VL3, guard=NO_MASKS, fixable="always")
def segmentation_wrapper(record: RecordView) -> Iterator[Hit]:
    """A mask lies under `segmentation`, as v1 has it.

    Upstream: the mask is not found where it is looked for: the sample is replaced by a random one.
    Fix: Write the mask itself.
    Source: `videorefer_videollama3/train.py`.
    Bad (videorefer-vl3): {"video": ["clip.mp4"], "masks": [{"0": {"segmentation": {"size": [48, 64], "counts": "Z?:V100000000000000000fQ2"}}}], "conversations": [{"from": "human", "value": "<video>\\nWhat is <region>?"}, {"from": "gpt", "value": "A dog."}]}
    Good (videorefer-vl3): {"video": ["clip.mp4"], "masks": [{"0": {"size": [48, 64], "counts": "Z?:V100000000000000000fQ2"}}], "conversations": [{"from": "human", "value": "<video>\\nWhat is <region>?"}, {"from": "gpt", "value": "A dog."}]}
    """
    for mask in masks_of(record):
        value = mask.segmentation
        if mask.frame == "segmentation" and record.kind == "video":
            yield Hit(
                f"object {mask.object} has `segmentation` where frames belong",
                f"/masks/{mask.object}",
                edits=(),
            )
        elif isinstance(value, dict) and "segmentation" in value:
            yield Hit(
                f"{mask.name} lies under `segmentation`",
                mask.pointer,
                edits=(Edit("set", mask.pointer, value["segmentation"]),),
            )


@check(
    "L04",
    severity="error",
    formats=VL3,
    guard=f"{NO_MASKS} and '<region>' not in user_marks and '<region>' not in answer_marks",
)
def region_count(record: RecordView) -> Iterator[Hit]:
    """The number of `<region>` is not the number of masks.

    Each `<region>` takes one mask, and an object has one on each of its frames.

    Upstream: with fewer <region> than masks the sample is replaced by a random one; further ones stay plain words.
    Fix: Write one <region> for each mask.
    Source: `videorefer_videollama3/train.py`.
    Bad (videorefer-vl3): {"video": ["clip.mp4"], "masks": [{"0": {"size": [48, 64], "counts": "Z?:V100000000000000000fQ2"}, "1": {"size": [48, 64], "counts": "Z?:V100000000000000000fQ2"}}], "conversations": [{"from": "human", "value": "<video>\\nWhat is <region>?"}, {"from": "gpt", "value": "A dog."}]}
    Good (videorefer-vl3): {"video": ["clip.mp4"], "masks": [{"0": {"size": [48, 64], "counts": "Z?:V100000000000000000fQ2"}}], "conversations": [{"from": "human", "value": "<video>\\nWhat is <region>?"}, {"from": "gpt", "value": "A dog."}]}
    """
    if "annotation" in record.raw and "masks" not in record.raw:
        return  # L02 says why there are none
    masks, regions = sum(1 for _ in masks_of(record)), record.count(REGION)
    if regions == masks or not isinstance(record.raw.get("masks", []), list):
        return
    place = (
        "/masks" if "masks" in record.raw else next(turn.text_pointer for turn, _ in record.marked(REGION))
    )
    fewer = regions < masks
    upstream = "the sample is replaced by a random one" if fewer else "the further <region> stay plain words"
    yield Hit(f"{regions} <region>, {masks} {'mask' if masks == 1 else 'masks'}", place, upstream=upstream)


def _decodable(mask: Placed) -> bool:
    return _is_rle(mask.segmentation) and not list(rle_fault(mask))


@check("L05", severity="warning", formats=VL3, guard=NO_MASKS)
def empty_mask(record: RecordView) -> Iterator[Hit]:
    """A mask has no pixel.

    Upstream: an empty mask is taken for the whole picture: the region is everything.
    Fix: Remove the mask and its <region>, or draw it.
    Source: `videorefer_videollama3/train.py`.
    Bad (videorefer-vl3): {"image": "a.png", "masks": [{"size": [48, 64], "counts": "PP3"}], "conversations": [{"from": "human", "value": "<image>\\nWhat is <region>?"}, {"from": "gpt", "value": "A dog."}]}
    Good (videorefer-vl3): {"image": "a.png", "masks": [{"size": [48, 64], "counts": "Z?:V100000000000000000fQ2"}], "conversations": [{"from": "human", "value": "<image>\\nWhat is <region>?"}, {"from": "gpt", "value": "A dog."}]}
    """
    from mmdata.masks.rle import is_empty

    for mask in masks_of(record):
        if _decodable(mask) and is_empty(mask.segmentation):
            yield Hit(f"{mask.name} has no pixel", mask.pointer)


@check("L06", severity="warning", formats=VL3, guard=NO_MASKS)
def edge_mask(record: RecordView) -> Iterator[Hit]:
    """A mask lies on the last row or column alone.

    Upstream: nothing of it is left when it is resized: the <region> becomes no tokens at all.
    Fix: Remove the mask and its <region>.
    Source: `videorefer_videollama3/train.py`.
    Bad (videorefer-vl3): {"image": "a.png", "masks": [{"size": [4, 4], "counts": "<4"}], "conversations": [{"from": "human", "value": "<image>\\nWhat is <region>?"}, {"from": "gpt", "value": "A dog."}]}
    Good (videorefer-vl3): {"image": "a.png", "masks": [{"size": [48, 64], "counts": "Z?:V100000000000000000fQ2"}], "conversations": [{"from": "human", "value": "<image>\\nWhat is <region>?"}, {"from": "gpt", "value": "A dog."}]}
    """
    from mmdata.masks.rle import is_empty, touches_only_last_row_or_column

    for mask in masks_of(record):
        if (
            _decodable(mask)
            and not is_empty(mask.segmentation)
            and touches_only_last_row_or_column(mask.segmentation)
        ):
            yield Hit(f"{mask.name} lies on the last row or column alone", mask.pointer)


@check("L07", severity="error", formats=VL3, guard=NO_MASKS)
def null_mask(record: RecordView) -> Iterator[Hit]:
    """A mask is null.

    v1 reads null as an empty mask; this dialect does not.

    Upstream: TypeError when it is decoded: the sample is replaced by a random one.
    Fix: Remove the mask and its <region>.
    Source: `videorefer_videollama3/train.py`.
    Bad (videorefer-vl3): {"video": ["clip.mp4"], "masks": [{"0": null}], "conversations": [{"from": "human", "value": "<video>\\nWhat is <region>?"}, {"from": "gpt", "value": "A dog."}]}
    Good (videorefer-vl3): {"video": ["clip.mp4"], "masks": [{"0": {"size": [48, 64], "counts": "Z?:V100000000000000000fQ2"}}], "conversations": [{"from": "human", "value": "<video>\\nWhat is <region>?"}, {"from": "gpt", "value": "A dog."}]}
    """
    for mask in masks_of(record):
        if mask.segmentation is None:
            yield Hit(f"{mask.name} is null", mask.pointer)


@check(
    "L08", severity="error", formats=VL3, guard="all(t.from_ != 'system' for t in turns)", fixable="sometimes"
)
def system_trained(record: RecordView) -> Iterator[Hit]:
    """A turn has the role `system`.

    Upstream: every role but `human` is the assistant's: the system text is trained as an answer.
    Fix: Fold the text into the first question.
    Source: `videorefer_videollama3/train.py`.
    Bad (videorefer-vl3): {"conversations": [{"from": "system", "value": "Be brief."}, {"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]}
    Good (videorefer-vl3): {"conversations": [{"from": "human", "value": "Be brief.\\nHi"}, {"from": "gpt", "value": "Hello"}]}
    """
    for turn in record.turns:
        if turn.role != "system":
            continue
        following = record.turns[turn.index + 1] if turn.index + 1 < len(record.turns) else None
        edits: tuple[Edit, ...] = ()
        if (
            following is not None
            and following.speaker == "user"
            and following.text is not None
            and turn.text is not None
        ):
            text = f"{turn.text.strip()}\n{following.text}"
            edits = (Edit("set", following.text_pointer, text), Edit("remove", turn.pointer))
        yield Hit(f"turn {turn.index} has the role `system`", turn.role_pointer, edits=edits, unsafe=True)


@check("L09", severity="error", formats=VL3, kinds=("blank-line",), fixable="always")
def blank_line(problem: Problem) -> Iterator[Hit]:
    """A line of a JSON Lines file is blank.

    Upstream: json.loads of an empty line fails: the run crashes before the first step.
    Fix: Remove the line.
    Source: `videorefer_videollama3/train.py`.
    Bad (videorefer-vl3; raw):
        {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]}

        {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]}
    Good (videorefer-vl3; raw):
        {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]}
        {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]}
    """
    yield Hit(problem.message)


@check("L10", severity="error", formats=VL3, guard="r.masks is UNSET or len(r.masks) > 0", fixable="always")
def empty_masks(record: RecordView) -> Iterator[Hit]:
    """`masks` is an empty list.

    Upstream: for a video the frames are taken from the masks, and there are none: the sample is replaced by a random one.
    Fix: Remove the key.
    Source: `videorefer_videollama3/train.py`.
    Bad (videorefer-vl3): {"video": ["clip.mp4"], "masks": [], "conversations": [{"from": "human", "value": "<video>\\nWhat happens?"}, {"from": "gpt", "value": "Nothing."}]}
    Good (videorefer-vl3): {"video": ["clip.mp4"], "conversations": [{"from": "human", "value": "<video>\\nWhat happens?"}, {"from": "gpt", "value": "Nothing."}]}
    """
    if record.raw.get("masks") == []:
        severity: Severity = "error" if record.kind == "video" else "warning"
        yield Hit("`masks` is an empty list", "/masks", edits=(Edit("remove", "/masks"),), severity=severity)


_IMAGES = "user_marks.count('<image>') + answer_marks.count('<image>') + other_marks.count('<image>')"
_VIDEOS = "user_marks.count('<video>') + answer_marks.count('<video>') + other_marks.count('<video>')"


@check(
    "L11",
    severity="error",
    formats=VL3,
    guard=f"({_IMAGES} == n_images or {_IMAGES} == 0) and ({_VIDEOS} == 0 or {_VIDEOS} == n_videos)",
)
def tag_count(record: RecordView) -> Iterator[Hit]:
    """The number of `<image>` is not the number of pictures, or there are several `<video>`.

    Tags that are absent everywhere are put in front for you.

    Upstream: the counts are asserted: the sample is replaced by a random one.
    Fix: Write one <image> for each picture, one <video> for a video.
    Source: `videorefer_videollama3/train.py`.
    Bad (videorefer-vl3): {"image": ["a.png", "b.png"], "conversations": [{"from": "human", "value": "<image>\\nWhich is larger?"}, {"from": "gpt", "value": "The first."}]}
    Good (videorefer-vl3): {"image": ["a.png", "b.png"], "conversations": [{"from": "human", "value": "<image>\\n<image>\\nWhich is larger?"}, {"from": "gpt", "value": "The first."}]}
    """
    pictures, images, videos = len(record.images), record.count("<image>"), record.count("<video>")
    if images and images != pictures:
        place = next(turn.text_pointer for turn, _ in record.marked("<image>"))
        yield Hit(f"{images} <image> for {pictures} {'picture' if pictures == 1 else 'pictures'}", place)
    if videos and (videos > 1 or record.kind != "video"):
        place = next(turn.text_pointer for turn, _ in record.marked("<video>"))
        what = "the record names no video" if record.kind != "video" else "the record has one video"
        yield Hit(f"{videos} <video>, and {what}", place)


@check(
    "L12", severity="info", formats=VL3, guard="not assume.get('max_length') or '<region>' not in user_marks"
)
def region_cut_off(record: RecordView) -> Iterator[Hit]:
    """A `<region>` lies beyond the token limit.

    Known only with `--assume max_length=N`.

    Upstream: the region's tokens no longer match its features: a line is printed, and the features are not put in.
    Fix: Shorten the conversation, or raise the limit.
    Source: `videorefer_videollama3/model`.
    Bad (videorefer-vl3; max_length=30): {"image": "a.png", "masks": [{"size": [48, 64], "counts": "Z?:V100000000000000000fQ2"}], "conversations": [{"from": "human", "value": "<image>\\nThere are a great many things to be seen in this picture, and most of them are of no interest at all to anybody, but here is the one that I would like to hear about from you. What is <region>?"}, {"from": "gpt", "value": "A dog."}]}
    Good (videorefer-vl3; max_length=8192): {"image": "a.png", "masks": [{"size": [48, 64], "counts": "Z?:V100000000000000000fQ2"}], "conversations": [{"from": "human", "value": "<image>\\nWhat is <region>?"}, {"from": "gpt", "value": "A dog."}]}
    """
    limit = record.assume("max_length")
    found = region_beyond(record, limit) if limit else None
    if found is not None:
        turn, tokens, exact = found
        yield Hit(
            f"the last <region> comes after {'' if exact else 'about '}{tokens} tokens; the trainer keeps {limit}",
            turn.text_pointer,
        )


@check("L13", severity="info", formats=VL3, keys=("stream",), guard=SHAPE)
def stream_record(record: RecordView) -> Iterator[Hit]:
    """The record is one of streaming video.

    Upstream: the branch for streams fails in this trainer: the sample is always replaced by a random one.
    Fix: Remove `stream`, or the record.
    Source: `videorefer_videollama3/train.py`.
    Bad (videorefer-vl3): {"video": ["clip.mp4"], "stream": true, "conversations": [{"from": "human", "value": "<video>\\nWhat happens?"}, {"from": "gpt", "value": "Nothing."}]}
    Good (videorefer-vl3): {"video": ["clip.mp4"], "conversations": [{"from": "human", "value": "<video>\\nWhat happens?"}, {"from": "gpt", "value": "Nothing."}]}
    """
    if record.raw.get("stream"):
        yield Hit("a record of streaming video", "/stream")


@check("L14", severity="error", formats=VL3, guard=NO_MASKS)
def broken_mask(record: RecordView) -> Iterator[Hit]:
    """A mask cannot be decoded: an RLE whose runs do not fit its size, or a polygon that is no flat list.

    Upstream: pycocotools raises and the sample is swapped, or it fills the rest of the mask with whatever lies in memory and says nothing.
    Fix: Encode the mask anew.
    Source: pycocotools `mask.decode`, `frPyObjects`.
    Bad (videorefer-vl3): {"image": "a.png", "masks": [{"size": [48, 64], "counts": "04"}], "conversations": [{"from": "human", "value": "<image>\\nWhat is <region>?"}, {"from": "gpt", "value": "A dog."}]}
    Good (videorefer-vl3): {"image": "a.png", "masks": [{"size": [48, 64], "counts": "Z?:V100000000000000000fQ2"}], "conversations": [{"from": "human", "value": "<image>\\nWhat is <region>?"}, {"from": "gpt", "value": "A dog."}]}
    """
    for mask in masks_of(record):
        value = mask.segmentation
        if isinstance(value, list):
            yield from polygon_faults(mask)
        elif _is_rle(value):
            yield from rle_fault(mask)
        elif value is not None and not (
            isinstance(value, dict) and ("segmentation" in value or record.kind != "video")
        ):
            yield Hit(f"{mask.name} is neither RLE nor polygons", mask.pointer)
        if (
            record.kind != "video"
            and isinstance(value, dict)
            and not _is_rle(value)
            and "segmentation" not in value
        ):
            yield Hit(f"{mask.name} of a picture is no RLE", mask.pointer)
    needs = [
        m
        for m in masks_of(record)
        if isinstance(m.segmentation, list)
        or (_is_rle(m.segmentation) and isinstance(m.segmentation["counts"], list))
    ]
    if needs and not ("height" in record.raw and "width" in record.raw):
        yield Hit(f"{needs[0].name} needs `height` and `width`, which the record lacks", needs[0].pointer)
