"""What the texts hold besides words: control tokens and other trainers' placeholders (C10, C14)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from mmdata.checks import markers
from mmdata.checks.registry import Hit, check
from mmdata.checks.view import RecordView, TurnView
from mmdata.finding import Edit

INTERNLM = frozenset({"geopixel", "xcomposer", "xcomposer-2.0"})
"""Formats whose tokenizer reads every ``[UNUSED_TOKEN_n]`` as one token, 145 and 146 among them: the turn markers."""

ENDINGS = ("</s>", "<|im_end|>", "<|endoftext|>", "[UNUSED_TOKEN_145]")
"""Tokens that end a text or a turn; at the end of a value they are left over from another tool."""

_EFFECTS = {
    "geopixel": "It becomes the token itself: an end marker moves the loss to the questions, `</s>` ends the loss.",
    "videorefer": "It becomes the token itself: the model sees a turn that begins or ends here.",
    "videorefer-vl3": "It becomes the token itself: the model sees a turn that begins or ends here, or features are put in the wrong place.",
    "internvl": "It becomes the token itself: a turn ends early, or the number of picture tokens is wrong and the batch trains nothing.",
}
_PLAIN_TEXT = "This trainer's tokenizer does not know the token: its characters are trained as text."


def _is_own(token: str, format_name: str) -> bool:
    return token in markers.control_tokens(format_name) or (
        format_name in INTERNLM and token.startswith("[UNUSED_TOKEN_")
    )


def _is_control(token: str, format_name: str) -> bool:
    """Whether a marker is a control token, of this trainer or of any."""
    return _is_own(token, format_name) or token in markers.EVERYWHERE or token.startswith("[UNUSED_TOKEN_")


@check("C10", severity="error", guard="own_markers", fixable="sometimes")
def control_token(record: RecordView) -> Iterator[Hit]:
    """A text holds a control token.

    The trainer writes these tokens itself around turns and pictures. In data they are mostly left over from a template
    that was applied before.

    Upstream: The tokenizer reads it as the token itself: a turn or the whole text ends early, the loss moves to the wrong turns, or picture tokens are miscounted. A token of another trainer's tokenizer is trained as plain characters: a warning.
    Fix: Remove the token; the template adds what belongs there.
    Source: the tokenizers' added tokens.
    Bad (geopixel): {"conversations": [{"from": "human", "value": "Hi"}, {"from": "bot", "value": "Hello</s>"}]}
    Bad (xcomposer): {"conversations": [{"from": "user", "value": "What does [UNUSED_TOKEN_145] do?"}, {"from": "assistant", "value": "It ends a turn."}]}
    Bad (internvl): {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello<|im_end|>\\n"}]}
    Bad (geopixel): {"conversations": [{"from": "human", "value": "Hi"}, {"from": "bot", "value": "Hello <|im_end|>"}]}
    Good (geopixel): {"conversations": [{"from": "human", "value": "Hi"}, {"from": "bot", "value": "Hello"}]}
    Good (videorefer): {"conversations": [{"from": "human", "value": "What does </s> do?"}, {"from": "gpt", "value": "It ends a text in some models."}]}
    """
    name = record.format.name
    for turn in record.turns:
        tokens = Counter(mark.text for mark in turn.marks if _is_control(mark.text, name))
        if not tokens:
            continue
        assert turn.text is not None
        rest = _without_endings(turn.text)
        for token, count in tokens.items():
            own = _is_own(token, name)
            message = f"the text of turn {turn.index} holds the control token {token}"
            # Only what ends a text is surely no part of it.
            edits = (Edit("set", turn.text_pointer, rest),) if rest and token not in rest else ()
            yield Hit(
                message if count == 1 else f"{message} {count} times",
                pointer=turn.text_pointer,
                severity=None if own else "warning",
                upstream=_EFFECTS.get("geopixel" if name in INTERNLM else name) if own else _PLAIN_TEXT,
                edits=edits,
            )


def _without_endings(text: str) -> str:
    """The text without the end tokens, and the white space around them, at its end."""
    rest, before = text.rstrip(), None
    while rest != before:
        before = rest
        for token in ENDINGS:
            rest = rest.removesuffix(token).rstrip()
    return rest


@check("C14", severity="warning", guard="own_markers", fixable="sometimes")
def foreign_placeholder(record: RecordView) -> Iterator[Hit]:
    """A text holds the placeholder of another trainer.

    `<ImageHere>` belongs to GeoPixel and XComposer, `<image>` and `<video>` to VideoRefer and InternVL, `<region>` to
    VideoRefer, `[SEG]` to GeoPixel.

    Upstream: It stays plain text: the model reads, or learns to write, its characters, and no picture stands there.
    Fix: Write the trainer's own placeholder, or remove it.
    Source: the template code of every trainer.
    Bad (xcomposer): {"image": "a.png", "conversations": [{"from": "user", "value": "<image>\\nWhat is it?"}, {"from": "assistant", "value": "A dog."}]}
    Bad (internvl): {"image": "a.png", "conversations": [{"from": "human", "value": "<ImageHere>What is it?"}, {"from": "gpt", "value": "A dog."}]}
    Bad (geopixel): {"conversations": [{"from": "human", "value": "What is <region>?"}, {"from": "bot", "value": "A word."}]}
    Good (xcomposer): {"image": "a.png", "conversations": [{"from": "user", "value": "<ImageHere>What is it?"}, {"from": "assistant", "value": "A dog."}]}
    Good (internvl): {"image": "a.png", "conversations": [{"from": "human", "value": "<image>\\nWhat is it?"}, {"from": "gpt", "value": "A dog."}]}
    """
    foreign = _foreign(record)
    fits = record.format.image_tag is not None and _image_tags_fit(record)
    for turn in record.turns:
        found = Counter(mark.text for mark in turn.marks if mark.text in foreign)
        for placeholder, count in found.items():
            times = "" if count == 1 else f" {count} times"
            message = f"the text of turn {turn.index} holds {placeholder}{times}, which means nothing to this trainer"
            edits = _own_image_tags(record, turn) if fits and placeholder in _IMAGE_TAGS else ()
            fix = f"Write `{record.format.image_tag}`." if edits else None
            yield Hit(message, pointer=turn.text_pointer, fix=fix, edits=edits)


_IMAGE_TAGS = frozenset({markers.IMAGE, markers.IMAGE_HERE})


def _foreign(record: RecordView) -> frozenset[str]:
    """The placeholders that this trainer does not know."""
    own = {record.format.image_tag, record.format.video_tag, record.format.region_tag}
    return frozenset(markers.PLACEHOLDERS) - own - record.format.user_markers - record.format.answer_markers


def _image_tags_fit(record: RecordView) -> bool:
    """Whether the pictures are as many as the image tags of both kinds in the user's turns."""
    tags = sum(record.count(tag, "user") for tag in _IMAGE_TAGS)
    return tags == len(record.images) > 0


def _own_image_tags(record: RecordView, turn: TurnView) -> tuple[Edit, ...]:
    own = record.format.image_tag
    if turn.speaker != "user" or turn.text is None or own is None:
        return ()
    text = turn.text
    for tag in _IMAGE_TAGS - {own}:
        text = text.replace(tag, own)
    return (Edit("set", turn.text_pointer, text),)
