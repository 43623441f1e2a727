"""GeoPixel's RLE masks, phrases and token limit: G14 to G20."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco

from mmdata.checks.geopixel_masks import _phrase_faults
from mmdata.checks.registry import Hit, get_check, selected
from mmdata.checks.view import MediaView, RecordView
from mmdata.format import MediaRef, get_format
from mmdata.io.edits import apply
from mmdata.media.images import ImageFacts
from mmdata.options import Options
from mmdata.validating.fastpath import FastPath

PHRASE = "<p> a </p> [SEG]"
RLE = {"size": [4, 4], "counts": "529"}


def record(segmentation: Any, *answers: str) -> dict[str, Any]:
    turns = [
        {"from": role, "value": text}
        for answer in answers or (PHRASE,)
        for role, text in (("human", "Where?"), ("bot", answer))
    ]
    return {"image": "a.png", "segmentation": segmentation, "conversations": turns}


def repaired(raw: dict[str, Any], hit: Hit) -> Any:
    return json.loads(apply(json.dumps(raw).encode(), hit.edits))


def with_media(code: str, raw: dict[str, Any], size: tuple[int, int] | None, **options: Any) -> list[Hit]:
    picture = ImageFacts() if size is None else ImageFacts(width=size[0], height=size[1])
    options = {"media": "header", **options}
    media = MediaView(options["media"], [(MediaRef("image", "a.png", "/image"), "a.png", picture)], [])
    view = RecordView(
        raw=raw, format=get_format("geopixel"), options=Options(**options), index=0, path="data.json"
    )
    return list(get_check(code).function(view, media))


def encoded(pixels: Any) -> dict[str, Any]:
    rle = coco.encode(np.asfortranarray(pixels, dtype=np.uint8))
    return {"size": list(rle["size"]), "counts": rle["counts"].decode()}


# --- G14, G15, G17, G18 -------------------------------------------------------------------------------------------


def test_g14_only_masks_without_a_pixel(hits: Any) -> None:
    masks = [
        encoded(np.zeros((5, 3))),
        encoded(np.ones((5, 3))),
        encoded(np.eye(5)),
        {"size": [4, 4], "counts": "zz"},
        None,
    ]
    assert [h.pointer for h in hits("G14", "geopixel", record(masks))] == ["/segmentation/0"]


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of pycocotools
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_g15_a_list_becomes_the_text_that_pycocotools_writes(data: Any) -> None:
    shape = data.draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
    pixels = np.array(
        data.draw(st.lists(st.booleans(), min_size=shape[0] * shape[1], max_size=shape[0] * shape[1])),
        np.uint8,
    )
    changes = np.flatnonzero(np.diff(np.concatenate([[0], pixels]))).tolist()
    counts = np.diff([0, *changes, len(pixels)]).tolist()
    raw = record([{"size": list(shape), "counts": counts}])
    view = RecordView(raw=raw, format=get_format("geopixel"), options=Options(), index=0, path="data.json")
    (hit,) = get_check("G15").function(view)
    rle = repaired(raw, hit)["segmentation"][0]
    assert (coco.decode(rle).flatten(order="F") == pixels).all()
    assert (
        list(
            get_check("G17").function(
                RecordView(raw=repaired(raw, hit), format=view.format, options=Options(), index=0, path="")
            )
        )
        == []
    )


@pytest.mark.parametrize("counts", [[5, 2], [-1, 17], ["5"], [1 << 70]])
def test_g15_a_list_that_is_no_mask_is_not_compressed(hits: Any, counts: Any) -> None:
    (hit,) = hits("G15", "geopixel", record([{"size": [4, 4], "counts": counts}]))
    assert hit.edits == ()


@pytest.mark.parametrize(
    "mask, at, counts",
    [
        ({"size": [4, 4], "counts": "52"}, "counts", None),
        ({"size": [4, 5], "counts": "529"}, "counts", None),
        ({"size": [4], "counts": "529"}, "size", None),
        ({"size": [1 << 20, 1 << 20], "counts": "529"}, "size", None),
        ({"size": [4, 4], "counts": 529}, "counts", None),
        ({"size": [4, 4], "counts": "b'529'"}, "counts", "529"),
        ({"size": [4, 4], "counts": 'b"529"'}, "counts", "529"),
        ({"size": [4, 4], "counts": "b'5'"}, "counts", None),
    ],
)
def test_g17_names_the_part_and_mends_what_was_printed(
    hits: Any, mask: Any, at: str, counts: str | None
) -> None:
    raw = record([RLE, mask])
    (hit,) = hits("G17", "geopixel", raw)
    assert hit.pointer == f"/segmentation/1/{at}"
    assert (repaired(raw, hit)["segmentation"][1]["counts"] if hit.edits else None) == counts


def test_g17_single_backslashes_come_back() -> None:
    rle = encoded(np.arange(100 * 100).reshape(100, 100, order="F") >= 44)
    assert "\\" in rle["counts"]
    printed = {**rle, "counts": repr(rle["counts"].encode())}
    doubled = {**rle, "counts": rle["counts"].replace("\\", "\\\\")}
    for broken in (printed, doubled):
        raw = record([broken])
        view = RecordView(
            raw=raw, format=get_format("geopixel"), options=Options(), index=0, path="data.json"
        )
        (hit,) = get_check("G17").function(view)
        assert repaired(raw, hit)["segmentation"] == [rle]


@pytest.mark.parametrize("mask", [RLE, {"counts": "529"}, {"size": [4, 4]}, None, "529"])
def test_g17_leaves_shapes_to_others(hits: Any, mask: Any) -> None:
    assert hits("G17", "geopixel", record([mask])) == []


@pytest.mark.parametrize(
    "value, word",
    [(None, "null"), ("529", "a string"), (5, "a number"), ({}, "an object"), (True, "true or false")],
)
def test_g18_what_is_no_list(hits: Any, value: Any, word: str) -> None:
    (hit,) = hits("G18", "geopixel", record(value))
    assert word in hit.message
    assert hit.edits == ()


def test_g18_one_rle_is_put_into_a_list(hits: Any) -> None:
    (hit,) = hits("G18", "geopixel", record(RLE))
    assert repaired(record(RLE), hit)["segmentation"] == [RLE]


def test_g18_each_element_that_is_no_rle(hits: Any) -> None:
    found = hits("G18", "geopixel", record([RLE, [[1, 1, 2, 2, 3, 3]], None]))
    assert [h.pointer for h in found] == ["/segmentation/1", "/segmentation/2"]
    assert hits("G18", "geopixel", {**record(None), "polygons": "a.json"}) == []  # never read


# --- G16 ----------------------------------------------------------------------------------------------------------


def test_g16_masks_of_one_wrong_size_are_one_hit() -> None:
    raw = record(
        [
            {"size": [64, 48], "counts": ""},
            {"size": [48, 64], "counts": ""},
            {"size": [64, 48], "counts": ""},
            {"size": [1, 1], "counts": ""},
        ]
    )
    turned, tiny = with_media("G16", raw, (64, 48))
    assert "masks 0, 2 are 64 high and 48 wide" in turned.message
    assert "exchanged" in turned.message
    assert (turned.pointer, tiny.pointer) == ("/segmentation/0/size", "/segmentation/3/size")
    assert "exchanged" not in tiny.message


@pytest.mark.parametrize("size", [[48, 64], None, [0, 0], ["48", "64"], [48, 64, 1], "48"])
def test_g16_the_right_size_and_what_is_no_size(size: Any) -> None:
    assert with_media("G16", record([{"size": size, "counts": ""}]), (64, 48)) == []


def test_g16_needs_the_picture() -> None:
    assert with_media("G16", record([RLE]), None) == []


# --- G19 ----------------------------------------------------------------------------------------------------------

GOOD = ["", "No phrase.", PHRASE, f"{PHRASE}, {PHRASE}.", "<p> a </p>[SEG]", "<p> a </p>\n [SEG]", "It is [SEG].", "[SEG] [SEG]",
        f"[SEG] and {PHRASE}", f"{PHRASE}, [SEG]", "<p></p> [SEG]"]  # fmt: skip


@pytest.mark.parametrize("text", GOOD)
def test_g19_the_pattern_in_all_its_forms(hits: Any, text: str) -> None:
    assert hits("G19", "geopixel", record([RLE], text)) == []


@pytest.mark.parametrize(
    "text, mended",
    [
        ("<p> a [SEG]", "<p> a </p> [SEG]"),
        ("<p> a [SEG] </p> is", "<p> a </p> [SEG] is"),
        (f"<p> a [SEG] and {PHRASE}", f"<p> a </p> [SEG] and {PHRASE}"),
        ("a </p> [SEG]", None),
        ("<p> a </p> is [SEG]", None),
        ("<p> a </p> [SEG] [SEG]", None),
        ("<p> a </p>", None),
        ("<p> a", None),
        ("<p> a <p> b </p> [SEG]", None),
        ("<p> a </p> <p> b </p> [SEG]", None),
    ],
)
def test_g19_what_breaks_the_pattern(hits: Any, text: str, mended: str | None) -> None:
    raw = record([RLE], PHRASE, text)
    (hit,) = hits("G19", "geopixel", raw)
    assert (hit.pointer, hit.unsafe) == ("/conversations/3/value", True)
    assert (repaired(raw, hit)["conversations"][3]["value"] if hit.edits else None) == mended


def test_g19_html_in_a_record_of_text_is_no_phrase(hits: Any) -> None:
    turns = [{"from": "human", "value": "Write HTML."}, {"from": "bot", "value": "<p>Hello</p>"}]
    assert hits("G19", "geopixel", {"conversations": turns}) == []
    assert hits("G19", "geopixel", {"image": "a.png", "conversations": turns}) == []


def test_g19_takes_time_in_proportion_to_the_text(hits: Any) -> None:
    for text in (
        "<p>" + " " * 200_000,
        "<p> a" * 50_000,
        "[SEG] " * 50_000 + "<p>",
        "<p>" + "[SEG] " * 50_000,
    ):
        assert hits("G19", "geopixel", record([RLE], text))


@settings(max_examples=300, deadline=None)
@given(
    texts=st.lists(
        st.lists(st.sampled_from(["<p>", "</p>", " [SEG]", " ", "a", "[SEG]", PHRASE]), max_size=6).map(
            "".join
        ),
        min_size=1,
        max_size=3,
    )
)
def test_g19_the_guard_accepts_no_loose_phrase(texts: list[str]) -> None:
    fast = FastPath(get_format("geopixel"), selected("geopixel", select=["G19"]), Options(media="none"))
    raw = {**record([], *texts), "polygons": "a.json"}
    del raw["segmentation"]
    if fast.accept(fast.decode(json.dumps(raw).encode())) is not None:
        assert not [fault for text in texts for fault in _phrase_faults(text)]


# --- G20 ----------------------------------------------------------------------------------------------------------


def cut(answer: str, limit: int | None, **options: Any) -> list[Hit]:
    assume = {"hd_num": 1, **({} if limit is None else {"max_length": limit})}
    return with_media("G20", record([RLE], answer), (64, 48), assume=assume, **options)


def test_g20_only_what_comes_before_the_last_token_counts() -> None:
    head, tail = f"{PHRASE} and {PHRASE}", " word" * 500
    (hit,) = cut(head + tail, 300)
    assert hit.pointer == "/conversations/1/value"
    before = int(hit.message.split("about ")[1].split()[0])
    assert cut(head + tail, before + 1) == []
    assert len(cut(head + tail, before)) == 1
    (later,) = cut(tail + head, 300)
    assert int(later.message.split("about ")[1].split()[0]) > before + 400


def test_g20_an_estimate_is_a_warning() -> None:
    assert [hit.severity for hit in cut(PHRASE, 300)] == ["warning"]


def test_g20_needs_a_limit_and_the_picture() -> None:
    assert cut(PHRASE, None) == []
    assert cut(PHRASE, 300, media="exists") == []
    assert cut("Nothing here.", 300) == []
