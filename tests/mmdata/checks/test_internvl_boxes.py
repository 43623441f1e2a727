"""InternVL's boxes and phrases (I17, I18) against the evaluation's expression and a stack."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdata.checks.registry import get_check
from mmdata.checks.view import RecordView
from mmdata.format import get_format
from mmdata.options import Options


def record(answer: str) -> dict[str, Any]:
    turns = [{"from": "human", "value": "<image>\nWhere?"}, {"from": "gpt", "value": answer}]
    return {"image": "a.png", "conversations": turns}


def count(code: str, answer: str) -> int:
    view = RecordView(
        raw=record(answer), format=get_format("internvl"), options=Options(), index=0, path="a.jsonl"
    )
    return len(list(get_check(code).function(view)))


numbers = st.one_of(st.integers(-5, 1005), st.sampled_from([0, 1, 10, 500, 999, 1000]))


@settings(max_examples=500, deadline=None)
@given(boxes=st.lists(st.lists(numbers, min_size=4, max_size=4), min_size=1, max_size=3))
def test_i17_whole_numbers_in_order_and_within_bounds(boxes: list[list[int]]) -> None:
    right = all(0 <= v <= 1000 for box in boxes for v in box)
    right = right and all(x1 <= x2 and y1 <= y2 for x1, y1, x2, y2 in boxes)
    assert (count("I17", f"<ref>a</ref><box>{boxes}</box>") == 0) == right
    assert count("I17", f"{boxes}") == 0  # without tags it is text


@settings(max_examples=300, deadline=None)
@given(inner=st.text(alphabet="[](){}, 0123456789x.-\n", max_size=24))
def test_i17_what_the_evaluation_cannot_read_is_told(inner: str) -> None:
    first = re.search(
        r"\[\s*\[\s*(\d+(?:\.\d+)?)\s*,\s*(\d+(?:\.\d+)?)\s*,\s*(\d+(?:\.\d+)?)\s*,\s*(\d+(?:\.\d+)?)\s*\]",
        inner,
    )
    if first is None:
        assert count("I17", f"<box>{inner}</box>") > 0


@pytest.mark.parametrize(
    "inner, hit",
    [
        ("[[0, 0, 1000, 1000]]", False),
        ("[[0, 0, 1, 1]]", False),
        ("[[1,2,3,4],[5,6,7,8]]", False),
        (" [ [1, 2, 3, 4] , [5, 6, 7, 8] ] ", False),
        ("[[10.5, 20, 30, 40]]", False),
        ("[10, 10, 20, 20]", True),
        ("[[0.1, 0.2, 0.3, 0.4]]", True),
        ("[[20, 10, 10, 20]]", True),
        ("[[10, 10, 20]]", True),
        ("(10, 10), (20, 20)", True),
        ("", True),
        ("[[1, 2], [3, 4]]", True),
    ],
)
def test_i17_named_cases(inner: str, hit: bool) -> None:
    assert (count("I17", f"<box>{inner}</box>") > 0) == hit


def test_i17_one_box_is_nested_by_the_repair(hits: Any) -> None:
    (hit,) = hits("I17", "internvl", record("a <box>[1, 2, 3, 4]</box> b"))
    assert hit.edits[0].value == "a <box>[[1, 2, 3, 4]]</box> b"


tags = st.sampled_from([f"<{slash}{word}>" for word in ("ref", "box", "quad") for slash in ("", "/")])


@settings(max_examples=500, deadline=None)
@given(parts=st.lists(tags, max_size=6))
def test_i18_tags_open_and_close_in_turn(parts: list[str]) -> None:
    wrong = 0
    for word in ("ref", "box", "quad"):
        own = [part for part in parts if part in (f"<{word}>", f"</{word}>")]
        wrong += own != [f"<{word}>", f"</{word}>"] * (len(own) // 2)
    assert count("I18", " a ".join(parts)) == wrong
