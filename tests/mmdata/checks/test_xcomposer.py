"""Pictures, placeholders and mixtures of XComposer and GeoPixel: X07 to X15."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mmdata.checks.registry import Hit, get_check, selected
from mmdata.checks.view import FileView, KindFacts, MediaView, RecordView
from mmdata.format import MediaRef, get_format
from mmdata.io.edits import apply
from mmdata.io.record import Problem
from mmdata.media.images import ImageFacts
from mmdata.options import Options
from mmdata.validating.fastpath import FastPath

ALL = ("geopixel", "xcomposer", "xcomposer-2.0")
TAG = "<ImageHere>"


def record(*texts: str, **keys: Any) -> dict[str, Any]:
    return {
        "conversations": [{"from": ("user", "bot")[i % 2], "value": text} for i, text in enumerate(texts)],
        **keys,
    }


def repaired(raw: dict[str, Any], hit: Hit) -> Any:
    return json.loads(apply(json.dumps(raw).encode(), hit.edits))


def texts_of(raw: dict[str, Any]) -> list[str]:
    return [turn["value"] for turn in raw["conversations"]]


def on_file(code: str, name: str, kinds: dict[str, KindFacts], records: int = 9, **assume: Any) -> list[Hit]:
    view = FileView("a.json", get_format(name), Options(assume=assume), "array", records=records, kinds=kinds)
    return list(get_check(code).function(view))


# --- X07, X08, X12 ------------------------------------------------------------------------------------------------


def test_x07_repeats_what_the_reader_found() -> None:
    (hit,) = get_check("X07").function(Problem("empty", "no record in the array", 0, 2, None))
    assert hit.message == "no record in the array"
    assert not get_check("X07").applies_to("internvl")


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("value, word", [(None, "null"), ([], "an empty list"), ("", "an empty string")])
def test_x08_no_picture_under_the_key(hits: Any, name: str, value: Any, word: str) -> None:
    (hit,) = hits("X08", name, record("Hi", "Hello", image=value))
    assert hit.pointer == "/image"
    assert word in hit.message


@pytest.mark.parametrize("keys", [{}, {"image": "a.png"}, {"image": ["a.png"]}, {"image": 5}, {"image": {}}])
def test_x08_a_picture_no_key_or_another_type(hits: Any, keys: dict[str, Any]) -> None:
    assert hits("X08", "xcomposer", record("Hi", "Hello", **keys)) == []


def test_x08_leaves_a_list_in_a_record_with_masks_to_g04(hits: Any) -> None:
    assert hits("X08", "geopixel", record("Hi", "Hello", image=[], polygons="a.json")) == []
    assert len(hits("X08", "geopixel", record("Hi", "Hello", image="", polygons="a.json"))) == 1


def test_x12_a_path_is_put_into_a_list(hits: Any) -> None:
    raw = record(f"{TAG}What?", "A dog.", image="a.png")
    (hit,) = hits("X12", "xcomposer-2.0", raw)
    assert repaired(raw, hit)["image"] == ["a.png"]
    assert hits("X12", "xcomposer-2.0", record(f"{TAG}What?", "A dog.", image=["a.png"])) == []
    assert not get_check("X12").applies_to("xcomposer")


# --- X09, X10 -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(
    "texts, mended",
    [
        ([f"{TAG}What?", "A dog."], None),
        (["What?", "A dog."], [f"{TAG}{TAG}What?", "A dog."]),
        ([f"{TAG} {TAG} {TAG}?", "A dog."], [f"{TAG} {TAG} ?", "A dog."]),
        ([TAG, f"{TAG}.", f"{TAG} and {TAG}", "No."], [TAG, f"{TAG}.", " and ", "No."]),
    ],
)
def test_x09_two_pictures_want_two_placeholders(
    hits: Any, name: str, texts: list[str], mended: list[str] | None
) -> None:
    raw = record(*texts, image=["a.png", "b.png"])
    (hit,) = hits("X09", name, raw)
    assert hit.message == f"2 pictures, {''.join(texts).count(TAG)} {TAG}"
    assert (hit.severity, hit.unsafe) == (None, True)
    assert (texts_of(repaired(raw, hit)) if hit.edits else None) == mended
    if mended:
        assert hits("X09", name, repaired(raw, hit)) == []


@pytest.mark.parametrize(
    "texts, image",
    [
        ([f"{TAG}One", f"{TAG} two"], ["a.png", "b.png"]),  # placeholders count in answers too
        (["What?", "A dog."], "a.png"),  # a single picture goes in front by itself
        (["What?", "A dog."], ["a.png"]),
        ([f"{TAG}{TAG}What?", "A dog."], "a.png"),  # X10
        ([TAG, "A dog."], ""),  # X08
    ],
)
def test_x09_right_numbers_and_what_other_codes_say(hits: Any, texts: list[str], image: Any) -> None:
    assert hits("X09", "xcomposer", record(*texts, image=image)) == []


def test_x09_a_placeholder_without_a_picture_is_a_warning(hits: Any) -> None:
    (hit,) = hits("X09", "xcomposer", record("Hi", "Hello", f"{TAG}What?", "A dog."))
    assert (hit.severity, hit.pointer, hit.edits) == ("warning", "/conversations/2/value", ())


def test_x09_puts_no_placeholder_before_an_answer(hits: Any) -> None:
    raw = {
        "image": ["a.png", "b.png"],
        "conversations": [{"from": "bot", "value": "Hi"}, {"from": "user", "value": "What?"}],
    }
    (hit,) = hits("X09", "xcomposer", raw)
    assert hit.edits == ()


@pytest.mark.parametrize(
    "texts, place, mended",
    [
        ([f"{TAG}What is in {TAG}?", "A dog."], 0, [f"{TAG}What is in ?", "A dog."]),
        ([f"{TAG}What?", "A dog.", f"{TAG}And?", "A cat."], 2, [f"{TAG}What?", "A dog.", "And?", "A cat."]),
        (["What?", f"{TAG}{TAG}{TAG}"], 1, ["What?", TAG]),
    ],
)
def test_x10_the_first_placeholder_stays(hits: Any, texts: list[str], place: int, mended: list[str]) -> None:
    raw = record(*texts, image="a.png")
    (hit,) = hits("X10", "xcomposer", raw)
    assert (hit.pointer, hit.unsafe) == (f"/conversations/{place}/value", False)
    assert texts_of(repaired(raw, hit)) == mended
    assert hits("X10", "xcomposer", repaired(raw, hit)) == []


@pytest.mark.parametrize("count, image", [(0, "a.png"), (1, "a.png"), (2, ["a.png", "b.png"]), (2, [])])
def test_x10_is_about_one_picture(hits: Any, count: int, image: Any) -> None:
    assert hits("X10", "xcomposer", record(TAG * count, "A dog.", image=image)) == []


# --- X11 ----------------------------------------------------------------------------------------------------------


def looked_at(path: str, level: str, **facts: Any) -> list[Hit]:
    view = RecordView(
        raw=record(TAG, "A dog.", image=path),
        format=get_format("xcomposer"),
        options=Options(),
        index=0,
        path="a.json",
    )
    media = MediaView(level, [(MediaRef("image", path, "/image"), path, ImageFacts(**facts))], [])
    return list(get_check("X11").function(view, media))


def test_x11_by_name_where_nothing_was_opened_and_by_content_after() -> None:
    assert [h.pointer for h in looked_at("clip.MP4", "exists")] == ["/image"]
    assert [h.pointer for h in looked_at("clip", "header", problem="video")] == ["/image"]
    assert looked_at("clip.mp4", "header", width=64, height=48) == []  # a picture with a strange name opens
    assert looked_at("clip.mp4", "exists", problem="missing") == []  # C11
    assert looked_at("clip.gif", "exists") == []


# --- X13, X14, X15 ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "first, second, effect", [("image", "text", "KeyError"), ("text", "image", "ignored")]
)
def test_x13_the_first_record_decides(first: str, second: str, effect: str) -> None:
    (hit,) = on_file("X13", "xcomposer", {first: KindFacts(6, 0), second: KindFacts(3, 4)})
    assert effect in str(hit.upstream)
    assert (hit.record, hit.message[:6]) == (4, "3 of 9")


@pytest.mark.parametrize(
    "kinds", [{}, {"image": KindFacts(9, 0)}, {"image": KindFacts(4, 1), "text": KindFacts(4, 2)}]
)
def test_x13_one_kind_or_an_unknown_first_record(kinds: dict[str, KindFacts]) -> None:
    assert on_file("X13", "xcomposer", kinds) == []


@pytest.mark.parametrize(
    "name, kind, size, number",
    [
        ("xcomposer", "image", 4, 1),
        ("geopixel", "polygons", 2, 1),
        ("xcomposer", "image", 1, 0),
        ("xcomposer", "image", None, 0),
        ("xcomposer", "text", 4, 0),
    ],
)
def test_x14_pictures_in_a_device_batch(name: str, kind: str, size: int | None, number: int) -> None:
    assume = {} if size is None else {"per_device_train_batch_size": size}
    assert len(on_file("X14", name, {kind: KindFacts(9, 0)}, **assume)) == number


@pytest.mark.parametrize(
    "kind, size, number", [("text", 4, 1), ("text", 1, 0), ("text", None, 0), ("image", 4, 0)]
)
def test_x15_text_in_a_draw(kind: str, size: int | None, number: int) -> None:
    assume = {} if size is None else {"batch_size": size}
    found = on_file("X15", "xcomposer", {kind: KindFacts(9, 0)}, **assume)
    assert len(found) == number
    assert all("3 of 4" in hit.message for hit in found)


# --- the guards ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALL)
def test_ordinary_records_do_not_meet_the_check_bodies(name: str) -> None:
    fast = FastPath(get_format(name), selected(name, select=["X"]), Options(media="none"))
    for raw in (
        record("Hi", "Hello"),
        record(f"{TAG}What?", "A dog.", image=["a.png"]),
        record("What?", "A dog.", image=["a.png"]),
        record(f"One: {TAG}; two: {TAG}.", "A dog.", "And?", "A cat.", image=["a.png", "b.png"]),
    ):
        assert fast.accept(fast.decode(json.dumps(raw).encode())) is not None
