"""InternVL's placeholders (I04 to I07, I09, I10) against what becomes of the text in the loader."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
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

CODES = ("I04", "I05", "I06", "I07", "I09", "I10")
FRAMES = 3
SHOWN = "▣"


@dataclass
class Outcome:
    """What the loader makes of a record: whether it fails, which texts are trained, where pictures ended up."""

    fails: bool
    texts: list[tuple[str, str]] = field(default_factory=list)

    @property
    def shown(self) -> int:
        return sum(text.count(SHOWN) for _, text in self.texts)

    @property
    def left(self) -> bool:
        """A tag stays plain words."""
        return any("<image>" in text or "<video>" in text for _, text in self.texts)


def load(record: dict[str, Any], template: str) -> Outcome:
    """The loader and its template functions, as far as placeholders go; FRAMES pictures come of every video."""
    turns = [(turn["from"], turn["value"]) for turn in record["conversations"]]
    image, video = record.get("image"), record.get("video")
    first = turns[0][1]
    if image:
        pictures = len(image) if isinstance(image, list) else 1
        if isinstance(image, str) and "<image>" not in first:
            first = "<image>\n" + first
    elif video:
        pictures = FRAMES
        first = first if "<video>" in first else "<video>\n" + first
        first = first.replace("<video>\n", "\n".join(["Frame: <image>"] * FRAMES) + "\n")
    else:
        pictures = 0
    turns[0] = (turns[0][0], first)
    left, done = pictures, []
    if template == "internvl2_5":
        places = [role == "human" for role, _ in turns]
    else:
        if any(role == "system" for role, _ in turns):
            return Outcome(fails=True)
        turns = turns[1:] if turns[0][0] == "gpt" else turns
        places = [True] * len(turns)
    for searched, (role, text) in zip(places, turns, strict=True):
        count = min(left, text.count("<image>")) if searched else 0
        done.append((role, text.replace("<image>", SHOWN, count)))
        left -= count
    asserted = template == "internvl2_5" or image
    return Outcome(fails=bool(asserted and left), texts=done)


def found(record: dict[str, Any], template: str) -> dict[str, list[Any]]:
    view = RecordView(
        raw=record, format=get_format("internvl"), options=Options(template=template), index=0, path="a.jsonl"
    )
    return {code: hits for code in CODES if (hits := list(get_check(code).function(view)))}


texts = st.lists(st.sampled_from(["<image>\n", "<video>\n", "<image>", "<video>", " a "]), max_size=3).map(
    "".join
)
MEDIA: list[dict[str, Any]] = [
    {"image": "a.png"},
    {"image": ["a.png"]},
    {"image": ["a.png", "b.png"]},
    {"video": "a.mp4"},
    {},
]


@st.composite
def records(draw: st.DrawFn) -> dict[str, Any]:
    roles = ["human", "gpt"] * draw(st.integers(1, 2))
    roles = draw(st.sampled_from([[], ["gpt"], ["system"]])) + roles
    return {
        **draw(st.sampled_from(MEDIA)),
        "conversations": [{"from": role, "value": draw(texts)} for role in roles],
    }


@pytest.mark.parametrize("template", ["internvl2_5", "Hermes-2", "internlm2-chat"])
@settings(max_examples=700, deadline=None)
@given(record=records())
def test_a_finding_exactly_where_the_loader_spoils_something(template: str, record: dict[str, Any]) -> None:
    outcome, hits = load(record, template), found(record, template)
    if template != "internvl2_5" and record["conversations"][0]["from"] == "system":
        return  # I08 says that the template knows no system turn
    errors = [
        hit
        for code, of in hits.items()
        for hit in of
        if (hit.severity or get_check(code).severity) == "error"
    ]
    in_answer = any(role != "human" and SHOWN in text for role, text in outcome.texts)
    no_loss = bool(record.get("video")) and outcome.shown != FRAMES
    clean = not (outcome.fails or outcome.left or in_answer or no_loss)
    displaced = bool(record.get("video")) and any("<image>" in t["value"] for t in record["conversations"])
    if outcome.fails or no_loss:
        assert errors
    if errors:
        assert not clean or displaced
    if clean and not displaced:
        assert not hits
    if not clean:
        assert hits


@pytest.mark.parametrize("template", ["internvl2_5", "Hermes-2"])
@pytest.mark.parametrize("code", CODES)
@settings(max_examples=300, deadline=None)
@given(record=records())
def test_each_guard_alone_hides_no_hit(template: str, code: str, record: dict[str, Any]) -> None:
    fast = FastPath(get_format("internvl"), [get_check(code)], Options(media="none", template=template))
    try:
        struct = fast.decode(json.dumps(record).encode())
    except DECODE_ERRORS:
        return
    if fast.accept(struct) is not None:
        assert code not in found(record, template)


@settings(max_examples=500, deadline=None)
@given(record=records())
def test_repairs_leave_no_finding_of_their_code(record: dict[str, Any]) -> None:
    for code, hits in found(record, "internvl2_5").items():
        for hit in hits:
            if hit.edits:
                after = json.loads(apply(json.dumps(record).encode(), hit.edits))
                messages = [h.message for h in found(after, "internvl2_5").get(code, [])]
                assert len(messages) < len(hits) or hit.message not in messages


def ask(*texts: str, roles: tuple[str, ...] = ("human", "gpt"), **media: Any) -> dict[str, Any]:
    turns = [{"from": roles[i % len(roles)], "value": text} for i, text in enumerate(texts)]
    return {**media, "conversations": turns}


@pytest.mark.parametrize(
    "record, template, codes",
    [
        (ask("Hi", "Hello", "<image>\nWhat?", "A dog.", image="a.png"), "internvl2_5", ["I04"]),
        (ask("<image>\n<image>\nWhat?", "A dog.", image="a.png"), "internvl2_5", ["I05"]),
        (ask("Say <image>.", "Yes."), "internvl2_5", ["I05"]),
        (ask("<image>\nWhich?", "It.", image=["a", "b"]), "internvl2_5", ["I06"]),
        (ask("Which?", "It.", image=["a"]), "internvl2_5", ["I06"]),
        (ask("Be brief.", "<image>\nWhich?", "It.", roles=("system", "human", "gpt"), image=["a", "b"]), "internvl2_5", ["I06"]),
        (ask("<image>\nWhat?", "The <image>.", image="a.png"), "Hermes-2", ["I07"]),
        (ask("Say <image>.", "What?", "It.", roles=("system", "human", "gpt")), "internvl2_5", ["I07"]),
        (ask("Be brief. <image>", "What?", "It.", roles=("system", "human", "gpt"), image="a"), "internvl2_5", ["I07", "I09"]),
        (ask("Be brief.", "What?", "It.", roles=("system", "human", "gpt"), video="a.mp4"), "internvl2_5", ["I09"]),
        (ask("Hi", "<video>\nWhat?", "It.", roles=("gpt", "human", "gpt"), video="a.mp4"), "Hermes-2", ["I09", "I10"]),
        (ask("<video> What?", "It.", video="a.mp4"), "internvl2_5", ["I10"]),
        (ask("<video>\n<video>\nWhat?", "It.", video="a.mp4"), "internvl2_5", ["I10"]),
        (ask("What?", "It.", video="a.mp4"), "internvl2_5", []),
        (ask("What?", "It.", image="a.png"), "internvl2_5", []),
        (ask("What?", "It.", image="a.png"), "Hermes-2", []),
    ],
)  # fmt: skip
def test_named_cases(record: dict[str, Any], template: str, codes: list[str]) -> None:
    assert sorted(found(record, template)) == codes
