"""GeoPixel's keys, counts and kinds: G01 to G07 and G22, and that no record makes any check of GeoPixel raise."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdata.checks.registry import get_check
from mmdata.checks.view import FileView, KindFacts, RecordView
from mmdata.format import get_format
from mmdata.io.edits import apply
from mmdata.io.jsontext import locate
from mmdata.options import Options

RLE = {"size": [4, 4], "counts": "529"}
PHRASE = "<p> a </p> [SEG]"


def record(*texts: str, image: Any = "a.png", **keys: Any) -> dict[str, Any]:
    """A record whose texts are asked and answered in turn; ``image=...`` leaves the key out."""
    turns = [{"from": ("human", "bot")[i % 2], "value": text} for i, text in enumerate(texts)]
    return {"conversations": turns, **({} if image is ... else {"image": image}), **keys}


def repaired(raw: dict[str, Any], hit: Any) -> Any:
    return json.loads(apply(json.dumps(raw).encode(), hit.edits))


# --- G01 ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "key, value, name",
    [
        ("polygon", "a.json", "polygons"),
        ("mask", "a.JSON", "polygons"),
        ("mask", [RLE], "segmentation"),
        ("polygon", [RLE], "segmentation"),
        ("mask", "a.png", None),
        ("mask", "529", None),
        ("polygon", [[[[1, 1]]]], None),
    ],
)
def test_g01_a_key_is_renamed_where_its_value_says_to_what(
    hits: Any, key: str, value: Any, name: str | None
) -> None:
    raw = record("Where?", PHRASE, **{key: value})
    (hit,) = hits("G01", "geopixel", raw)
    assert hit.pointer == f"/{key}"
    if name is None:
        assert hit.edits == ()
    else:
        assert repaired(raw, hit)[name] == value


def test_g01_two_keys_that_would_get_one_name_are_not_renamed(hits: Any) -> None:
    found = hits("G01", "geopixel", record("Where?", PHRASE, polygon="a.json", mask="b.json"))
    assert [(h.pointer, h.edits) for h in found] == [("/polygon", ()), ("/mask", ())]


@pytest.mark.parametrize(
    "keys",
    [
        {"polygons": "a.json", "mask": [RLE]},
        {"segmentation": [RLE], "polygon": "a.json"},
        {"mask": None},
        {"mask": []},
    ],
)
def test_g01_a_key_besides_the_right_one_or_without_masks_harms_nobody(
    hits: Any, keys: dict[str, Any]
) -> None:
    assert hits("G01", "geopixel", record("Where?", PHRASE, **keys)) == []


# --- G02 ----------------------------------------------------------------------------------------------------------


def mixture(*kinds: str) -> list[Any]:
    facts: dict[str, KindFacts] = {}
    for index, kind in enumerate(kinds):
        facts.setdefault(kind, KindFacts(0, index)).count += 1
    view = FileView("a.json", get_format("geopixel"), Options(), "array", records=len(kinds), kinds=facts)
    return list(get_check("G02").function(view))


@pytest.mark.parametrize(
    "first, second, effect",
    [
        ("polygons", "image", "UnboundLocalError"),
        ("polygons", "text", "KeyError"),
        ("segmentation", "text", "KeyError"),
        ("image", "text", "KeyError"),
        ("image", "polygons", "masks are ignored"),
        ("text", "image", "pictures"),
        ("text", "segmentation", "pictures"),
    ],
)
def test_g02_says_what_becomes_of_the_other_kind(first: str, second: str, effect: str) -> None:
    (hit,) = mixture(first, first, second, second)
    assert effect in hit.upstream
    assert hit.record == 2
    assert hit.message.startswith("2 of 4 records are ")


def test_g02_one_hit_for_each_kind() -> None:
    assert [hit.record for hit in mixture("image", "text", "polygons", "text")] == [1, 2]


@pytest.mark.parametrize(
    "kinds", [("polygons", "segmentation"), ("segmentation", "polygons"), ("text",), ("image",) * 3, ()]
)
def test_g02_polygons_and_rle_go_together(kinds: tuple[str, ...]) -> None:
    assert mixture(*kinds) == []


def test_g02_is_silent_where_the_first_record_is_not_known() -> None:
    facts = {"polygons": KindFacts(1, 1), "text": KindFacts(1, 2)}
    view = FileView("a.json", get_format("geopixel"), Options(), "array", records=3, broken=1, kinds=facts)
    assert list(get_check("G02").function(view)) == []


# --- G03, G04, G22 ------------------------------------------------------------------------------------------------


def test_g03_the_masks_that_are_never_read_go(hits: Any) -> None:
    raw = record("Where?", PHRASE, polygons="a.json", segmentation=[RLE])
    (hit,) = hits("G03", "geopixel", raw)
    assert hit.unsafe
    assert "segmentation" not in repaired(raw, hit)
    assert hits("G03", "geopixel", record("Where?", PHRASE, segmentation=[RLE])) == []


@pytest.mark.parametrize(
    "image, mends", [(["a.png"], True), (["a.png", "b.png"], False), ([], False), ([5], False)]
)
def test_g04_a_list_of_one_picture_becomes_its_path(hits: Any, image: Any, mends: bool) -> None:
    raw = record("Where?", PHRASE, image=image, polygons="a.json")
    (hit,) = hits("G04", "geopixel", raw)
    assert hit.pointer == "/image"
    assert bool(hit.edits) == mends
    if mends:
        assert repaired(raw, hit)["image"] == "a.png"


@pytest.mark.parametrize("key", ["polygons", "segmentation"])
def test_g04_masks_without_a_picture(hits: Any, key: str) -> None:
    (hit,) = hits("G04", "geopixel", record("Where?", PHRASE, image=..., **{key: "a.json"}))
    assert hit.pointer == f"/{key}"


def test_g04_several_pictures_without_masks_are_fine(hits: Any) -> None:
    assert (
        hits("G04", "geopixel", record("<ImageHere><ImageHere>Which?", "This.", image=["a.png", "b.png"]))
        == []
    )
    assert hits("G04", "geopixel", record("Hi", "Hello", image=...)) == []


@pytest.mark.parametrize("value", ["", None, 5, {}, [[[[1, 1]]]], ["a.json", "b.json"]])
def test_g22_what_is_no_path(hits: Any, value: Any) -> None:
    (hit,) = hits("G22", "geopixel", record("Where?", PHRASE, polygons=value))
    assert (hit.pointer, hit.edits) == ("/polygons", ())


def test_g22_a_path_in_a_list_is_taken_out(hits: Any) -> None:
    raw = record("Where?", PHRASE, polygons=["a.json"])
    (hit,) = hits("G22", "geopixel", raw)
    assert repaired(raw, hit)["polygons"] == "a.json"
    assert hits("G22", "geopixel", record("Where?", PHRASE, polygons="a.json")) == []


# --- G05, G06, G07 ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "texts, masks, pointer",
    [
        (("Where?", f"{PHRASE} {PHRASE}"), 1, "/conversations/1/value"),
        (("Where?", PHRASE, "And?", PHRASE), 1, "/segmentation"),
        (("Where?", "Nowhere."), 1, "/segmentation"),
        (("Where?", PHRASE), 0, "/conversations/1/value"),
    ],
)
def test_g05_counts_over_all_turns(hits: Any, texts: tuple[str, ...], masks: int, pointer: str) -> None:
    (hit,) = hits("G05", "geopixel", record(*texts, segmentation=[RLE] * masks))
    assert (hit.pointer, hit.severity) == (pointer, None)
    assert f"{''.join(texts).count('[SEG]')} [SEG]" in hit.message
    assert f"{masks} mask" in hit.message


def test_g05_leaves_a_surplus_in_a_question_to_g06(hits: Any) -> None:
    raw = record("What is [SEG]?", PHRASE, segmentation=[RLE])
    assert hits("G05", "geopixel", raw) == []
    assert [hit.pointer for hit in hits("G06", "geopixel", raw)] == ["/conversations/0/value"]


@pytest.mark.parametrize("segmentation", [[RLE], None, "529", {}])
def test_g05_right_numbers_and_wrong_types_are_not_its_business(hits: Any, segmentation: Any) -> None:
    assert hits("G05", "geopixel", record("Where?", PHRASE, segmentation=segmentation)) == []


def test_g05_a_mask_token_without_masks_is_a_warning(hits: Any) -> None:
    (hit,) = hits("G05", "geopixel", record("Where?", PHRASE))
    assert (hit.severity, hit.pointer) == ("warning", "/conversations/1/value")
    assert hits("G05", "geopixel", record("What does [SEG] do?", "It stands for a mask.")) == []
    assert hits("G05", "geopixel", record("Where?", PHRASE, polygon="a.json")) == []  # G01


def test_g06_needs_masks(hits: Any) -> None:
    assert hits("G06", "geopixel", record("What does [SEG] do?", "It stands for a mask.")) == []
    assert hits("G06", "geopixel", record("Where?", PHRASE, polygons="a.json")) == []


def test_g07_neither_mask_nor_token(hits: Any) -> None:
    assert [h.pointer for h in hits("G07", "geopixel", record("What?", "A tank.", segmentation=[]))] == [
        "/segmentation"
    ]
    assert hits("G07", "geopixel", record("What?", PHRASE, segmentation=[])) == []  # G05
    assert hits("G07", "geopixel", record("What?", "A tank.", image=..., segmentation=[])) == []  # G04


# --- any record ---------------------------------------------------------------------------------------------------

texts = st.sampled_from(
    [
        "",
        "Hi",
        "[SEG]",
        PHRASE,
        f"{PHRASE}, {PHRASE}",
        "<p> a [SEG]",
        "</p>",
        "<ImageHere>",
        "<ImageHere><ImageHere> a",
    ]
)
scalars = st.one_of(st.none(), st.booleans(), st.integers(-3, 1 << 70), st.floats(allow_nan=False), texts)
anything = st.recursive(
    scalars,
    lambda c: (
        st.lists(c, max_size=3) | st.dictionaries(st.sampled_from(["size", "counts", "a/b"]), c, max_size=3)
    ),
    max_leaves=6,
)
masks = st.one_of(
    st.fixed_dictionaries(
        {
            "size": st.one_of(st.just([4, 4]), anything),
            "counts": st.one_of(
                st.sampled_from(["529", "PP3", "b'529'", "~", ""]),
                st.lists(st.integers(-1, 16), max_size=4),
                anything,
            ),
        }
    ),
    anything,
)
turns = st.one_of(
    st.fixed_dictionaries({"from": st.sampled_from(["human", "bot", "User", "x"]), "value": texts}), anything
)
paths = st.one_of(st.just("a.png"), st.lists(st.sampled_from(["a.png", ""]), max_size=3), anything)
records = st.fixed_dictionaries(
    {},
    optional={
        "conversations": st.one_of(st.lists(turns, max_size=4), anything),
        "image": paths,
        "polygons": paths,
        "polygon": paths,
        "mask": st.one_of(st.lists(masks, max_size=2), paths),
        "segmentation": st.one_of(st.lists(masks, max_size=3), masks),
    },
)
GEOPIXEL = (
    "G01",
    "G03",
    "G04",
    "G05",
    "G06",
    "G07",
    "G14",
    "G15",
    "G17",
    "G18",
    "G19",
    "G22",
    "X08",
    "X09",
    "X10",
)
XCOMPOSER = ("X08", "X09", "X10", "X12")


@settings(max_examples=300, deadline=None)
@given(raw=records)
def test_no_record_raises_and_every_repair_applies(raw: dict[str, Any]) -> None:
    data = json.dumps(raw).encode()
    for name, codes in (("geopixel", GEOPIXEL), ("xcomposer-2.0", XCOMPOSER)):
        view = RecordView(raw=raw, format=get_format(name), options=Options(), index=0, path="data.json")
        for code in codes:
            check = get_check(code)
            for hit in check.function(view):
                assert hit.message
                assert hit.pointer is not None
                assert locate(data, hit.pointer) is not None, f"{code}: no value at {hit.pointer!r}"
                if hit.edits:
                    assert check.fixable != "never"
                    assert apply(data, hit.edits) != data
