"""The checks of every format take any JSON: they never raise, point into the record, and their repairs repair."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdata.checks.registry import Check, Hit, get_check
from mmdata.checks.view import RecordView
from mmdata.format import get_format
from mmdata.io.edits import apply
from mmdata.io.jsontext import locate
from mmdata.options import TEMPLATES, Options

CODES = ("C02", "C03", "C04", "C05", "C06", "C07", "C08", "C09", "C10", "C14", "S01")
FORMATS = ("geopixel", "xcomposer", "xcomposer-2.0", "videorefer", "videorefer-vl3", "internvl", "llava")

texts = st.sampled_from(["", " ", "Hi", "<image>\nWhat?", "<ImageHere>a", "<video>", "<region>", "<REGION>", "[SEG]", "</s>", "Yes.</s>",
                         "Yes. <|im_end|>\n</s>", "[UNUSED_TOKEN_145]", "<img>", "é", "a/b~c"])  # fmt: skip
roles = st.sampled_from(
    ["human", "gpt", "human", "gpt", "user", "User", "assistant", "bot", "system", "tool", "humna", "x", ""]
)
anything = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-3, 1 << 70),
        st.floats(allow_nan=False, allow_infinity=False),
        texts,
    ),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(texts, children, max_size=3),
    max_leaves=6,
)
turn = st.one_of(
    st.fixed_dictionaries({"from": roles, "value": texts}),
    st.fixed_dictionaries({"from": roles, "value": texts}, optional={"text": anything, "loss": anything}),
    st.fixed_dictionaries(
        {}, optional={"from": anything, "role": texts, "value": anything, "content": texts}
    ),
    anything,
)
turns = st.one_of(
    st.lists(st.fixed_dictionaries({"from": roles, "value": texts}), max_size=5),
    st.lists(turn, max_size=4),
    anything,
)
paths = st.one_of(st.just("a.png"), st.lists(st.just("a.png"), max_size=3), anything)
records = st.one_of(
    st.fixed_dictionaries(
        {"conversations": turns},
        optional={
            "image": paths,
            "video": paths,
            "annotation": anything,
            "masks": anything,
            "segmentation": anything,
            "id": anything,
        },
    ),
    st.dictionaries(
        st.sampled_from(["conversation", "messages", "a/b", "conversatons~", "image"]), turns, max_size=3
    ),
)


def hits_of(check: Check, name: str, record: dict[str, Any], options: Options) -> list[Hit]:
    view = RecordView(raw=record, format=get_format(name), options=options, index=0, path="data.json")
    return list(check.function(view))


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=150, deadline=None)
@given(record=records, template=st.sampled_from(TEMPLATES))
def test_hits_point_into_the_record_and_repairs_apply(
    name: str, record: dict[str, Any], template: Any
) -> None:
    options = Options(template=template)
    data = json.dumps(record).encode()
    for code in CODES:
        check = get_check(code)
        for hit in hits_of(check, name, record, options):
            assert hit.message
            assert hit.pointer is not None
            assert locate(data, hit.pointer) is not None, f"{code}: no value at {hit.pointer!r}"
            if hit.edits:
                assert check.fixable != "never"
                assert apply(data, hit.edits) != data


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=100, deadline=None)
@given(record=records, template=st.sampled_from(TEMPLATES))
def test_repairing_again_and_again_comes_to_an_end(name: str, record: dict[str, Any], template: Any) -> None:
    options = Options(template=template)
    data = json.dumps(record).encode()
    for _ in range(30):
        value = json.loads(data)
        repairs = [
            hit for code in CODES for hit in hits_of(get_check(code), name, value, options) if hit.edits
        ]
        if not repairs:
            return
        data = apply(data, repairs[0].edits)
    pytest.fail(f"still repairing: {data!r}")
