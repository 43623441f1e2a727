"""Control tokens and other trainers' placeholders: C10, C14."""

from __future__ import annotations

from typing import Any

import pytest

ALL = ("geopixel", "xcomposer", "xcomposer-2.0", "videorefer", "videorefer-vl3", "internvl")


def talk(question: str, answer: str = "Yes.", **keys: Any) -> dict[str, Any]:
    return {**keys, "conversations": [{"from": "human", "value": question}, {"from": "gpt", "value": answer}]}


@pytest.mark.parametrize(
    "name, token, severity",
    [
        ("geopixel", "</s>", None),
        ("geopixel", "[UNUSED_TOKEN_145]", None),
        ("xcomposer", "[UNUSED_TOKEN_146]", None),
        ("xcomposer-2.0", "[UNUSED_TOKEN_0]", None),
        ("xcomposer", "<|im_end|>", "warning"),
        ("internvl", "<|im_end|>", None),
        ("internvl", "<img>", None),
        ("internvl", "<IMG_CONTEXT>", None),
        ("internvl", "[UNUSED_TOKEN_145]", "warning"),
        ("videorefer", "<|endoftext|>", None),
        ("videorefer", "<IMG_CONTEXT>", "warning"),
        ("videorefer-vl3", "<REGION>", None),
    ],
)
def test_c10_is_an_error_for_the_trainers_own_tokens(
    hits: Any, name: str, token: str, severity: str | None
) -> None:
    (hit,) = hits("C10", name, talk(f"What does {token} do?"))
    assert (hit.pointer, hit.severity, hit.edits) == ("/conversations/0/value", severity, ())
    assert token in hit.message


@pytest.mark.parametrize(
    "text, rest",
    [
        ("Yes.<|im_end|>", "Yes."),
        ("Yes. <|im_end|>\n", "Yes."),
        ("Yes.<|im_end|></s>", "Yes."),
        ("<|im_end|>Yes.<|im_end|>", None),
        ("<|im_end|>", None),
        ("Yes.<|im_start|>", None),
    ],
)
def test_c10_removes_only_what_ends_a_text(hits: Any, text: str, rest: str | None) -> None:
    for hit in hits("C10", "internvl", talk("Hi", text)):
        assert [e.value for e in hit.edits] == ([] if rest is None else [rest])


def test_c10_tells_each_token_of_a_turn_once(hits: Any) -> None:
    found = hits("C10", "internvl", talk("<|im_start|>user\nHi<|im_end|><|im_end|> there"))
    assert [h.message.rpartition("token ")[2] for h in found] == ["<|im_start|>", "<|im_end|> 2 times"]


@pytest.mark.parametrize(
    "name, text",
    [
        ("videorefer", "</s>"),
        ("geopixel", "<|endoftext|>"),
        ("internvl", "<IMG> and im_end and [UNUSED_TOKEN_x]"),
        ("videorefer", "<REGION>"),
        ("geopixel", "<p> a </p> [SEG]"),
        ("internvl", "<ref>a</ref><box>[[1, 2, 3, 4]]</box>"),
    ],
)
def test_c10_leaves_other_text_alone(hits: Any, name: str, text: str) -> None:
    assert hits("C10", name, talk(text, text)) == []


@pytest.mark.parametrize(
    "name, text",
    [
        ("geopixel", "<image>"),
        ("geopixel", "<video>"),
        ("xcomposer", "<region>"),
        ("xcomposer", "[SEG]"),
        ("xcomposer-2.0", "<image>"),
        ("videorefer", "<ImageHere>"),
        ("videorefer-vl3", "[SEG]"),
        ("internvl", "<ImageHere>"),
        ("internvl", "<region>"),
    ],
)
@pytest.mark.parametrize("turn", [0, 1])
def test_c14_a_placeholder_of_another_trainer(hits: Any, name: str, text: str, turn: int) -> None:
    record = talk("Hi")
    record["conversations"][turn]["value"] = f"a {text} b"
    (hit,) = hits("C14", name, record)
    assert (hit.pointer, hit.edits) == (f"/conversations/{turn}/value", ())


@pytest.mark.parametrize("name", ALL)
def test_c14_own_placeholders_and_other_spellings_are_left_alone(hits: Any, name: str) -> None:
    own = {
        "geopixel": "<ImageHere> [SEG] <p>",
        "videorefer": "<image> <video> <region> <REGION>",
        "videorefer-vl3": "<image> <video> <region>",
        "internvl": "<image> <video> <ref>",
    }.get(name, "<ImageHere>")
    assert hits("C14", name, talk(own, "<Image> image <imagehere> [seg]")) == []


def test_c14_translates_tags_where_the_counts_fit(hits: Any) -> None:
    record = talk("<image>one <ImageHere>two", image=["a.png", "b.png"])
    (hit,) = hits("C14", "xcomposer", record)
    assert [e.value for e in hit.edits] == ["<ImageHere>one <ImageHere>two"]
    (hit,) = hits("C14", "internvl", record)
    assert [e.value for e in hit.edits] == ["<image>one <image>two"]


@pytest.mark.parametrize(
    "record",
    [
        talk("<image>one", image=["a.png", "b.png"]),
        talk("<image>one <image>two", image="a.png"),
        talk("<image>one"),
        talk("Hi", "<image>", image="a.png"),
    ],
)
def test_c14_translates_nothing_where_the_counts_differ(hits: Any, record: Any) -> None:
    (hit,) = hits("C14", "xcomposer", record)
    assert hit.edits == ()
