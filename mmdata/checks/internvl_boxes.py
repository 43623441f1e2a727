"""InternVL: boxes and referring phrases in the text (I17, I18)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mmdata.checks.internvl import INTERNVL
from mmdata.checks.registry import Hit, check
from mmdata.checks.view import RecordView, TurnView
from mmdata.finding import Edit

NO_BOXES = "user_marks.count('<image>') == len(user_marks) and not answer_marks and not other_marks"

_BOX = re.compile(r"<box>(.*?)</box>", re.DOTALL)
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
_NESTED = re.compile(r"\s*\[\s*(?:\[[^\[\]]*\]\s*,?\s*)+\]\s*")
_SINGLE = re.compile(r"\s*\[([^\[\]]*)\]\s*")


@check("I17", severity="error", formats=INTERNVL, guard=NO_BOXES, fixable="sometimes")
def bad_box(record: RecordView) -> Iterator[Hit]:
    """A box is not `[[x1, y1, x2, y2]]` in thousandths of the picture.

    Coordinates run from 0 to 1000, x to the right, y down, the top-left corner first.

    Upstream: the text is never parsed: the model learns boxes in another measure or order than it was taught, and the evaluation does not find them.
    Fix: Scale to 0–1000, write the smaller corner first, nest the box in a list.
    Source: the data guide's grounding format; the evaluation's regular expression.
    Bad (internvl): {"image": "a.png", "conversations": [{"from": "human", "value": "<image>\\nWhere?"}, {"from": "gpt", "value": "<ref>dog</ref><box>[10, 10, 20, 20]</box>"}]}
    Good (internvl): {"image": "a.png", "conversations": [{"from": "human", "value": "<image>\\nWhere?"}, {"from": "gpt", "value": "<ref>dog</ref><box>[[10, 10, 20, 20]]</box>"}]}
    """
    for turn in record.turns:
        for match in _BOX.finditer(turn.text or ""):
            yield from _faults(turn, match)


def _faults(turn: TurnView, match: re.Match[str]) -> Iterator[Hit]:
    inner, shown = match[1], match[0][:80]
    numbers = [float(number) for number in _NUMBER.findall(inner)]
    text = turn.text or ""
    if not numbers or len(numbers) % 4:
        yield Hit(f"{shown} has {len(numbers)} numbers, not four a box", turn.text_pointer)
        return
    single = _SINGLE.fullmatch(inner)
    if single and len(numbers) == 4:
        fixed = f"{text[: match.start()]}<box>[[{single[1]}]]</box>{text[match.end() :]}"
        yield Hit(
            f"{shown} is not nested: [[x1, y1, x2, y2]]",
            turn.text_pointer,
            edits=(Edit("set", turn.text_pointer, fixed),),
        )
    elif not _NESTED.fullmatch(inner) or any(
        len(_NUMBER.findall(box)) % 4 for box in re.findall(r"\[[^\[\]]*\]", inner)
    ):
        yield Hit(f"{shown} is no list of boxes", turn.text_pointer)
    boxes = [numbers[k : k + 4] for k in range(0, len(numbers), 4)]
    if all(0 <= v <= 1 for v in numbers) and any(v != int(v) for v in numbers):
        yield Hit(f"{shown} runs from 0 to 1, not to 1000", turn.text_pointer)
    elif any(not 0 <= v <= 1000 for v in numbers):
        yield Hit(f"{shown} leaves 0 to 1000", turn.text_pointer)
    elif any(x1 > x2 or y1 > y2 for x1, y1, x2, y2 in boxes):
        yield Hit(f"{shown} has the larger corner first", turn.text_pointer)


@check("I18", severity="warning", formats=INTERNVL, guard=NO_BOXES)
def unbalanced_tags(record: RecordView) -> Iterator[Hit]:
    """`<ref>`, `<box>` or `<quad>` is opened and not closed, or the reverse.

    Upstream: the tags are tokens of their own: the model learns to leave them open.
    Fix: Close each tag.
    Source: the tokenizer's added tokens.
    Bad (internvl): {"image": "a.png", "conversations": [{"from": "human", "value": "<image>\\nWhere?"}, {"from": "gpt", "value": "<ref>dog<box>[[10, 10, 20, 20]]</box>"}]}
    Good (internvl): {"image": "a.png", "conversations": [{"from": "human", "value": "<image>\\nWhere?"}, {"from": "gpt", "value": "<ref>dog</ref><box>[[10, 10, 20, 20]]</box>"}]}
    """
    for turn in record.turns:
        for word in ("ref", "box", "quad"):
            opened = 0
            for mark in turn.marks:
                if mark.text == f"<{word}>":
                    opened += 1
                elif mark.text == f"</{word}>":
                    opened -= 1
                if opened not in (0, 1):
                    break
            if opened:
                yield Hit(f"<{word}> and </{word}> do not match in turn {turn.index}", turn.text_pointer)
