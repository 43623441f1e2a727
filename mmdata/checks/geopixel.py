"""GeoPixel: the keys of a record, its [SEG] and its phrases (G01 to G07, G18, G19, G22)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mmdata.checks.registry import SHAPE, Hit, check
from mmdata.checks.sidecars import SidecarFacts
from mmdata.checks.view import FileView, RecordView
from mmdata.finding import Edit

GEOPIXEL = ("geopixel",)
SEG = "[SEG]"


def targets(record: RecordView) -> int:
    """How many ``[SEG]`` the loader counts: over all turns, whoever speaks."""
    return record.count(SEG)


@check("G01", severity="error", formats=GEOPIXEL, keys=("polygon", "mask"), guard=SHAPE, fixable="sometimes")
def wrong_mask_key(record: RecordView) -> Iterator[Hit]:
    """The masks lie under `polygon` or `mask`, as the guide has it; the loader reads `polygons` and `segmentation`.

    In the first record of a file this decides for the whole file.

    Upstream: the key is never read. In the first record it makes the whole file one without masks; elsewhere the record is taken for one without masks, and the model crashes on its [SEG].
    Fix: Rename the key: `polygons` for the path of a polygon file, `segmentation` for a list of RLE.
    Source: `data_mix.py`, `train_data`.
    Bad (geopixel): {"image": "a.png", "polygon": "square.json", "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    Good (geopixel): {"image": "a.png", "polygons": "square.json", "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    """
    for key, right in (("polygon", "polygons"), ("mask", "segmentation")):
        if key not in record.raw or right in record.raw:
            continue
        value = record.raw[key]
        word = "polygons" if isinstance(value, str) else "segmentation" if isinstance(value, list) else None
        edits = (Edit("rename", f"/{key}", word),) if word and word not in record.raw else ()
        yield Hit(
            f"`{key}` is never read; the loader knows `polygons` and `segmentation`", f"/{key}", edits=edits
        )


@check("G02", severity="error", formats=GEOPIXEL)
def mixed_kinds(file: FileView) -> Iterator[Hit]:
    """Records with polygons, with RLE, with an image alone and with text alone stand in one file.

    The first record decides how the whole file is read.

    Upstream: after a first record with masks, a record that lacks the key is a KeyError: crash. After a first record without masks, the masks of all others are ignored.
    Fix: Split the file by kind and name each in data.txt.
    Source: `data_mix.py`, the type of a file is that of its first record.
    Bad (geopixel): [{"image": "a.png", "conversations": [{"from": "human", "value": "What?"}, {"from": "bot", "value": "A dog."}]}, {"image": "a.png", "polygons": "square.json", "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}]
    Good (geopixel): [{"image": "a.png", "polygons": "square.json", "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}]
    """
    first = file.first_kind
    for kind, facts in file.kinds.items():
        if first is None or kind == first:
            continue
        masks = first in ("polygons", "segmentation")
        lost = kind in ("polygons", "segmentation")
        if masks:
            upstream = f"the loader looks for `{first}` in every record: KeyError, the run crashes"
        elif lost:
            upstream = "the file is read as one without masks: these masks are ignored"
        elif first == "text":
            upstream = "the file is read as text: these images are ignored"
        else:
            upstream = "the file is read as one of images: KeyError, the run crashes"
        message = f"{facts.count} of {file.records} records are of the kind {kind}, the first record of the kind {first}"
        yield Hit(message, record=facts.first, upstream=upstream)


@check(
    "G03",
    severity="warning",
    formats=GEOPIXEL,
    guard="kind != 'polygons' or r.segmentation is UNSET",
    fixable="never",
)
def both_masks(record: RecordView) -> Iterator[Hit]:
    """A record has both `polygons` and `segmentation`.

    Upstream: the polygons win; the RLE masks are never read.
    Fix: Remove the one that is not meant.
    Source: `data_mix.py`.
    Bad (geopixel): {"image": "a.png", "polygons": "square.json", "segmentation": [{"size": [48, 64], "counts": "Z?:V100000000000000000fQ2"}], "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    Good (geopixel): {"image": "a.png", "polygons": "square.json", "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    """
    if "polygons" in record.raw and "segmentation" in record.raw:
        yield Hit("both `polygons` and `segmentation`: the RLE masks are never read", "/segmentation")


@check(
    "G04",
    severity="error",
    formats=GEOPIXEL,
    guard="n_images < 2 and type(r.image) is not list or kind not in ('polygons', 'segmentation')",
)
def image_list_with_masks(record: RecordView) -> Iterator[Hit]:
    """A record with masks gives its image as a list.

    Upstream: an assertion fails: masks belong to exactly one picture, named by a string. The run crashes.
    Fix: Give the path as a string; split a record of several pictures.
    Source: `data_mix.py`.
    Bad (geopixel): {"image": ["a.png"], "polygons": "square.json", "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    Good (geopixel): {"image": "a.png", "polygons": "square.json", "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    """
    if record.kind in ("polygons", "segmentation") and isinstance(record.raw.get("image"), list):
        yield Hit(f"`image` is a list of {len(record.raw['image'])} in a record with masks", "/image")


@check(
    "G05",
    severity="error",
    formats=GEOPIXEL,
    guard="kind != 'segmentation' or len(r.segmentation) == answer_marks.count('[SEG]') + user_marks.count('[SEG]') + other_marks.count('[SEG]')",
)
def mask_count(record: RecordView) -> Iterator[Hit]:
    """The number of [SEG] is not the number of masks.

    Mask k belongs to the k-th [SEG]; `[SEG]` is counted over all turns. For polygon files see the same code.

    Upstream: an assertion fails in the loader: the run crashes.
    Fix: Write one [SEG] for each mask, in the masks' order.
    Source: `data_mix.py`.
    Bad (geopixel): {"image": "a.png", "segmentation": [{"size": [48, 64], "counts": "Z?:V100000000000000000fQ2"}], "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG] and <p> there </p> [SEG]"}]}
    Bad (geopixel): {"image": "a.png", "polygons": "two.json", "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    Good (geopixel): {"image": "a.png", "polygons": "two.json", "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG] and <p> there </p> [SEG]"}]}
    """
    masks = record.raw.get("segmentation")
    if record.kind == "segmentation" and isinstance(masks, list) and (targets(record) or masks):
        yield from _mismatch(record, len(masks), "/segmentation")


def _mismatch(record: RecordView, masks: int, pointer: str, path: str | None = None) -> Iterator[Hit]:
    count = targets(record)
    if count != masks:
        answers = [turn for turn in record.turns if turn.count(SEG)]
        place = answers[0].text_pointer if len(answers) == 1 else pointer
        yield Hit(
            f"{count} [SEG] in the turns, {masks} {'mask' if masks == 1 else 'masks'}",
            place,
            related_path=path,
        )


@check("G06", severity="error", formats=GEOPIXEL, guard="not ('[SEG]' in user_marks)")
def seg_in_question(record: RecordView) -> Iterator[Hit]:
    """A user turn holds [SEG].

    Upstream: the loader counts it, the model looks for it only in supervised text: an assertion fails in the forward pass, and the run crashes.
    Fix: Move [SEG] to the answer, or ask in words.
    Source: `data_mix.py` counts over all turns, `modeling_geopixel.py` in the labels.
    Bad (geopixel): {"image": "a.png", "polygons": "square.json", "conversations": [{"from": "human", "value": "What is [SEG]?"}, {"from": "bot", "value": "A tank."}]}
    Good (geopixel): {"image": "a.png", "polygons": "square.json", "conversations": [{"from": "human", "value": "What is it?"}, {"from": "bot", "value": "<p> A tank </p> [SEG]"}]}
    """
    for turn in record.spoken_by("user"):
        if turn.count(SEG):
            yield Hit(f"the question in turn {turn.index} holds [SEG]", turn.text_pointer)


@check("G07", severity="error", formats=GEOPIXEL, guard="kind != 'segmentation' or len(r.segmentation) > 0")
def no_target(record: RecordView) -> Iterator[Hit]:
    """A record of masks has no mask and no [SEG].

    Upstream: the loader never sets a variable that it returns: UnboundLocalError, the run crashes.
    Fix: Remove the empty `segmentation` and move the record to a file without masks.
    Source: `data_mix.py`.
    Bad (geopixel): {"image": "a.png", "segmentation": [], "conversations": [{"from": "human", "value": "What?"}, {"from": "bot", "value": "A tank."}]}
    Good (geopixel): {"image": "a.png", "conversations": [{"from": "human", "value": "What?"}, {"from": "bot", "value": "A tank."}]}
    """
    if record.kind == "segmentation" and record.raw.get("segmentation") == [] and targets(record) == 0:
        yield Hit("no mask and no [SEG] in a record of masks", "/segmentation")


@check("G18", severity="error", formats=GEOPIXEL, guard=SHAPE)
def segmentation_type(record: RecordView) -> Iterator[Hit]:
    """`segmentation` is not a list of RLE: null, a single object, or polygons.

    Upstream: TypeError or KeyError when the masks are decoded: the run crashes.
    Fix: Give a list with one compressed RLE for each [SEG]; polygons belong into a file named by `polygons`.
    Source: `data_mix.py`.
    Bad (geopixel): {"image": "a.png", "segmentation": null, "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    Bad (geopixel): {"image": "a.png", "segmentation": [[10, 10, 20, 10, 20, 20]], "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    Good (geopixel): {"image": "a.png", "segmentation": [{"size": [48, 64], "counts": "Z?:V100000000000000000fQ2"}], "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    """
    if "segmentation" not in record.raw:
        return
    masks = record.raw["segmentation"]
    if not isinstance(masks, list):
        words = {dict: "one object", str: "a string", type(None): "null"}
        what = words.get(type(masks), type(masks).__name__)
        yield Hit(f"`segmentation` is {what}, not a list of RLE", "/segmentation")
        return
    for number, mask in enumerate(masks):
        if not isinstance(mask, dict):
            what = "a polygon" if isinstance(mask, list) else "null" if mask is None else type(mask).__name__
            yield Hit(f"mask {number} is {what}, not an RLE", f"/segmentation/{number}")


_PHRASE = re.compile(r"<p>(?:(?!</?p>|\[SEG\]).)*</p>\s*(?P<masks>\[SEG\])?|</?p>", re.DOTALL)


@check(
    "G19",
    severity="warning",
    formats=GEOPIXEL,
    guard="marked_answers < 2 and answer_marks == ['<p>', '</p> [SEG]'] * (len(answer_marks) // 3) + ['[SEG]'] * (len(answer_marks) // 3)",
)
def loose_phrase(record: RecordView) -> Iterator[Hit]:
    """A phrase is not closed, or not followed by its [SEG].

    Every published sample has `<p> phrase </p> [SEG]`.

    Upstream: nothing enforces the pattern; the model learns the loose form, and the phrase is lost to the evaluation, which looks for the pattern.
    Fix: Write `<p> phrase </p> [SEG]`.
    Source: `data_mix.py`; the evaluation's regular expression.
    Bad (geopixel): {"image": "a.png", "polygons": "square.json", "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here [SEG]"}]}
    Good (geopixel): {"image": "a.png", "polygons": "square.json", "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    """
    for turn in record.spoken_by("assistant"):
        for match in _PHRASE.finditer(turn.text or ""):
            if match[0] in ("<p>", "</p>"):
                yield Hit(f"{match[0]} without its partner in turn {turn.index}", turn.text_pointer)
            elif match["masks"] is None:
                yield Hit(
                    f"{match[0].strip()[:60]!r} in turn {turn.index} is not followed by [SEG]",
                    turn.text_pointer,
                )


@check("G22", severity="error", formats=GEOPIXEL, guard=SHAPE)
def inline_polygons(record: RecordView) -> Iterator[Hit]:
    """`polygons` holds the polygons themselves; the loader wants the path of a file.

    Upstream: open() of a list: TypeError, the run crashes.
    Fix: Write {"polygons": …} into a file of its own and give its path.
    Source: `data_mix.py`.
    Bad (geopixel): {"image": "a.png", "polygons": [[[[10, 10], [20, 10], [20, 20]]]], "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    Good (geopixel): {"image": "a.png", "polygons": "square.json", "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    """
    if "polygons" in record.raw and not isinstance(record.raw["polygons"], str):
        what = {list: "a list", dict: "an object", type(None): "null"}.get(
            type(record.raw["polygons"]), "no string"
        )
        yield Hit(f"`polygons` is {what}, not the path of a file", "/polygons")


__all__ = ["GEOPIXEL", "SEG", "SidecarFacts", "targets"]
