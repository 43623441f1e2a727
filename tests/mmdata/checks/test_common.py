"""Keys and types: C02, C03, C04, S01, S02."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import mmdata

TURNS = [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]


def codes(tmp_path: Path, format_name: str, records: Any, **options: Any) -> list[str]:
    path = tmp_path / "data.json"
    path.write_text(json.dumps(records))
    report = mmdata.validate(str(path), format=format_name, jobs=1, media="none", **options)
    return [finding.code for finding in report.findings]


@pytest.mark.parametrize("key", ["conversation", "messages", "Conversations", "conversatons"])
def test_c02_a_list_under_another_word_is_renamed(hits: Any, key: str) -> None:
    (hit,) = hits("C02", "geopixel", {key: TURNS})
    assert hit.pointer == f"/{key}"
    assert [(e.op, e.pointer, e.value) for e in hit.edits] == [("rename", f"/{key}", "conversations")]


@pytest.mark.parametrize("record", [{}, {"messages": "Hi"}, {"conversation": None}, {"converse": TURNS[:0]}])
def test_c02_without_a_list_there_is_nothing_to_rename(hits: Any, record: Any) -> None:
    (hit,) = hits("C02", "internvl", record)
    assert (hit.pointer, hit.edits) == ("", ())


@pytest.mark.parametrize("value", [[], None, "Hi", TURNS])
def test_c02_a_key_of_that_name_is_enough(hits: Any, value: Any) -> None:
    assert hits("C02", "internvl", {"conversations": value, "messages": TURNS}) == []


def test_c03_names_the_turn_and_renames_what_is_certain(hits: Any) -> None:
    turns = [
        {"role": "human", "content": "Hi"},
        {"from": "gpt", "text": "a", "content": "b"},
        "x",
        {"from": "gpt"},
    ]
    found = hits("C03", "videorefer", {"conversations": turns})
    assert [(h.pointer, bool(h.edits)) for h in found] == [
        ("/conversations/0/role", True),
        ("/conversations/0/content", True),
        ("/conversations/1", False),
        ("/conversations/2", False),
        ("/conversations/3", False),
    ]


@pytest.mark.parametrize("turn", [{"from": None, "value": None}, {"from": "gpt", "value": "", "text": "x"}])
def test_c03_is_about_keys_not_values(hits: Any, turn: Any) -> None:
    assert hits("C03", "internvl", {"conversations": [turn]}) == []


@pytest.mark.parametrize(
    "value, repaired, unsafe",
    [
        (3, "3", False),
        (-12, "-12", False),
        (0, "0", False),
        (True, None, False),
        (None, None, False),
        (1.5, None, False),
        (10**40, None, False),
        (["Hi"], "Hi", True),
        ([{"type": "text", "text": "Hi"}], "Hi", True),
        ([{"type": "image", "text": "Hi"}], None, False),
        (["a", "b"], None, False),
        ([], None, False),
        ({"text": "Hi"}, None, False),
    ],
)
def test_c04_repairs_only_what_has_one_reading(
    hits: Any, value: Any, repaired: str | None, unsafe: bool
) -> None:
    (hit,) = hits("C04", "xcomposer", {"conversations": [{"from": "user", "value": value}]})
    assert hit.pointer == "/conversations/0/value"
    assert [e.value for e in hit.edits] == ([] if repaired is None else [repaired])
    assert hit.unsafe == unsafe


def test_c04_any_string_is_a_string(hits: Any) -> None:
    turns = [{"from": "human", "value": text} for text in ("", " ", "3", "null")]
    assert hits("C04", "internvl", {"conversations": [*turns, {"from": "human"}, None]}) == []


@pytest.mark.parametrize(
    "name, record, pointer, words",
    [
        ("xcomposer", {"image": 5}, "/image", "expected a string or a list, got the number 5"),
        ("xcomposer", {"image": ["a.png", None]}, "/image/1", "expected a string, got null"),
        ("geopixel", {"image": None}, "/image", "expected a string or a list, got null"),
        ("geopixel", {"segmentation": [{"size": [4, "4"], "counts": "04"}]}, "/segmentation/0/size/1", "expected a whole number, got the string '4'"),
        ("geopixel", {"segmentation": [{"size": [4, 4]}]}, "/segmentation/0", "has no `counts`"),
        ("videorefer", {"annotation": [{"a/b~c": {"segmentation": 5}}]}, "/annotation/0/a~1b~0c/segmentation", "got the number 5"),
        ("videorefer", {"annotation": [{"0": {"segmentation": {"size": [4], "counts": "04"}}}]}, "/annotation/0/0/segmentation/size", "expected at least 2 items, got a list of 1"),
        ("videorefer", {"height": 0}, "/height", "expected at least 1, got the number 0"),
        ("internvl", {"clip": [0.5]}, "/clip", "expected at least 2 items"),
        ("internvl", {"length": 1.5}, "/length", "expected a whole number, got the number 1.5"),
        ("internvl", {"video": {}}, "/video", "expected a string, got an empty object"),
        ("internvl", {"conversations": "Hi"}, "/conversations", "expected a list, got the string 'Hi'"),
        ("internvl", {"conversations": [{"from": "user", "value": "x"}]}, "/conversations/0/from", "expected `human`, `gpt` or `system`"),
    ],
)  # fmt: skip
def test_s01_says_where_and_what(hits: Any, name: str, record: Any, pointer: str, words: str) -> None:
    (hit,) = hits("S01", name, {"conversations": TURNS, **record})
    assert hit.pointer == pointer
    assert words in hit.message, hit.message


def test_s01_tells_each_wrong_value_once(hits: Any) -> None:
    found = hits("S01", "xcomposer", {"conversations": [{"from": 1, "value": 2}, None], "image": {}})
    assert sorted(h.pointer for h in found) == [
        "/conversations/0/from",
        "/conversations/0/value",
        "/conversations/1",
        "/image",
    ]


def test_s01_is_bounded(hits: Any) -> None:
    assert len(hits("S01", "internvl", {"conversations": [5] * 5000})) == 100


@pytest.mark.parametrize(
    "name, record",
    [
        ("xcomposer", {"image": ["a.png"], "extra": {"deep": [1]}, "id": None}),
        ("internvl", {"image": "", "clip": [0, 1.5]}),
        ("videorefer", {"annotation": [{"0": {"segmentation": None}}]}),
        ("geopixel", {"id": "\ud83d", "source": float("nan")}),
    ],
)
def test_s01_takes_what_the_trainer_takes(hits: Any, name: str, record: Any) -> None:
    assert hits("S01", name, {"conversations": TURNS, **record}) == []


def test_s01_leaves_lone_surrogates_to_r04(hits: Any) -> None:
    turns = [TURNS[0], {"from": "gpt", "value": "\ud83d"}]
    assert hits("S01", "internvl", {"conversations": turns}) == []


@pytest.mark.parametrize(
    "record", [{"messages": TURNS}, {"conversations": [{"role": "human", "value": "Hi"}, TURNS[1]]}]
)
def test_a_fault_with_a_name_is_not_told_again_as_a_shape_error(tmp_path: Path, record: Any) -> None:
    (code,) = codes(tmp_path, "geopixel", [record])
    assert code in ("C02", "C03")


@pytest.mark.parametrize("value", [None, 5, "x", [], True])
@pytest.mark.parametrize("name", ["geopixel", "xcomposer", "videorefer"])
def test_s02_a_record_that_is_no_object(tmp_path: Path, name: str, value: Any) -> None:
    assert codes(tmp_path, name, [{"conversations": TURNS}, value]) == ["S02"]
