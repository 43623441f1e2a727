"""VideoRefer v1's tags and regions (V01 to V05, V11, V15, V17 to V19) against what the loader and the model do."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdata.checks.registry import get_check
from mmdata.checks.view import RecordView
from mmdata.format import get_format
from mmdata.io.edits import apply
from mmdata.options import Options
from mmdata.validating.fastpath import DECODE_ERRORS, FastPath

CODES = ("V01", "V02", "V03", "V04", "V05", "V11", "V15", "V17", "V18", "V19")
OBJECT = {"0": {"segmentation": None}}


def found(record: dict[str, Any]) -> dict[str, list[Any]]:
    view = RecordView(raw=record, format=get_format("videorefer"), options=Options(), index=0, path="a.json")
    return {code: hits for code in CODES if (hits := list(get_check(code).function(view)))}


def ask(*texts: str, first: str = "human", **keys: Any) -> dict[str, Any]:
    start = 0 if first == "human" else 1
    turns = [{"from": ("human", "gpt")[(i + start) % 2], "value": text} for i, text in enumerate(texts)]
    return {**keys, "conversations": turns}


def injected(record: dict[str, Any]) -> tuple[int, int]:
    """(pictures, regions) that the model puts into one sample.

    The tag of each turn moves to its start, a leading answer is dropped, and regions are looked for behind the last tag.
    """
    tag = "<image>" if "image" in record else "<video>" if "video" in record else None
    turns = record["conversations"]
    turns = turns[1:] if turns[0]["from"] == "gpt" else turns
    chat = ""
    for turn in turns:
        text = turn["value"]
        if tag is not None and tag in text:
            text = tag + text.replace(tag, "")
        chat += text + "\n"
    if tag is None or tag not in chat:
        return 0, 0
    return chat.count(tag), chat.rpartition(tag)[2].count("<region>")


texts = st.lists(
    st.sampled_from(["<image>\n", "<video>", "<region>", " a ", "<image> <image>"]), max_size=3
).map("".join)


@st.composite
def records(draw: st.DrawFn) -> dict[str, Any]:
    turns = draw(st.lists(texts, min_size=2, max_size=4))
    turns = turns[: len(turns) // 2 * 2]
    lead = draw(st.booleans())
    record = ask(*([draw(texts)] if lead else []), *turns, first="gpt" if lead else "human")
    record.update(draw(st.sampled_from([{"image": "a.png"}, {"video": "a.mp4"}, {}])))
    objects = draw(st.integers(0, 3))
    if objects:
        record["annotation"] = [OBJECT] * objects
    return record


@settings(max_examples=2000, deadline=None)
@given(record=records())
def test_a_finding_exactly_where_pictures_or_regions_shift(record: dict[str, Any]) -> None:
    pictures, regions = injected(record)
    media = "image" in record or "video" in record
    objects = len(record.get("annotation", []))
    hits = found(record)
    # One sample takes one picture and its objects; anything else shifts those of the batch.
    right = (pictures, regions) == (int(media), objects)
    read = (
        record["conversations"][1:]
        if record["conversations"][0]["from"] == "gpt"
        else record["conversations"]
    )
    bare = sum(turn["value"].count("<region>") for turn in read)
    errors = {c for c, of in hits.items() for h in of if (h.severity or get_check(c).severity) == "error"}
    if not right:
        assert set(hits) - {"V19"}
        assert errors or set(hits) == {"V01"}
    elif bare == objects:
        assert not set(hits) - {"V19"}, hits
    tag = "<image>" if "image" in record else "<video>"
    assert ("V19" in hits) == (media and any(turn["value"].count(tag) > 1 for turn in read))


@pytest.mark.parametrize("code", CODES)
@settings(max_examples=250, deadline=None)
@given(record=records())
def test_each_guard_alone_hides_no_hit(code: str, record: dict[str, Any]) -> None:
    fast = FastPath(get_format("videorefer"), [get_check(code)], Options(media="none"))
    try:
        struct = fast.decode(json.dumps(record).encode())
    except DECODE_ERRORS:
        return
    if fast.accept(struct) is not None:
        assert code not in found(record)


@settings(max_examples=500, deadline=None)
@given(record=records())
def test_a_repair_of_the_tags_lets_one_picture_in(record: dict[str, Any]) -> None:
    for code in ("V01", "V02", "V19"):
        for hit in found(record).get(code, []):
            after = json.loads(apply(json.dumps(record).encode(), hit.edits))
            assert found(after).get(code, []) == [] or code == "V19"
            if code != "V19":
                assert injected(after)[0] == 1


@pytest.mark.parametrize(
    "record, codes",
    [
        (ask("<video>\nWhat?", "A dog.", image="a.png"), ["V01"]),
        (ask("<image>\n<video>\nWhat?", "A dog.", image="a.png"), []),
        (ask("What is <image>?", "A tag.", "And <image>?", "The same."), []),
        (ask("<image>\nHi", "What?", "A dog.", first="gpt", image="a.png"), ["V01"]),
        (ask("What is <region>?", "Where?", "<image>\nHere", "A dog.", image="a", annotation=[OBJECT]), ["V03"]),
        (ask("<image>\nWhat is <region>?", "A dog.", image="a"), ["V03"]),
        (ask("What does <region> do?", "It stands for an object."), ["V03"]),
        (ask("<image>\nWhat is <Region>?", "A dog.", image="a", annotation=[OBJECT]), ["V04"]),
        (ask("<image>\nWhat?", "A dog.", image="a", annotation=[]), ["V05"]),
        (ask("<image>\nWhat?", "A dog.", image="a", video=["b.mp4"]), []),
        (ask("<video>\nWhat?", "A dog.", video=["b.mp4"]), ["V17"]),
        (ask("What is <region>?", "A dog.", annotation=[OBJECT]), ["V18"]),
        (ask("Hi", "Hello", "Bye"), ["V15"]),
        (ask("Hello", "Hi", "Bye", first="gpt"), []),
        (ask("<image>\nWhat is <region>?", "A dog.", image="a", annotation=[{"0": [[1, 1, 2, 2, 3, 3]]}]), ["V11"]),
        (ask("<image>\nWhat is <region>?", "A dog.", image="a", annotation=[{"0": None}]), ["V11"]),
    ],
)  # fmt: skip
def test_named_cases(record: dict[str, Any], codes: list[str]) -> None:
    assert sorted(found(record)) == codes


def test_v01_is_an_error_where_objects_are_lost() -> None:
    (hit,) = found(ask("What is <region>?", "A dog.", image="a", annotation=[OBJECT]))["V01"]
    assert hit.severity == "error"
    (hit,) = found(ask("What?", "A dog.", image="a"))["V01"]
    assert hit.severity is None


@pytest.mark.parametrize(
    "text, tag", [("<video>\nWhat?", "<image>\nWhat?"), ("What?", "<image>\nWhat?"), ("", "<image>\n")]
)
def test_v01_writes_the_tag_of_the_medium(text: str, tag: str) -> None:
    record = ask(text, "A dog.", image="a.png")
    (hit,) = found(record)["V01"]
    assert json.loads(apply(json.dumps(record).encode(), hit.edits))["conversations"][0]["value"] == tag


def test_v20_counts_what_comes_before_the_last_region(hits: Any) -> None:
    long = ask("<image>\n" + "many words " * 200 + "<region>", "A dog.", image="a", annotation=[OBJECT])
    late = ask("<image>\n<region>" + " many words" * 200, "A dog.", image="a", annotation=[OBJECT])
    assert len(hits("V20", "videorefer", long, assume={"max_length": 100})) == 1
    assert hits("V20", "videorefer", late, assume={"max_length": 100}) == []
    assert hits("V20", "videorefer", long) == []
