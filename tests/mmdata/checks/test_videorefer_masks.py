"""VideoRefer v1's masks (V06 to V10, V12 to V14, V16, V21) against pycocotools and the loader's own steps."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco

from mmdata.checks.registry import Hit, get_check, selected
from mmdata.checks.view import MediaView, RecordView
from mmdata.format import MediaRef, get_format
from mmdata.io.edits import apply
from mmdata.media.images import ImageFacts
from mmdata.media.videos import VideoFacts
from mmdata.options import Options

CODES = ("V06", "V07", "V08", "V09", "V12", "V14", "V16", "V21")


def record(*objects: Any, media: str = "a.png", **keys: Any) -> dict[str, Any]:
    kind = "image" if media.endswith(".png") else "video"
    text = f"<{kind}>\n" + "<region>" * len(objects)
    turns = [{"from": "human", "value": text}, {"from": "gpt", "value": "A dog."}]
    return {kind: media, "annotation": list(objects), **keys, "conversations": turns}


def on(mask: Any, frame: str = "0") -> dict[str, Any]:
    return {frame: {"segmentation": mask}}


def codes(raw: dict[str, Any]) -> set[str]:
    view = RecordView(raw=raw, format=get_format("videorefer"), options=Options(), index=0, path="a.json")
    return {code for code in CODES if list(get_check(code).function(view))}


def with_media(code: str, raw: dict[str, Any], facts: ImageFacts | VideoFacts) -> list[Hit]:
    kind = "video" if isinstance(facts, VideoFacts) else "image"
    seen: list[Any] = [(MediaRef(kind, "a", f"/{kind}"), "a", facts)]
    media = MediaView("header", seen if kind == "image" else [], seen if kind == "video" else [])
    options = Options(media="header")
    view = RecordView(raw=raw, format=get_format("videorefer"), options=options, index=0, path="a")
    checks = [c for c in selected("videorefer", select=[code]) if c.stage == "media"]
    return [hit for check in checks for hit in check.function(view, media)]


def decoded(mask: Any, height: Any, width: Any) -> Any:
    """The loader's way from a segmentation to pixels; raises where it raises."""
    if isinstance(mask, list):
        return coco.decode(coco.merge(coco.frPyObjects(mask, height, width)))
    return coco.decode(coco.frPyObjects(mask, height, width) if isinstance(mask["counts"], list) else mask)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of pycocotools
@settings(max_examples=500, deadline=None)
@given(
    polygons=st.lists(
        st.lists(st.one_of(st.integers(-2, 20), st.floats(0, 20)), max_size=9)
        | st.lists(st.lists(st.integers(0, 9), min_size=2, max_size=2), max_size=4)
        | st.integers(0, 9),
        max_size=3,
    )
)
def test_v16_polygons_that_pycocotools_takes_as_polygons(polygons: list[Any]) -> None:
    try:
        decoded(polygons, 20, 20)
        taken = all(isinstance(p, list) and len(p) >= 6 and len(p) % 2 == 0 for p in polygons)
    except (TypeError, IndexError, ValueError, Exception):
        taken = False
    assert ("V16" in codes(record(on(polygons), height=20, width=20))) == (not taken)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of pycocotools
@settings(max_examples=200, deadline=None)
@given(bits=st.lists(st.booleans(), min_size=1, max_size=60), height=st.integers(1, 6))
def test_v21_is_silent_on_what_pycocotools_wrote(bits: list[bool], height: int) -> None:
    bits = bits[: len(bits) // height * height] or [True] * height
    pixels = np.array(bits, np.uint8).reshape((height, -1), order="F")
    rle = coco.encode(np.asfortranarray(pixels))
    mask = {"size": list(rle["size"]), "counts": rle["counts"].decode()}
    assert codes(record(on(mask))) == set()
    runs = [len(bits)]
    for wrong in ([*mask["size"][:1], mask["size"][1] + 1], [mask["size"][0] + 1, mask["size"][1]]):
        assert "V21" in codes(record(on({"size": wrong, "counts": mask["counts"]}))), runs


RLE_A = {"size": [4, 4], "counts": "529"}
RLE_B = {"size": [2, 8], "counts": "529"}
FLAT = [[0, 0, 3, 0, 3, 3]]
LISTED = {"size": [4, 4], "counts": [5, 2, 9]}
masks = st.sampled_from([RLE_A, RLE_B, FLAT, LISTED])


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of pycocotools
@settings(max_examples=300, deadline=None)
@given(
    objects=st.lists(masks, min_size=1, max_size=3),
    size=st.sampled_from([{}, {"height": 4}, {"width": 4}, {"height": 4, "width": 4}]),
)
def test_sizes_as_the_loader_stacks_them(objects: list[Any], size: dict[str, int]) -> None:
    raw = record(*(on(mask) for mask in objects), **size)
    crashes = False
    try:
        height, width = (raw["height"], raw["width"]) if "height" in raw else (None, None)
        shapes = {decoded(mask, height, width).shape[:2] for mask in objects}
        crashes = len(shapes) > 1
    except (KeyError, TypeError):
        crashes = True
    assert bool(codes(raw) & {"V07", "V08", "V09"}) == crashes


def test_v08_needs_an_annotation() -> None:
    raw = record(on(None), height=4)
    assert codes(raw) == {"V08"}
    del raw["annotation"]
    assert codes(raw) == set()


def test_v07_adds_the_size_that_the_rle_has() -> None:
    view_of = {"format": get_format("videorefer"), "options": Options(), "index": 0, "path": "a"}
    for size, edits in (({}, 2), ({"width": 4}, 1), ({"width": 9}, 0)):
        raw = record(on(LISTED), **size)
        (hit,) = get_check("V07").function(RecordView(raw=raw, **view_of))
        assert len(hit.edits) == edits
        if edits:
            after = json.loads(apply(json.dumps(raw).encode(), hit.edits))
            assert (after["height"], after["width"]) == (4, 4)
            assert codes(after) == set()


@pytest.mark.parametrize("key", ["0", "7", " 3 ", "1_0", "٣", "first", "", "-1", "1.0", "0x1"])
def test_v06_takes_what_int_takes(key: str) -> None:
    try:
        fine = int(key) >= 0
    except ValueError:
        fine = False
    assert ("V06" in codes(record(on(RLE_A, key), media="a.mp4"))) == (not fine)
    assert "V06" not in codes(record(on(RLE_A, key)))  # never read for a picture


@pytest.mark.parametrize(
    "media, objects, hit",
    [
        ("a.gif", [{**on(RLE_A, "1"), **on(RLE_A, "3")}], True),
        ("a.gif", [on(RLE_A, "1"), on(RLE_A, "3")], True),
        ("a.gif", [on(RLE_A, "3"), on(RLE_A, "3")], False),
        ("a.GIF", [on(RLE_A, "1"), on(RLE_A, "3")], False),
        ("a.mp4", [on(RLE_A, "1"), on(RLE_A, "3")], False),
    ],
)
def test_v12_a_gif_with_masks_on_several_frames(media: str, objects: list[Any], hit: bool) -> None:
    assert ("V12" in codes(record(*objects, media=media))) == hit


@pytest.mark.parametrize("keys, hit", [(1, False), (0, True), (2, True)])
def test_v14_one_frame_for_an_object_of_a_picture(keys: int, hit: bool) -> None:
    entry = {str(k): {"segmentation": RLE_A} for k in range(keys)}
    assert ("V14" in codes(record(entry))) == hit
    assert "V14" not in codes(record(entry, media="a.mp4"))


def test_media_tell_the_rest() -> None:
    picture = ImageFacts(width=8, height=2)
    assert with_media("V10", record(on(RLE_A)), picture)
    assert with_media("V10", record(on(RLE_B)), picture) == []
    assert with_media("V10", record(on(None)), picture) == []


def test_v06_no_frame_beyond_the_end() -> None:
    video = VideoFacts(frames=8)
    assert with_media("V06", record(on(RLE_A, "7"), media="a.mp4"), video) == []
    (hit,) = with_media("V06", record(on(RLE_A, "7"), on(RLE_A, "8"), media="a.mp4"), video)
    assert hit.pointer == "/annotation/1/8"


def test_v09_a_null_mask_is_as_large_as_the_picture() -> None:
    both = record(on(None), on(RLE_A))
    assert codes(both) == set()
    assert with_media("V09", both, ImageFacts(width=4, height=4)) == []
    (hit,) = with_media("V09", both, ImageFacts(width=8, height=2))
    assert hit.pointer == "/annotation/1/0/segmentation"
    assert with_media("V09", record(on(RLE_A)), ImageFacts(width=8, height=2)) == []
