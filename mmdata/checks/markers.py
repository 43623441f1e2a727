"""Markers: the strings inside turns that some trainer treats as more than text, and one way to find them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

IMAGE = "<image>"
IMAGE_HERE = "<ImageHere>"
VIDEO = "<video>"
REGION = "<region>"
SEG = "[SEG]"

PLACEHOLDERS = (IMAGE, IMAGE_HERE, VIDEO, REGION, SEG)
"""Every trainer's placeholders; in a format that does not know one it stays plain text (C14)."""

PHRASE = ("<p>", "</p>")
BOXES = ("<ref>", "</ref>", "<box>", "</box>", "<quad>", "</quad>")

CONTROL: dict[str, tuple[str, ...]] = {
    "geopixel": ("</s>", "<s>"),
    "xcomposer": ("</s>", "<s>"),
    "xcomposer-2.0": ("</s>", "<s>"),
    "videorefer": ("<|im_start|>", "<|im_end|>", "<|endoftext|>"),
    "videorefer-vl3": ("<|im_start|>", "<|im_end|>", "<|endoftext|>", "<REGION>"),
    "llava": ("</s>", "<s>"),
    "internvl": ("<|im_start|>", "<|im_end|>", "<img>", "</img>", "<IMG_CONTEXT>", "</s>"),
}
"""Strings that the trainer's tokenizer reads as one control token, wherever they stand (C10)."""

EVERYWHERE = ("<|im_start|>", "<|im_end|>", "<IMG_CONTEXT>")
"""Control tokens that are never ordinary text, also for a trainer whose tokenizer does not know them."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A marker found in a text: its string and where it stands (character offsets)."""

    text: str
    start: int
    end: int


@cache
def patterns(format_name: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """The regular expressions that find every marker that matters in data of this format: ``<…>`` and ``[…]``.

    Two, because `re` leaps to a literal first character and crawls through an alternation of them (six times slower).
    """
    words = {*PLACEHOLDERS, *CONTROL.get(format_name, ()), *EVERYWHERE} - {REGION, SEG}
    if format_name == "geopixel":
        words.update(PHRASE)
    if format_name == "internvl":
        words.update(BOXES)
    angled = "|".join(sorted((re.escape(word[1:]) for word in words), key=len, reverse=True))
    return re.compile(f"<(?:{angled}|(?i:region)>)"), re.compile(r"\[(?:SEG|UNUSED_TOKEN_\d+)\]")


_COLUMN_TAGS = {"llamafactory": ("<audio>",), "ms-swift": ("<audio>", "<bbox>", "<ref-object>")}
"""Tags of columns beside pictures and videos; they are counted as they stand, and are no markers of any other check."""


@cache
def quick_patterns(format_name: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """`patterns` for the fast path: tags of columns are markers too, and a phrase's end with its mask token, `CLOSED`, is one
    (besides the token).

    So the order of the markers of a text tells whether its phrases are closed as they should be.
    """
    angled, square = patterns(format_name)
    if format_name == "geopixel":
        angled = re.compile(angled.pattern.replace("<(?:", r"<(?:/p> \[SEG\]|", 1))
    for tag in _COLUMN_TAGS.get(format_name, ()):
        angled = re.compile(angled.pattern.replace("<(?:", f"<(?:{tag[1:]}|", 1))
    return angled, square


CLOSED = "</p> [SEG]"


def find(text: str, format_name: str) -> list[Mark]:
    """The markers of a text, in order."""
    marks = [
        Mark(m[0], m.start(), m.end()) for pattern in patterns(format_name) for m in pattern.finditer(text)
    ]
    return sorted(marks, key=lambda mark: mark.start)


def control_tokens(format_name: str) -> frozenset[str]:
    """The control tokens of the trainer itself (without ``[UNUSED_TOKEN_n]``, which InternLM trainers know)."""
    return frozenset(CONTROL.get(format_name, ()))
