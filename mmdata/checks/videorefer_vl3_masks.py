"""VideoRefer's VideoLLaMA3 dialect: masks, the frames they lie on and the ``<region>`` that stand for them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mmdata.checks.registry import SHAPE, Hit, check, part
from mmdata.checks.videorefer import REGION
from mmdata.checks.videorefer_masks import (
    Placed,
    frame_number,
    polygon_faults,
    rle_fault,
    unlike_first,
)
from mmdata.checks.videorefer_vl3 import VL3, read_turns
from mmdata.checks.view import MediaView, RecordView
from mmdata.finding import Edit, Severity

NO_MASKS = "r.masks is UNSET"


def masks_of(record: RecordView) -> Iterator[Placed]:
    """The masks of a record, in the trainer's order: object, then key order. A record of text has none that are read."""
    entries = record.raw.get("masks")
    for number, entry in enumerate(entries if isinstance(entries, list) and record.kind != "text" else ()):
        if record.kind == "video" and isinstance(entry, dict) and not _is_rle(entry):
            for frame, value in entry.items():
                key = frame.replace("~", "~0").replace("/", "~1")
                yield Placed(number, frame, value, f"/masks/{number}/{key}")
        else:
            yield Placed(number, "", entry, f"/masks/{number}")


def _is_rle(value: Any) -> bool:
    return isinstance(value, dict) and {"size", "counts"} <= value.keys()


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
    guard=f"{NO_MASKS} and '<region>' not in user_marks and '<region>' not in answer_marks and '<region>' not in other_marks",
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
    if ("annotation" in record.raw and "masks" not in record.raw) or not isinstance(
        record.raw.get("masks") or [], list
    ):
        return  # L02 says why there are none
    if record.kind == "text" and record.raw.get("masks"):
        yield Hit(
            "`masks` in a record without picture or video",
            "/masks",
            upstream="the masks are never read, and every <region> stays plain words",
        )
        return
    marked = [turn for turn in read_turns(record) if turn.count(REGION)]
    masks, regions = sum(1 for _ in masks_of(record)), sum(turn.count(REGION) for turn in marked)
    if regions != masks:
        fewer = regions < masks
        place = "/masks" if "masks" in record.raw else marked[0].text_pointer
        upstream = (
            "the sample is replaced by a random one" if fewer else "the further <region> stay plain words"
        )
        yield Hit(
            f"{regions} <region>, {masks} {'mask' if masks == 1 else 'masks'}", place, upstream=upstream
        )


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


@check("L10", severity="error", formats=VL3, guard=NO_MASKS, fixable="sometimes")
def empty_masks(record: RecordView) -> Iterator[Hit]:
    """`masks` is an empty list, or for a video a list of objects without a mask.

    Upstream: for a video the masks are stacked, and there are none: the sample is replaced by a random one; for a picture the list is passed over.
    Fix: Remove the key.
    Source: `videorefer_videollama3/train.py`.
    Bad (videorefer-vl3): {"video": ["clip.mp4"], "masks": [], "conversations": [{"from": "human", "value": "<video>\\nWhat happens?"}, {"from": "gpt", "value": "Nothing."}]}
    Good (videorefer-vl3): {"video": ["clip.mp4"], "conversations": [{"from": "human", "value": "<video>\\nWhat happens?"}, {"from": "gpt", "value": "Nothing."}]}
    """
    if record.raw.get("masks") == []:
        severity: Severity = "error" if record.kind == "video" else "warning"
        yield Hit("`masks` is an empty list", "/masks", edits=(Edit("remove", "/masks"),), severity=severity)
    elif record.kind == "video" and record.raw.get("masks") and all(e == {} for e in record.raw["masks"]):
        yield Hit("no object of `masks` has a mask", "/masks", edits=(Edit("remove", "/masks"),))


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
    masks = list(masks_of(record))
    needs = [m for m in masks if isinstance(m.segmentation, list) or _is_uncompressed(m.segmentation)]
    if masks and "height" in record.raw and "width" not in record.raw:
        yield Hit("`height` without `width`", "/height")
    elif needs and "height" not in record.raw:
        yield Hit(f"{needs[0].name} needs `height` and `width`, which the record lacks", needs[0].pointer)


def _is_uncompressed(value: Any) -> bool:
    return _is_rle(value) and isinstance(value["counts"], list)


@check("L15", severity="error", formats=VL3, guard=NO_MASKS)
def different_shapes(record: RecordView) -> Iterator[Hit]:
    """The masks of a record have different sizes.

    Upstream: stacking them into one array fails: the sample is replaced by a random one.
    Fix: Make all masks at one size.
    Source: `videorefer_videollama3/train.py`, `_convert_normal`.
    Bad (videorefer-vl3): {"image": "a.png", "masks": [{"size": [4, 4], "counts": "52;"}, {"size": [2, 8], "counts": "52;"}], "conversations": [{"from": "human", "value": "<image>\\nCompare <region> and <region>."}, {"from": "gpt", "value": "Two dogs."}]}
    Good (videorefer-vl3): {"image": "a.png", "masks": [{"size": [48, 64], "counts": "Z?:V100000000000000000fQ2"}, {"size": [48, 64], "counts": "Z?:V100000000000000000fQ2"}], "conversations": [{"from": "human", "value": "<image>\\nCompare <region> and <region>."}, {"from": "gpt", "value": "Two dogs."}]}
    """
    yield from unlike_first(masks_of(record), record)


@check("L16", severity="error", formats=VL3, guard=NO_MASKS)
def frame_key(record: RecordView) -> Iterator[Hit]:
    """A frame key is no number, or no frame of the video.

    Keys are absolute frame numbers of the decoded video, or positions in a folder's listing.

    Upstream: int() or the frame's look-up fails: the sample is replaced by a random one.
    Fix: Write the frame's number, counted from 0.
    Source: `videorefer_videollama3/train.py`; `videorefer_videollama3/mm_utils.py`, `load_video`.
    Bad (videorefer-vl3): {"video": ["clip.mp4"], "masks": [{"first": {"size": [48, 64], "counts": "Z?:V100000000000000000fQ2"}}], "conversations": [{"from": "human", "value": "<video>\\nWhat is <region>?"}, {"from": "gpt", "value": "A dog."}]}
    Bad (videorefer-vl3; media=header): {"video": ["clip.mp4"], "masks": [{"8": {"size": [48, 64], "counts": "Z?:V100000000000000000fQ2"}}], "conversations": [{"from": "human", "value": "<video>\\nWhat is <region>?"}, {"from": "gpt", "value": "A dog."}]}
    Good (videorefer-vl3; media=header): {"video": ["clip.mp4"], "masks": [{"7": {"size": [48, 64], "counts": "Z?:V100000000000000000fQ2"}}], "conversations": [{"from": "human", "value": "<video>\\nWhat is <region>?"}, {"from": "gpt", "value": "A dog."}]}
    """
    for mask in masks_of(record):
        number = frame_number(mask.frame) if mask.frame else None
        if (
            mask.frame and mask.frame != "segmentation" and (number is None or number < 0)
        ):  # `segmentation`: L03
            yield Hit(f"{mask.name}: {mask.frame!r} is no frame number", mask.pointer)


@part("L16")
def frame_in_video(record: RecordView, media: MediaView) -> Iterator[Hit]:
    """Frame numbers against the video's frames."""
    for _, path, facts in media.videos[:1]:
        for mask in masks_of(record):
            number = frame_number(mask.frame)
            if facts.frames is not None and number is not None and number >= facts.frames:
                yield Hit(
                    f"{mask.name}: the video has {facts.frames} frames", mask.pointer, related_path=path
                )


@check(
    "L17",
    severity="error",
    formats=VL3,
    guard="r.video is UNSET or type(r.video) is list and len(r.video) < 2",
)
def incomplete_frames(record: RecordView) -> Iterator[Hit]:
    """A list of frames lacks `timestamps` or `masked_video`, or they are too short.

    `timestamps` has the second of each frame; `masked_video` lists the pictures that the masks lie on, one for each
    frame key in order of first appearance, and may be empty without masks.

    Upstream: KeyError or IndexError: the sample is replaced by a random one.
    Fix: Add the key, or name one video file.
    Source: `videorefer_videollama3/train.py`, `_convert_normal`.
    Bad (videorefer-vl3): {"video": ["a.png", "b.png"], "conversations": [{"from": "human", "value": "<video>\\nWhat happens?"}, {"from": "gpt", "value": "Nothing."}]}
    Good (videorefer-vl3): {"video": ["a.png", "b.png"], "timestamps": [0, 0.5], "masked_video": [], "conversations": [{"from": "human", "value": "<video>\\nWhat happens?"}, {"from": "gpt", "value": "Nothing."}]}
    """
    video = record.raw.get("video")
    if record.kind != "video" or not isinstance(video, list) or len(video) < 2:
        return
    missing = [key for key in ("timestamps", "masked_video") if key not in record.raw]
    if missing:
        yield Hit(f"a list of frames without {' and '.join(f'`{key}`' for key in missing)}", "/video")
        return
    frames = {frame_number(mask.frame) for mask in masks_of(record) if mask.frame} - {None}
    for key, needed in (("timestamps", len(video)), ("masked_video", len(frames))):
        value = record.raw[key]
        if not isinstance(value, list) or len(value) < needed:
            number = len(value) if isinstance(value, list) else "no list"
            yield Hit(
                f"`{key}` has {number} of {needed} entries"
                if isinstance(value, list)
                else f"`{key}` is no list",
                f"/{key}",
            )


@check("L18", severity="warning", formats=VL3, guard=NO_MASKS)
def gif_order(record: RecordView) -> Iterator[Hit]:
    """The frame keys of a gif do not appear in ascending order.

    Upstream: a gif's frames come back in ascending order, the masks count them in order of first appearance: masks lie on the wrong frames.
    Fix: Order the objects and their keys so that each new frame is later than those before it.
    Source: `videorefer_videollama3/train.py`; `videorefer_videollama3/mm_utils.py`, `load_video_from_ids`.
    Bad (videorefer-vl3): {"video": ["clip.gif"], "masks": [{"3": {"size": [48, 64], "counts": "Z?:V100000000000000000fQ2"}, "1": {"size": [48, 64], "counts": "Z?:V100000000000000000fQ2"}}], "conversations": [{"from": "human", "value": "<video>\\nCompare <region> and <region>."}, {"from": "gpt", "value": "Two dogs."}]}
    Good (videorefer-vl3): {"video": ["clip.gif"], "masks": [{"1": {"size": [48, 64], "counts": "Z?:V100000000000000000fQ2"}, "3": {"size": [48, 64], "counts": "Z?:V100000000000000000fQ2"}}], "conversations": [{"from": "human", "value": "<video>\\nCompare <region> and <region>."}, {"from": "gpt", "value": "Two dogs."}]}
    """
    video = record.raw.get("video")
    if (
        record.kind != "video"
        or not isinstance(video, list)
        or len(video) != 1
        or not str(video[0]).endswith(".gif")
    ):
        return
    frames = list(dict.fromkeys(frame_number(mask.frame) for mask in masks_of(record) if mask.frame))
    known = [frame for frame in frames if frame is not None]
    if len(known) == len(frames) and known != sorted(known):
        yield Hit("the frames of the gif do not appear in ascending order", "/masks")
