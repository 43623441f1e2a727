"""VideoRefer's VideoLLaMA3 dialect (L01 to L18) against what the loader and its processor do with a record."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco

import mmdata
from mmdata.checks.registry import get_check
from mmdata.checks.view import RecordView
from mmdata.format import get_format
from mmdata.io.edits import apply
from mmdata.options import Options
from mmdata.validating.fastpath import DECODE_ERRORS, FastPath

CODES = (
    "L01",
    "L02",
    "L03",
    "L04",
    "L05",
    "L07",
    "L08",
    "L10",
    "L11",
    "L13",
    "L14",
    "L15",
    "L16",
    "L17",
    "L18",
)
FRAMES = 2
RLE = {"size": [4, 4], "counts": "529"}
OTHER = {"size": [2, 8], "counts": "529"}
FLAT = [[0, 0, 3, 0, 3, 3]]


def found(record: dict[str, Any]) -> dict[str, list[Any]]:
    view = RecordView(
        raw=record, format=get_format("videorefer-vl3"), options=Options(), index=0, path="a.json"
    )
    return {code: hits for code in CODES if (hits := list(get_check(code).function(view)))}


def errors(hits: dict[str, list[Any]]) -> set[str]:
    return {c for c, of in hits.items() for h in of if (h.severity or get_check(c).severity) == "error"}


class Swap(Exception):
    """The loader replaces the sample."""


def pixels(mask: Any, height: Any, width: Any) -> Any:
    if isinstance(mask, list):
        return coco.decode(coco.merge(coco.frPyObjects(mask, height, width)))
    return coco.decode(coco.frPyObjects(mask, height, width) if isinstance(mask["counts"], list) else mask)


def load(record: dict[str, Any]) -> list[str]:
    """The texts that are trained; a picture in them is ▣, a region [R].

    Raises:
        Swap: the loader fails.
    """
    turns = [dict(turn) for turn in record["conversations"]]
    while turns and turns[0]["from"] not in ("human", "system"):
        turns = turns[1:]
    if len(turns) < 2:
        raise Swap
    kind = next((key for key in ("image", "video") if record.get(key) is not None), "text")
    tag, pictures, masks = "<image>" if kind == "image" else "<video>", 0, []
    if kind != "text" and not any(tag in turn["value"] for turn in turns):
        turns[0]["value"] = tag + turns[0]["value"]
    media, entries = record.get(kind), record.get("masks")
    try:
        if kind != "text" and entries is not None and (kind == "video" or entries):
            size = (record["height"], record["width"]) if "height" in record else (None, None)
            found = (
                entries
                if kind == "image"
                else [m for e in entries for _, m in ((int(k), m) for k, m in e.items())]
            )
            masks = [pixels(mask, *size) for mask in found]
            np.stack(masks)
        if kind == "image":
            pictures = len(media) if isinstance(media, list) else 1
        elif kind == "video":
            if not isinstance(media, list) or not media:
                raise ValueError("unsupported video")
            pictures = FRAMES if len(media) == 1 else len(media)
            if len(media) > 1:
                assert len(record["timestamps"]) >= pictures
                assert record["masked_video"] is not None
    except Exception as error:
        raise Swap from error
    for _ in masks:
        turn = next((turn for turn in turns if "<region>" in turn["value"]), None)
        if turn is None:
            raise Swap
        turn["value"] = turn["value"].replace("<region>", "[R]", 1)
    texts = []
    for turn in turns:
        text = turn["value"]
        if turn["from"] == "human" and kind != "image":
            text = text.replace("<video>", "<image>" * pictures if kind == "video" else "")
        texts.append(text)
    if sum(text.count("<image>") for text in texts) != pictures:
        raise Swap
    return [text.replace("<image>", "▣") for text in texts]


texts = st.lists(st.sampled_from(["<image>\n", "<video>", "<region>", " a "]), max_size=3).map("".join)
MEDIA: list[dict[str, Any]] = [
    {"image": "a.png"},
    {"image": ["a.png", "b.png"]},
    {"image": None, "video": ["a.mp4"]},
    {"video": ["a.mp4"]},
    {"video": "a.mp4"},
    {"video": []},
    {"video": ["a.png", "b.png"]},
    {"video": ["a.png", "b.png"], "timestamps": [0, 1], "masked_video": ["c.png", "d.png"]},
    {"video": None},
    {},
]
SIZES: list[dict[str, Any]] = [{}, {"height": 4, "width": 4}, {"height": 4}, {"width": 4}]
segmentations = st.sampled_from([RLE, RLE, RLE, OTHER, FLAT, None, {"counts": "529"}, [[0, 0, 3, 0]]])
frames = st.dictionaries(st.sampled_from(["0", "5", "x"]), segmentations, max_size=2)


@st.composite
def records(draw: st.DrawFn) -> dict[str, Any]:
    roles = draw(st.sampled_from([[], ["gpt"], ["gpt", "gpt"]])) + ["human", "gpt"] * draw(st.integers(1, 2))
    record = {**draw(st.sampled_from(MEDIA)), **draw(st.sampled_from(SIZES))}
    record["conversations"] = [{"from": role, "value": draw(texts)} for role in roles]
    kind = next((key for key in ("image", "video") if record.get(key) is not None), "text")
    masks = draw(st.none() | st.lists(segmentations if kind == "image" else frames, max_size=2))
    if masks is not None or draw(st.booleans()):
        record["masks"] = masks
    return record


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of pycocotools
@settings(max_examples=1000, deadline=None)
@given(record=records())
def test_a_finding_exactly_where_the_loader_spoils_something(record: dict[str, Any]) -> None:
    hits = found(record)
    bad_box = [[0, 0, 3, 0]] in [
        m
        for e in record.get("masks") or []
        for m in ([e] if isinstance(e, list) else e.values() if e else [])
    ]
    try:
        trained = load(record)
    except Swap:
        assert errors(hits), record
        return
    left = any(tag in text for text in trained for tag in ("<region>", "<video>"))
    ignored = bool(record.get("masks")) and not record.get("image") and not record.get("video")
    asked = "".join(turn["value"] for turn in record["conversations"] if turn["from"] == "human")
    vanished = "<video>" in asked and not record.get("image") and not record.get("video")
    clean = not (left or ignored or vanished or bad_box)
    if clean:
        assert not errors(hits), record
    else:
        assert hits, record


@pytest.mark.parametrize("code", CODES)
@settings(max_examples=150, deadline=None)
@given(record=records())
def test_each_guard_alone_hides_no_hit(code: str, record: dict[str, Any]) -> None:
    fast = FastPath(get_format("videorefer-vl3"), [get_check(code)], Options(media="none"))
    try:
        struct = fast.decode(json.dumps(record).encode())
    except DECODE_ERRORS:
        return
    if fast.accept(struct) is not None:
        assert code not in found(record)


def ask(*texts: str, **keys: Any) -> dict[str, Any]:
    turns = [{"from": ("human", "gpt")[i % 2], "value": text} for i, text in enumerate(texts)]
    return {**keys, "conversations": turns}


@pytest.mark.parametrize(
    "record, codes",
    [
        (ask("<image>\nWhat?", "A dog.", image="a", video=None, masks=None), []),
        (ask("What?", "A dog.", image=None, video=["a.mp4"]), []),
        (ask("<image>\nWhat is <video>?", "A tag.", image="a"), ["L11"]),
        (ask("What?", "<video> is a tag.", video=["a.mp4"]), ["L11"]),
        (ask("What?", "An <image>.", image="a"), []),  # it takes the picture
        (ask("What is <region>?", "A dog.", masks=[RLE]), ["L04"]),
        (ask("What?", "A dog.", video=["a.mp4"], masks=[{}]), ["L10"]),
        (ask("What?", "A dog.", image="a", masks=[]), ["L10"]),
        (ask("<region>", "A dog.", image="a", masks=[RLE], height=4), ["L14"]),
        (ask("<region>", "A dog.", image="a", masks=[FLAT], width=4), ["L14"]),
        (ask("<region>", "A dog.", image="a", masks=[RLE], width=4), []),
        (ask("<region> <region>", "A dog.", image="a", masks=[RLE, OTHER]), ["L15"]),
        (ask("<region>", "A dog.", video=["a.mp4"], masks=[{"x": RLE}]), ["L16"]),
        (ask("<region>", "A dog.", video=["a.mp4"], masks=[{"segmentation": RLE}]), ["L03"]),
        (ask("<video>", "A dog.", video=["a.png", "b.png"], timestamps=[0, 1]), ["L17"]),
        (ask("<video>", "A dog.", video=["a", "b"], timestamps=[0], masked_video=[]), ["L17"]),
        (ask("<region>", "A dog.", video=["a", "b"], timestamps=[0, 1], masked_video=[], masks=[{"0": RLE}]), ["L17"]),
        (ask("<region> <region>", "A dog.", video=["a.gif"], masks=[{"3": RLE, "1": RLE}]), ["L18"]),
        (ask("<region> <region>", "A dog.", video=["a.gif"], masks=[{"1": RLE, "3": RLE}]), []),
        (ask("What?", "A dog.", image="a", stream=True), ["L13"]),
        (ask("What?", "A dog.", image="a", stream=False), []),
    ],
)  # fmt: skip
def test_named_cases(record: dict[str, Any], codes: list[str]) -> None:
    assert sorted(found(record)) == codes


def test_null_is_absent_for_the_whole_command(tmp_path: Any) -> None:
    record = ask("<video>\nWhat?", "A dog.", image=None, video=["a.mp4"], masks=None)
    path = tmp_path / "a.json"
    path.write_text(json.dumps([record]))
    assert list(mmdata.validate(path, format="videorefer-vl3", media="none")) == []


@pytest.mark.parametrize(
    "annotation, masks",
    [
        ([{"0": {"segmentation": RLE}}], [{"0": RLE}]),
        ([{"0": {"segmentation": RLE, "score": 1}}], None),
        ([{"0": {"segmentation": None}}], None),
        ([{}], None),
    ],
)
def test_l02_moves_masks_where_nothing_is_lost(annotation: Any, masks: Any) -> None:
    record = ask("<video>\n<region>", "A dog.", video=["a.mp4"], annotation=annotation)
    (hit,) = found(record)["L02"]
    after = json.loads(apply(json.dumps(record).encode(), hit.edits)) if hit.edits else {}
    assert after.get("masks") == masks


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_l05_and_l06_see_the_same_pixels_as_a_drawn_mask(data: Any) -> None:
    height, width = data.draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    drawn = np.array(
        data.draw(st.lists(st.booleans(), min_size=height * width, max_size=height * width)), np.uint8
    )
    drawn = drawn.reshape(height, width)
    rle = coco.encode(np.asfortranarray(drawn))
    mask = {"size": [height, width], "counts": rle["counts"].decode()}
    view = RecordView(
        raw=ask("<region>", "A dog.", image="a", masks=[mask]),
        format=get_format("videorefer-vl3"),
        options=Options(),
        index=0,
        path="a",
    )
    assert bool(list(get_check("L05").function(view))) == (not drawn.any())
    # The crop leaves out the last row and column of the canvas.
    assert bool(list(get_check("L06").function(view))) == (bool(drawn.any()) and not drawn[:-1, :-1].any())
