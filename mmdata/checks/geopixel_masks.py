"""GeoPixel: masks as RLE in the record, and masks against their picture (G10, G14 to G17, G20)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from mmdata.checks.geopixel import GEOPIXEL, SEG
from mmdata.checks.registry import SHAPE, Hit, check
from mmdata.checks.view import MediaView, RecordView

NO_RLE = "kind != 'segmentation'"


def rles(record: RecordView) -> Iterator[tuple[int, dict[str, Any]]]:
    """The record's masks that look like RLE, with their numbers."""
    masks = record.raw.get("segmentation")
    if record.kind == "segmentation" and isinstance(masks, list):
        for number, mask in enumerate(masks):
            if isinstance(mask, dict):
                yield number, mask


@check("G14", severity="warning", formats=GEOPIXEL, guard=NO_RLE)
def empty_target(record: RecordView) -> Iterator[Hit]:
    """A mask has no pixel: an RLE of zeros, or an object without rings.

    Upstream: the model is trained to predict nothing for the phrase; a dice loss over an empty target is meaningless.
    Fix: Remove the phrase with its [SEG] and the mask, or draw the mask.
    Source: `data_mix.py`; the dice loss of `modeling_geopixel.py`.
    Bad (geopixel): {"image": "a.png", "segmentation": [{"size": [48, 64], "counts": "PP3"}], "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    Bad (geopixel; file=hollow.json:{"polygons": [[]]}): {"image": "a.png", "polygons": "hollow.json", "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    Good (geopixel): {"image": "a.png", "polygons": "square.json", "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    """
    from mmdata.masks.rle import RLEError, is_empty

    for number, mask in rles(record):
        try:
            empty = isinstance(mask.get("counts"), str) and is_empty(mask)
        except RLEError:
            continue
        if empty:
            yield Hit(f"mask {number} has no pixel", f"/segmentation/{number}")


@check("G15", severity="error", formats=GEOPIXEL, guard=SHAPE, fixable="sometimes")
def uncompressed_rle(record: RecordView) -> Iterator[Hit]:
    """An RLE gives its counts as a list.

    Upstream: pycocotools decodes compressed counts only; a list is a TypeError: the run crashes.
    Fix: Compress the counts (`pycocotools.mask.frPyObjects`); --fix does.
    Source: `data_mix.py`, `mask.decode`.
    Bad (geopixel): {"image": "a.png", "segmentation": [{"size": [4, 4], "counts": [5, 2, 9]}], "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    Good (geopixel): {"image": "a.png", "polygons": "square.json", "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    """
    from mmdata.finding import Edit

    for number, mask in rles(record):
        if isinstance(mask.get("counts"), list):
            text = _compressed(mask)
            edits = (Edit("set", f"/segmentation/{number}/counts", text),) if text else ()
            yield Hit(
                f"the counts of mask {number} are a list, not compressed text",
                f"/segmentation/{number}/counts",
                edits=edits,
            )


def _compressed(mask: dict[str, Any]) -> str | None:
    """The counts as COCO's text; None where they are no valid mask."""
    from mmdata.masks.rle import RLEError
    from mmdata.masks.rle import check as check_rle

    try:
        check_rle(mask)
    except RLEError:
        return None
    from pycocotools import mask as coco

    height, width = mask["size"]
    counts: bytes = coco.frPyObjects({"size": [height, width], "counts": mask["counts"]}, height, width)[
        "counts"
    ]
    return counts.decode("ascii")


@check("G16", severity="error", formats=GEOPIXEL)
def rle_size(record: RecordView, media: MediaView) -> Iterator[Hit]:
    """The size of an RLE is not the size of the picture.

    Height and width exchanged are a common case. Looked at from `--media header` on.

    Upstream: nothing compares them; the loss fails on tensors of different shape: the run crashes in the first step that meets it.
    Fix: Make the masks anew from the picture, with size [height, width].
    Source: `data_mix.py`; the mask loss of `modeling_geopixel.py`.
    Bad (geopixel; media=header): {"image": "a.png", "segmentation": [{"size": [64, 48], "counts": "Zd0:f100000000000000000fg1"}], "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    Good (geopixel; media=header): {"image": "a.png", "segmentation": [{"size": [48, 64], "counts": "Z?:V100000000000000000fQ2"}], "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    """
    size = _picture(media)
    if size is None:
        return
    width, height = size
    for number, mask in rles(record):
        given = mask.get("size")
        if isinstance(given, list) and len(given) == 2 and given != [height, width]:
            note = ": height and width are exchanged" if given == [width, height] else ""
            yield Hit(
                f"mask {number} is {given[0]} high and {given[1]} wide, the picture {height} high and {width} wide{note}",
                f"/segmentation/{number}/size",
                related_path=media.images[0][1],
            )


def _picture(media: MediaView) -> tuple[int, int] | None:
    """(width, height) of the record's picture, where it was looked into."""
    for _, _, facts in media.images[:1]:
        if facts.width and facts.height:
            return facts.width, facts.height
    return None


@check("G17", severity="error", formats=GEOPIXEL, guard=NO_RLE)
def broken_rle(record: RecordView) -> Iterator[Hit]:
    """An RLE does not decode to a mask of its size.

    Its runs do not sum to height times width, a run is negative, or the counts are no RLE text (the printed form of
    Python bytes is a common case).

    Upstream: pycocotools raises, or fills the rest of the mask with whatever lies in memory and says nothing.
    Fix: Encode the mask anew; decode bytes to text before writing JSON.
    Source: pycocotools `mask.decode`.
    Bad (geopixel): {"image": "a.png", "segmentation": [{"size": [48, 64], "counts": "04"}], "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    Good (geopixel): {"image": "a.png", "polygons": "square.json", "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    """
    from mmdata.masks.rle import RLEError
    from mmdata.masks.rle import check as check_rle

    for number, mask in rles(record):
        try:
            check_rle(mask)
        except RLEError as error:
            if error.kind == "mapping" or "counts" not in mask or "size" not in mask:
                continue  # a missing key is the shape's business
            part = "size" if error.kind in ("size", "limit") else "counts"
            yield Hit(f"mask {number}: {error}", f"/segmentation/{number}/{part}")


@check("G10", severity="warning", formats=GEOPIXEL)
def points_outside(record: RecordView, media: MediaView) -> Iterator[Hit]:
    """Polygon points lie outside the picture.

    Looked at from `--media header` on. Coordinates are pixels, x right, y down.

    Upstream: OpenCV clips the polygon to the picture and says nothing.
    Fix: Clip the polygons, or check whether they belong to another size of the picture.
    Source: `data_mix.py`, `cv2.fillPoly`.
    Bad (geopixel; media=header; file=far.json:{"polygons": [[[[10, 10], [200, 10], [20, 20]]]]}): {"image": "a.png", "polygons": "far.json", "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    Good (geopixel; media=header): {"image": "a.png", "polygons": "square.json", "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    """
    del record
    size, facts = _picture(media), media.sidecar
    if size is None or facts is None or facts.bounds is None:
        return
    left, top, right, bottom = facts.bounds
    # A point on the far edge (x = width) is what many tools write for a full-width box; fillPoly clips it alike.
    if left < 0 or top < 0 or right > size[0] or bottom > size[1]:
        message = f"points from ({left:g}, {top:g}) to ({right:g}, {bottom:g}) in a picture of {size[0]} x {size[1]}"
        yield Hit(message, "/polygons", related_path=facts.path)


@check("G20", severity="error", formats=GEOPIXEL)
def seg_cut_off(record: RecordView, media: MediaView) -> Iterator[Hit]:
    """A [SEG] lies beyond the token limit.

    Needs `--assume max_length=N` and `--media header`, since the picture is most of a sample; `--tokenizer DIR` counts
    exactly.

    Upstream: the sample is cut, fewer [SEG] than masks remain: an assertion fails in the model, and the run crashes.
    Fix: Shorten the answer, split the record, or raise the limit.
    Source: `modeling_geopixel.py`, `max_length`.
    Bad (geopixel; media=header; max_length=450; hd_num=1): {"image": "a.png", "polygons": "square.json", "conversations": [{"from": "human", "value": "Where is the tank among all of the many other things that can be seen in this picture of a harbour with cranes, ships, roads and trees?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    Good (geopixel; media=header; max_length=4096; hd_num=1): {"image": "a.png", "polygons": "square.json", "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    """
    limit = record.assume("max_length")
    last = [turn for turn in record.turns if turn.count(SEG)]
    if (
        limit is None
        or media.level not in ("header", "decode")
        or not last
        or not isinstance(record.raw.get("conversations"), list)
    ):
        return
    from mmdata.tokens import sample_tokens

    turn = last[-1]
    text = turn.text or ""
    kept = [*record.raw["conversations"][: turn.index], {**turn.raw, "value": text[: text.rindex(SEG)]}]
    sizes = [
        (facts.width, facts.height) if facts.width and facts.height else None for _, _, facts in media.images
    ]
    before = sample_tokens(replace(record, raw={**record.raw, "conversations": kept}), sizes)
    if before.n > limit:
        about = "" if before.exact else "about "
        yield Hit(
            f"the last [SEG] comes after {about}{before.n} tokens; the trainer keeps {limit}",
            turn.text_pointer,
        )
