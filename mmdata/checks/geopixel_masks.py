"""GeoPixel: masks as RLE in the record, and the phrases and tokens they belong to (G14 to G20)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from mmdata.checks.geopixel import GEOPIXEL, GROUNDING, picture_size, type_name
from mmdata.checks.registry import SHAPE, Hit, check
from mmdata.checks.sidecars import SEG
from mmdata.checks.view import MediaView, RecordView
from mmdata.finding import Edit

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
    """A mask has no pixel: an RLE of zeros, or an object of a polygon file without rings.

    Upstream: The mask decoder is trained to predict nothing for the phrase.
    Fix: Remove the phrase's [SEG] together with the mask, or draw the mask.
    Source: data_mix.py; the dice loss of model/geopixel.py.
    Bad (geopixel): {"image": "a.png", "segmentation": [{"size": [48, 64], "counts": "PP3"}], "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    Bad (geopixel; file=hollow.json:{"polygons": [[]]}): {"image": "a.png", "polygons": "hollow.json", "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    Good (geopixel): {"image": "a.png", "polygons": "square.json", "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    """
    from mmdata.masks.rle import is_empty
    from mmdata.masks.run_lengths import RLEError

    for number, mask in rles(record):
        try:
            empty = isinstance(mask.get("counts"), str) and is_empty(mask)
        except RLEError:
            continue  # G17 says so
        if empty:
            yield Hit(f"mask {number} has no pixel", f"/segmentation/{number}")


@check("G15", severity="error", formats=GEOPIXEL, guard=SHAPE, fixable="sometimes")
def uncompressed_rle(record: RecordView) -> Iterator[Hit]:
    """An RLE gives its counts as a list of numbers.

    Upstream: pycocotools decodes compressed counts alone: TypeError, the run crashes.
    Fix: Compress the counts (pycocotools.mask.frPyObjects, or --fix).
    Source: data_mix.py: pycocotools.mask.decode.
    Bad (geopixel): {"image": "a.png", "segmentation": [{"size": [4, 4], "counts": [5, 2, 9]}], "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    Good (geopixel): {"image": "a.png", "segmentation": [{"size": [4, 4], "counts": "529"}], "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    """
    for number, mask in rles(record):
        if isinstance(mask.get("counts"), list):
            place = f"/segmentation/{number}/counts"
            text = _compressed(mask)
            edits = (Edit("set", place, text),) if text is not None else ()
            yield Hit(f"the counts of mask {number} are a list, not compressed text", place, edits=edits)


def _compressed(mask: dict[str, Any]) -> str | None:
    """The counts as COCO's text; None where they are no valid mask."""
    if not _decodes(mask):
        return None
    from pycocotools import mask as coco

    height, width = mask["size"]
    rle = {"size": [height, width], "counts": mask["counts"]}
    counts: bytes = coco.frPyObjects(rle, height, width)["counts"]
    return counts.decode("ascii")


def _decodes(mask: dict[str, Any]) -> bool:
    from mmdata.masks.rle import check as check_rle
    from mmdata.masks.run_lengths import RLEError

    try:
        check_rle(mask)
    except RLEError:
        return False
    return True


@check("G16", severity="error", formats=GEOPIXEL)
def rle_size(record: RecordView, media: MediaView) -> Iterator[Hit]:
    """The size of an RLE is not the size of the picture.

    Often height and width are exchanged, or the picture was resized. Looked at from `--media header` on; the size that
    counts is the stored one, EXIF rotation is never applied.

    Upstream: Nothing compares them; in the loss two tensors differ in shape: the run crashes in the first step that meets the record.
    Fix: Make the masks anew from the picture, with size [height, width].
    Source: data_mix.py; the mask loss of model/geopixel.py.
    Bad (geopixel; media=header): {"image": "a.png", "segmentation": [{"size": [64, 48], "counts": "Zd0:f100000000000000000fg1"}], "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    Good (geopixel; media=header): {"image": "a.png", "segmentation": [{"size": [48, 64], "counts": "Z?:V100000000000000000fQ2"}], "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    """
    size = picture_size(media)
    if size is None:
        return
    width, height = size
    wrong: dict[tuple[int, int], list[int]] = {}
    for number, mask in rles(record):
        match mask.get("size"):
            case [int(high), int(wide)] if min(high, wide) > 0 and (wide, high) != size:
                wrong.setdefault((high, wide), []).append(number)
    for (high, wide), numbers in wrong.items():
        which = f"mask {numbers[0]} is" if len(numbers) == 1 else f"masks {_list(numbers)} are"
        note = ": height and width are exchanged" if (high, wide) == (width, height) else ""
        message = f"{which} {high} high and {wide} wide, the picture {height} high and {width} wide{note}"
        place = f"/segmentation/{numbers[0]}/size"
        yield Hit(message, place, related_path=media.images[0][1])


def _list(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers[:5])) + (f" and {len(numbers) - 5} more" if len(numbers) > 5 else "")


@check("G17", severity="error", formats=GEOPIXEL, guard=NO_RLE, fixable="sometimes")
def broken_rle(record: RecordView) -> Iterator[Hit]:
    """An RLE does not decode to a mask of its size.

    Its runs do not sum to height times width, a run is negative, or the counts are no RLE text. The printed form of Python
    bytes, and backslashes that were doubled once too often, are repaired where the result is a whole mask.

    Upstream: pycocotools raises and the run crashes, or it fills the rest of the mask with whatever lies in memory.
    Fix: Encode the mask anew; decode bytes to text before writing JSON.
    Source: pycocotools.mask.decode.
    Bad (geopixel): {"image": "a.png", "segmentation": [{"size": [48, 64], "counts": "04"}], "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    Bad (geopixel): {"image": "a.png", "segmentation": [{"size": [48, 64], "counts": "b'Z?:V100000000000000000fQ2'"}], "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    Good (geopixel): {"image": "a.png", "segmentation": [{"size": [48, 64], "counts": "Z?:V100000000000000000fQ2"}], "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    """
    from mmdata.masks.rle import check as check_rle
    from mmdata.masks.run_lengths import RLEError

    for number, mask in rles(record):
        if "counts" not in mask or "size" not in mask:
            continue  # a key that is missing is the shape's business
        try:
            check_rle(mask)
        except RLEError as error:
            at = "size" if error.kind in ("size", "limit") else "counts"
            place = f"/segmentation/{number}/{at}"
            mended = _mended(mask)
            edits = (Edit("set", place, mended),) if mended is not None else ()
            yield Hit(f"mask {number}: {error}", place, edits=edits)


_PRINTED = re.compile(r"""\s*b(["'])(?P<text>.*)\1\s*""", re.DOTALL)


def _mended(mask: dict[str, Any]) -> str | None:
    """Counts that were printed or escaped once too often, as they were; None unless the result is a whole mask."""
    counts = mask.get("counts")
    if not isinstance(counts, str):
        return None
    printed = _PRINTED.fullmatch(counts)
    text = printed["text"] if printed else counts
    # Of the characters of RLE text, repr() escapes the backslash alone.
    for candidate in (text, text.replace("\\\\", "\\")):
        if candidate != counts and _decodes({**mask, "counts": candidate}):
            return candidate
    return None


@check("G18", severity="error", formats=GEOPIXEL, guard=SHAPE, fixable="sometimes")
def segmentation_type(record: RecordView) -> Iterator[Hit]:
    """`segmentation` is not a list of RLE: null, a single object, a string, or polygons.

    Upstream: The masks cannot be counted or decoded: a TypeError or an assertion, and the run crashes.
    Fix: Give a list with one compressed RLE for each [SEG]; polygons belong into a file named by `polygons`.
    Source: data_mix.py: pycocotools.mask.decode of each element.
    Bad (geopixel): {"image": "a.png", "segmentation": null, "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    Bad (geopixel): {"image": "a.png", "segmentation": {"size": [48, 64], "counts": "Z?:V100000000000000000fQ2"}, "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    Bad (geopixel): {"image": "a.png", "segmentation": [[10, 10, 20, 10, 20, 20]], "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    Good (geopixel): {"image": "a.png", "segmentation": [{"size": [48, 64], "counts": "Z?:V100000000000000000fQ2"}], "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    """
    if record.kind != "segmentation":
        return
    masks = record.raw["segmentation"]
    if not isinstance(masks, list):
        single = isinstance(masks, dict) and "size" in masks and "counts" in masks
        edits = (Edit("set", "/segmentation", [masks]),) if single else ()
        message = f"`segmentation` is {type_name(masks)}, not a list of RLE"
        yield Hit(message, "/segmentation", edits=edits)
        return
    for number, mask in enumerate(masks):
        if not isinstance(mask, dict):
            yield Hit(f"mask {number} is {type_name(mask)}, not an RLE", f"/segmentation/{number}")


@check(
    "G19",
    severity="warning",
    formats=GEOPIXEL,
    guard="kind not in ('polygons', 'segmentation') or answer_marks == ['[SEG]'] * len(answer_marks)"
    " or marked_answers < 2 and answer_marks == ['<p>', '</p> [SEG]'] * (len(answer_marks) // 3) + ['[SEG]'] * (len(answer_marks) // 3)"
    " or answer_marks == ['<p>', '</p> [SEG]', '[SEG]'] * marked_answers",
    fixable="sometimes",
)
def loose_phrase(record: RecordView) -> Iterator[Hit]:
    """A phrase is not closed, or not followed by exactly one [SEG].

    The pattern is `<p> phrase </p> [SEG]`. A [SEG] without a phrase is well.

    Upstream: Nothing enforces the pattern: the loose form is learned, and the demo does not find the phrase of a mask.
    Fix: Write `<p> phrase </p> [SEG]`.
    Source: model/geopixel.py learns any text; the regular expression in chat.py.
    Bad (geopixel): {"image": "a.png", "polygons": "square.json", "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here [SEG]"}]}
    Bad (geopixel): {"image": "a.png", "polygons": "square.json", "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p>, at the left: [SEG]"}]}
    Good (geopixel): {"image": "a.png", "polygons": "square.json", "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    Good (geopixel): {"image": "a.png", "polygons": "square.json", "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "It is [SEG]."}]}
    """
    if record.kind not in GROUNDING:
        return
    for turn in record.spoken_by("assistant"):
        text = turn.text or ""
        faults = list(_phrase_faults(text))
        if faults:
            repaired = _UNCLOSED.sub(lambda found: f"<p>{found['phrase'].rstrip()} </p> {SEG}", text)
            # Where the phrase was meant to end is a guess.
            mends = not any(_phrase_faults(repaired))
            edits = (Edit("set", turn.text_pointer, repaired),) if mends else ()
            more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
            message = f"{faults[0]} in turn {turn.index}{more}"
            yield Hit(message, turn.text_pointer, edits=edits, unsafe=True)


_TOKEN = re.compile(r"</?p>|(?:\[SEG\]\s*)+")
_UNCLOSED = re.compile(r"<p>(?P<phrase>(?:(?!</?p>|\[SEG\]).)*)\[SEG\](?:\s*</p>)?", re.DOTALL)
"""A phrase that no ``</p>`` closes before its ``[SEG]``."""


def _phrase_faults(text: str) -> Iterator[str]:
    """What keeps the phrases of a text from the pattern ``<p> phrase </p> [SEG]``."""
    opened: int | None = None
    closed: re.Match[str] | None = None
    for token in _TOKEN.finditer(text):
        masks = token[0].count(SEG)
        if closed is not None and (not masks or text[closed.end() : token.start()].strip()):
            yield "a phrase without [SEG] right after its </p>"
        elif closed is not None and masks > 1:
            yield f"a phrase with {masks} [SEG] after its </p>"
        closed = None
        if masks:
            if opened is not None:
                yield "[SEG] between <p> and </p>"
        elif token[0] == "<p>":
            if opened is not None:
                yield "<p> that nothing closes"
            opened = token.start()
        else:
            if opened is None:
                yield "</p> that closes nothing"
            else:
                closed = token
            opened = None
    if opened is not None:
        yield "<p> that nothing closes"
    if closed is not None:
        yield "a phrase without [SEG] right after its </p>"


TURN_END_TOKENS = 3
"""What the template puts behind a text: the end marker, a line break, and the end of the whole text."""


@check("G20", severity="error", formats=GEOPIXEL)
def seg_cut_off(record: RecordView, media: MediaView) -> Iterator[Hit]:
    """A [SEG] lies beyond the token limit.

    Off until `--assume max_length=N` says the limit, and below `--media header`, since the picture is most of a sample;
    `--assume hd_num=N` says its tiles. A warning without `--tokenizer DIR`: the number of tokens is an estimate then.

    Upstream: The sample is cut at the limit, and fewer [SEG] than masks remain: an assertion fails in the model, and the run crashes.
    Fix: Shorten the answer, split the record, or raise the limit.
    Source: model/IXC/modeling_internlm_xcomposer2.py: interleav_wrap.
    Bad (geopixel; media=header; max_length=450; hd_num=1): {"image": "a.png", "polygons": "square.json", "conversations": [{"from": "human", "value": "Where is the tank among all of the many other things that can be seen in this picture of a harbour with cranes, ships, roads and trees?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    Good (geopixel; media=header; max_length=4096; hd_num=1): {"image": "a.png", "polygons": "square.json", "conversations": [{"from": "human", "value": "Where?"}, {"from": "bot", "value": "<p> Here </p> [SEG]"}]}
    """
    limit, turns = record.assume("max_length"), [turn for turn in record.turns if turn.count(SEG)]
    if limit is None or media.level not in ("header", "decode") or record.kind not in GROUNDING or not turns:
        return
    from mmdata.tokens import sample_tokens

    turn = turns[-1]
    text = turn.text or ""
    kept = [*record.raw["conversations"][: turn.index], {**turn.raw, "value": text[: text.rindex(SEG)]}]
    count = sample_tokens(replace(record, raw={**record.raw, "conversations": kept}), [picture_size(media)])
    before = count.n - TURN_END_TOKENS
    if before >= limit:
        about = "" if count.exact else "about "
        message = f"the last {SEG} comes after {about}{before} tokens; the trainer keeps {limit}"
        yield Hit(message, turn.text_pointer, severity=None if count.exact else "warning")
