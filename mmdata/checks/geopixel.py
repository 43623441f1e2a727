"""GeoPixel: which keys a record has, and what a file may mix (G01 to G07, G22)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mmdata.checks.registry import SHAPE, Hit, check
from mmdata.checks.sidecars import SEG
from mmdata.checks.view import FileView, MediaView, RecordView
from mmdata.finding import Edit

GEOPIXEL = ("geopixel",)

GROUNDING = ("polygons", "segmentation")
"""Kinds of records with masks, each by the key that holds them."""


def targets(record: RecordView) -> int:
    """How many ``[SEG]`` the loader counts: over all turns, whoever speaks."""
    return record.count(SEG)


def picture_size(media: MediaView) -> tuple[int, int] | None:
    """(width, height) in pixels as stored of the record's picture, where it was looked into."""
    for _, _, facts in media.images[:1]:
        if facts.width and facts.height:
            return facts.width, facts.height
    return None


def mask_count_hits(record: RecordView, masks: int, pointer: str, path: str | None = None) -> Iterator[Hit]:
    """G05: the number of [SEG] against that of the masks; a surplus that stands in questions is G06."""
    count, asked = targets(record), record.count(SEG, "user")
    if masks in (count, count - asked):
        return
    turns = [turn for turn in record.turns if turn.count(SEG)]
    place = turns[0].text_pointer if len(turns) == 1 else pointer
    noun = "mask" if path is None else "object"
    where = "" if path is None else " in the polygon file"
    message = f"{count} {SEG} in the turns, {masks} {noun if masks == 1 else noun + 's'}{where}"
    yield Hit(message, place, related_path=path)


def no_target_hits(record: RecordView, masks: int, pointer: str, path: str | None = None) -> Iterator[Hit]:
    """G07: a record of masks that has none, and no [SEG]."""
    if masks == 0 and targets(record) == 0:
        where = "" if path is None else " in the polygon file"
        yield Hit(f"no {SEG}, and no mask{where}", pointer, related_path=path)


def type_name(value: Any) -> str:
    """What a value is, for a message."""
    names = {type(None): "null", bool: "true or false", str: "a string", list: "a list", dict: "an object"}
    return names.get(type(value), "a number")


@check("G01", severity="error", formats=GEOPIXEL, keys=("polygon", "mask"), guard=SHAPE, fixable="sometimes")
def wrong_mask_key(record: RecordView) -> Iterator[Hit]:
    """The masks lie under `polygon` or `mask`, as the guide has it; the loader reads `polygons` and `segmentation`.

    Upstream: The key is never read. In the first record it makes the whole file one without masks, and all masks are ignored; in a later record of a file with masks the loader uses masks that it never made: UnboundLocalError, the run crashes.
    Fix: Rename the key: `polygons` for the path of a polygon file, `segmentation` for a list of RLE.
    Source: data_mix.py; docs/finetune.md has the other names.
    Bad (geopixel): {"image": "a.png", "polygon": "square.json", "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    Bad (geopixel): {"image": "a.png", "mask": [{"size": [48, 64], "counts": "Z?:V100000000000000000fQ2"}], "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    Good (geopixel): {"image": "a.png", "polygons": "square.json", "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    """
    if any(key in record.raw for key in GROUNDING):
        return
    names = {key: _right_name(record.raw[key]) for key in ("polygon", "mask") if record.raw.get(key)}
    for key, name in names.items():
        message = f"`{key}` is never read; the loader knows `polygons` and `segmentation`"
        edits = (Edit("rename", f"/{key}", name),) if name and list(names.values()).count(name) == 1 else ()
        yield Hit(message, f"/{key}", edits=edits)


def _right_name(value: Any) -> str | None:
    """The key under which the loader would read a value as what it is."""
    if isinstance(value, str):
        return "polygons" if value.lower().endswith(".json") else None
    rles = isinstance(value, list) and all(isinstance(v, dict) and "counts" in v for v in value)
    return "segmentation" if rles else None


_KINDS = {
    "polygons": "with a polygon file",
    "segmentation": "with RLE masks",
    "image": "with a picture and no masks",
    "text": "without a picture",
}


@check("G02", severity="error", formats=GEOPIXEL)
def mixed_kinds(file: FileView) -> Iterator[Hit]:
    """A file mixes records with masks, with a picture alone, and without a picture.

    The first record decides how the whole file is read. Where data.txt draws fewer records than the file has, the first
    one drawn decides, another one each run. Polygon files and RLE may be mixed with each other.

    Upstream: After a first record with masks, one that has none is an UnboundLocalError; after a first record with a picture, one without is a KeyError: the run crashes. After a first record without masks or picture, those of all other records are ignored.
    Fix: Split the file by kind and name each in data.txt.
    Source: data_mix.py: the type of a file is that of its record 0.
    Bad (geopixel): [{"image": "a.png", "conversations": [{"from": "human", "value": "What?"}, {"from": "bot", "value": "A dog."}]}, {"image": "a.png", "polygons": "square.json", "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}]
    Bad (geopixel): [{"image": "a.png", "polygons": "square.json", "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}, {"conversations": [{"from": "human", "value": "What?"}, {"from": "bot", "value": "A dog."}]}]
    Good (geopixel): [{"image": "a.png", "polygons": "square.json", "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}, {"image": "a.png", "segmentation": [{"size": [48, 64], "counts": "Z?:V100000000000000000fQ2"}], "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}]
    """
    first = file.first_kind
    if first is None:
        return
    for kind, facts in file.kinds.items():
        upstream = _effect(first, kind)
        if upstream is not None:
            are = "record is" if facts.count == 1 else "records are"
            message = f"{facts.count} of {file.records} {are} {_KINDS.get(kind, kind)}, the first is {_KINDS.get(first, first)}"
            yield Hit(message, record=facts.first, upstream=upstream)


def _effect(first: str, kind: str) -> str | None:
    """What becomes of a record of one kind in a file whose first record is of another; None if all is well."""
    if kind == first or (kind in GROUNDING and first in GROUNDING):
        return None
    if first == "text":
        return "The file is read as text: these pictures, and their masks, are ignored."
    if kind == "text":
        return "The file is read as one with pictures: KeyError at each of these records, the run crashes."
    if kind == "image":
        return (
            "The file is read as one with masks: UnboundLocalError at each of these records, the run crashes."
        )
    return (
        "The file is read as one without masks: these masks are ignored, and [SEG] is trained as a mere word."
    )


@check(
    "G03",
    severity="warning",
    formats=GEOPIXEL,
    guard="kind != 'polygons' or r.segmentation is UNSET",
    fixable="always",
)
def both_masks(record: RecordView) -> Iterator[Hit]:
    """A record has both `polygons` and `segmentation`.

    Upstream: The polygon file wins; the RLE masks are never read.
    Fix: Remove the one that is not meant; `--fix --unsafe-fixes` removes `segmentation`, which changes nothing that is trained.
    Source: data_mix.py: `if 'polygons' … elif 'segmentation'`.
    Bad (geopixel): {"image": "a.png", "polygons": "square.json", "segmentation": [{"size": [48, 64], "counts": "Z?:V100000000000000000fQ2"}], "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    Good (geopixel): {"image": "a.png", "polygons": "square.json", "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    """
    if record.kind == "polygons" and "segmentation" in record.raw:
        message = "both `polygons` and `segmentation`: the RLE masks are never read"
        yield Hit(message, "/segmentation", edits=(Edit("remove", "/segmentation"),), unsafe=True)


@check(
    "G04",
    severity="error",
    formats=GEOPIXEL,
    guard="type(r.image) is str or kind == 'image' or r.image is UNSET and r.polygons is UNSET and r.segmentation is UNSET",
    fixable="sometimes",
)
def no_single_picture(record: RecordView) -> Iterator[Hit]:
    """A record with masks names a list of pictures, or none.

    Masks belong to exactly one picture, named by a string.

    Upstream: A list fails an assertion, and the run crashes. Without `image` the masks are ignored in a file of text; elsewhere it is a KeyError, and the run crashes.
    Fix: Give the path as a string; split a record of several pictures.
    Source: data_mix.py: "image_file must be a string".
    Bad (geopixel): {"image": ["a.png"], "polygons": "square.json", "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    Bad (geopixel): {"polygons": "square.json", "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    Good (geopixel): {"image": "a.png", "polygons": "square.json", "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    Good (geopixel): {"image": ["a.png", "b.png"], "conversations": [{"from": "human", "value": "<ImageHere><ImageHere>Which?"}, {"from": "bot", "value": "The first."}]}
    """
    keys = [key for key in GROUNDING if key in record.raw]
    if not keys:
        return
    image = record.raw.get("image")
    if "image" not in record.raw:
        yield Hit(f"`{keys[0]}` without `image`", f"/{keys[0]}")
    elif isinstance(image, list):
        single = len(image) == 1 and isinstance(image[0], str) and image[0]
        message = f"`image` is a list of {len(image)} in a record with masks"
        yield Hit(message, "/image", edits=(Edit("set", "/image", image[0]),) if single else ())


@check(
    "G05",
    severity="error",
    formats=GEOPIXEL,
    guard="kind == 'polygons' or kind != 'segmentation' and '[SEG]' not in answer_marks",
)
def mask_count(record: RecordView) -> Iterator[Hit]:
    """The number of [SEG] is not the number of masks.

    [SEG] is counted over all turns, masks as RLE in `segmentation` or as objects of the polygon file; mask k belongs to the
    k-th [SEG]. A record without masks that has [SEG] in an answer is a warning.

    Upstream: An assertion of the loader fails: the run crashes.
    Fix: Write one [SEG] for each mask, in the masks' order.
    Source: data_mix.py: "number of grounding tokens are not equal to number of masks".
    Bad (geopixel): {"image": "a.png", "segmentation": [{"size": [48, 64], "counts": "Z?:V100000000000000000fQ2"}], "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG] and <p> there </p> [SEG]"}]}
    Bad (geopixel): {"image": "a.png", "polygons": "two.json", "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    Bad (geopixel): {"image": "a.png", "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    Good (geopixel): {"image": "a.png", "polygons": "two.json", "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG] and <p> there </p> [SEG]"}]}
    """
    masks = record.raw.get("segmentation")
    if record.kind == "segmentation" and isinstance(masks, list):
        yield from mask_count_hits(record, len(masks), "/segmentation")
    elif not any(record.raw.get(key) for key in (*GROUNDING, "polygon", "mask")):
        turns = [turn for turn in record.spoken_by("assistant") if turn.count(SEG)]
        if turns and record.kind not in GROUNDING:
            count = sum(turn.count(SEG) for turn in turns)
            upstream = f"No mask is trained: the model learns to write {SEG} as a mere word."
            message = f"{count} {SEG} in the answers of a record without masks"
            yield Hit(message, turns[0].text_pointer, upstream, severity="warning")


@check("G06", severity="error", formats=GEOPIXEL, guard="'[SEG]' not in user_marks")
def seg_in_question(record: RecordView) -> Iterator[Hit]:
    """A question of a record with masks holds [SEG].

    Upstream: The loader counts it, but the model looks for [SEG] in supervised text alone: an assertion fails in the forward pass, and the run crashes.
    Fix: Move [SEG] to the answer, or ask in words.
    Source: data_mix.py counts over the whole text, model/geopixel.py over the labels.
    Bad (geopixel): {"image": "a.png", "polygons": "square.json", "conversations": [{"from": "human", "value": "What is [SEG]?"}, {"from": "bot", "value": "A tank."}]}
    Good (geopixel): {"image": "a.png", "polygons": "square.json", "conversations": [{"from": "human", "value": "What is it?"}, {"from": "bot", "value": "<p> A tank </p> [SEG]"}]}
    """
    if record.kind in GROUNDING:
        for turn in record.spoken_by("user"):
            if turn.count(SEG):
                yield Hit(f"the question in turn {turn.index} holds {SEG}", turn.text_pointer)


@check("G07", severity="error", formats=GEOPIXEL, guard="kind != 'segmentation'")
def no_target(record: RecordView) -> Iterator[Hit]:
    """A record of masks has no mask and no [SEG].

    Upstream: The loader takes it; the model puts its result into a list that it never made: UnboundLocalError, the run crashes.
    Fix: Move the record to a file without masks, without the key.
    Source: model/geopixel.py: `pred_masks` where no [SEG] is found.
    Bad (geopixel): {"image": "a.png", "segmentation": [], "conversations": [{"from": "human", "value": "What?"}, {"from": "bot", "value": "A tank."}]}
    Bad (geopixel; file=nothing.json:{"polygons": []}): {"image": "a.png", "polygons": "nothing.json", "conversations": [{"from": "human", "value": "What?"}, {"from": "bot", "value": "A tank."}]}
    Good (geopixel): {"image": "a.png", "conversations": [{"from": "human", "value": "What?"}, {"from": "bot", "value": "A tank."}]}
    """
    masks = record.raw.get("segmentation")
    if record.kind == "segmentation" and isinstance(masks, list):
        yield from no_target_hits(record, len(masks), "/segmentation")


@check("G22", severity="error", formats=GEOPIXEL, guard="not empty_media", fixable="sometimes")
def inline_polygons(record: RecordView) -> Iterator[Hit]:
    """`polygons` is not the path of a file but, say, the polygons themselves.

    Upstream: An assertion fails, or open() does: the run crashes.
    Fix: Write {"polygons": …} into a file of its own and give its path.
    Source: data_mix.py: "polygons_file must be a string".
    Bad (geopixel): {"image": "a.png", "polygons": [[[[10, 10], [20, 10], [20, 20]]]], "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    Bad (geopixel): {"image": "a.png", "polygons": ["square.json"], "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    Good (geopixel): {"image": "a.png", "polygons": "square.json", "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    """
    if "polygons" not in record.raw:
        return
    value = record.raw["polygons"]
    if isinstance(value, str) and value:
        return
    what = "an empty string" if value == "" else type_name(value)
    single = isinstance(value, list) and len(value) == 1 and isinstance(value[0], str) and value[0]
    edits = (Edit("set", "/polygons", value[0]),) if single else ()
    yield Hit(f"`polygons` is {what}, not the path of a file", "/polygons", edits=edits)
