"""Each template's text, loss spans and generated chat template against texts written out by hand."""

from __future__ import annotations

import pytest

from mmdata.errors import DataError, UnknownName
from mmdata.templates import Piece, Slot, Template, Text, get_template, shown, template_names
from schemas.sample import Media, MediaPart, PhrasePart, Sample, SampleTurn, TextPart

OLD = "你是由上海人工智能实验室联合商汤科技开发的书生多模态大模型，英文名叫InternVL, 是一个有用无害的人工智能助手。"
NEW = "你是书生·万象，英文名是InternVL，是由上海人工智能实验室、清华大学及多家合作单位联合开发的多模态大语言模型。"

# What is between « and » carries loss.
GOLDEN = {
    "internvl2_5": f"<|im_start|>system\n{NEW}<|im_end|>\n"
    "<|im_start|>user\n<image>\nWhat? <|im_end|>\n<|im_start|>assistant\n« A dog.<|im_end|>»\n"
    "<|im_start|>user\nSure?<|im_end|>\n<|im_start|>assistant\n«Yes<|im_end|>»\n",
    "Hermes-2": f"<|im_start|>system\n{OLD}<|im_end|>"
    "<|im_start|>user\n<image>\nWhat? <|im_end|><|im_start|>assistant\n« A dog.<|im_end|>»"
    "<|im_start|>user\nSure?<|im_end|><|im_start|>assistant\n«Yes<|im_end|>»",
    "internlm2-chat": f"<|im_start|>system\n{OLD}<|im_end|>"
    "<|im_start|>user\n<image>\nWhat?<|im_end|><|im_start|>assistant\n«A dog.<|im_end|>»"
    "<|im_start|>user\nSure?<|im_end|><|im_start|>assistant\n«Yes<|im_end|>»",
    "phi3-chat": f"<|system|>\n{OLD}<|end|>"
    "<|user|>\n<image>\nWhat? <|end|><|assistant|>\n« A dog.<|end|>»"
    "<|user|>\nSure?<|end|><|assistant|>\n«Yes<|end|>»",
    "xcomposer": "<image>[UNUSED_TOKEN_146]user\nWhat?[UNUSED_TOKEN_145]\n"
    "[UNUSED_TOKEN_146]assistant\n«A dog.[UNUSED_TOKEN_145]»\n"
    "[UNUSED_TOKEN_146]user\nSure?[UNUSED_TOKEN_145]\n"
    "[UNUSED_TOKEN_146]assistant\n«Yes[UNUSED_TOKEN_145]\n</s>»",
    "qwen2-vl": "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
    "<|im_start|>user\n<image>\nWhat? <|im_end|>\n<|im_start|>assistant\n« A dog.<|im_end|>\n»"
    "<|im_start|>user\nSure?<|im_end|>\n<|im_start|>assistant\n«Yes<|im_end|>\n»",
    "llava-onevision": "<|im_start|>user\n<image>\nWhat? <|im_end|>\n<|im_start|>assistant\n« A dog.<|im_end|>»\n"
    "<|im_start|>user\nSure?<|im_end|>\n<|im_start|>assistant\n«Yes<|im_end|>»\n",
}


def conversation() -> Sample:
    return Sample(
        [
            SampleTurn("user", [MediaPart(0, implied=True), TextPart("What? ")]),
            SampleTurn("assistant", [TextPart(" A dog.")]),
            SampleTurn("user", [TextPart("Sure?")]),
            SampleTurn("assistant", [TextPart("Yes")]),
        ],
        [Media("image", ["a.png"])],
    )


def marked(pieces: list[Piece]) -> str:
    return "".join("<image>" if isinstance(p, Slot) else f"«{p.text}»" if p.loss else p.text for p in pieces)


def test_every_template_has_a_golden_text() -> None:
    assert sorted(GOLDEN) == template_names()


@pytest.mark.parametrize("name", GOLDEN)
def test_text_and_loss(name: str) -> None:
    assert marked(get_template(name).render(conversation())) == GOLDEN[name]


@pytest.mark.parametrize("name", GOLDEN)
def test_a_tokenizers_chat_template_gives_the_same_text(name: str) -> None:
    jinja2 = pytest.importorskip("jinja2")
    template = get_template(name)
    turns = conversation().turns
    turns[0].parts[0] = MediaPart(0)  # implied pictures have no place in a chat template
    text = shown(template.render(Sample(turns, [Media("image", ["a.png"])])), template.image.format("@"))
    source = template.jinja().replace(template.image_token, "@")
    for tag in ("{%- generation -%}", "{%- endgeneration -%}"):  # known to transformers alone
        assert tag in source
        source = source.replace(tag, "")
    messages = [
        {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "What? "}]},
        {"role": "assistant", "content": " A dog."},
        {"role": "user", "content": "Sure?"},
        {"role": "assistant", "content": "Yes"},
    ]
    if template.strip:  # parts keep their white space: there is no telling where a value ends
        messages[0]["content"] = [{"type": "image"}, {"type": "text", "text": "What?"}]
    rendered = (
        jinja2.Environment(trim_blocks=True, lstrip_blocks=True).from_string(source).render(messages=messages)
    )
    assert rendered == text


def test_a_system_turn_replaces_the_default() -> None:
    sample = conversation()
    sample.turns.insert(0, SampleTurn("system", [TextPart("Be brief.")]))
    assert shown(get_template("internvl2_5").render(sample)).startswith(
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user"
    )
    with pytest.raises(DataError, match="takes no system turn"):
        get_template("Hermes-2").render(sample)


def test_turns_that_do_not_fit_are_refused() -> None:
    sample = conversation()
    del sample.turns[0]
    with pytest.raises(DataError, match="beginning with the user"):
        get_template("phi3-chat").render(sample)
    with pytest.raises(DataError, match="nothing to train on"):
        get_template("internvl2_5").render(Sample([SampleTurn("user", [TextPart("hi")])]))
    with pytest.raises(DataError, match="no turns"):
        get_template("internvl2_5").render(Sample([]))
    with pytest.raises(UnknownName, match="did you mean 'internvl2_5'"):
        get_template("internvl25")


def test_grounded_phrases_are_written_as_geopixel_does() -> None:
    sample = Sample(
        [SampleTurn("user", [TextPart("?")]), SampleTurn("assistant", [PhrasePart(" a tank ", [0])])]
    )
    assert "<p> a tank </p> [SEG]" in shown(get_template("xcomposer").render(sample))


def test_a_template_is_text_and_slots_alone() -> None:
    template: Template = get_template("internvl2_5")
    assert template.render(conversation())[1:3] == [
        Slot(0),
        Text("\nWhat? <|im_end|>\n<|im_start|>assistant\n"),
    ]
