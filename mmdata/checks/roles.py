"""Who speaks: the role words and what each trainer takes them for (C05)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Literal

from mmdata.checks.registry import Hit, check
from mmdata.checks.view import RecordView, TurnView
from mmdata.finding import Edit

USER_WORDS = frozenset(
    {"human", "humans", "user", "users", "usr", "question", "questioner", "prompter", "customer"}
)
"""Words that mean the user wherever they come from."""

ASSISTANT_WORDS = frozenset(
    {"gpt", "assistant", "bot", "chatgpt", "gpt4", "gpt-4", "model", "ai", "answer", "chatbot"}
)
"""Words that mean the assistant wherever they come from."""

SYSTEM_WORDS = frozenset({"system", "developer"})
TOOL_WORDS = frozenset({"tool", "function", "observation", "tool_response", "environment"})
"""Words for text that the model is to read, not to say."""

BY_PARITY = frozenset({"geopixel", "xcomposer", "xcomposer-2.0"})
"""Formats whose trainer takes every even turn for a question and every odd one for an answer, whatever its role."""

Fault = Literal["unknown", "user-as-assistant", "system-as-assistant", "tool-as-assistant", "late-system"]


def role_fault(record: RecordView, turn: TurnView) -> Fault | None:
    """What is wrong with the role word of a turn that has one, or None; a matter of the word, not of the order."""
    if not isinstance(turn.raw, dict) or "from" not in turn.raw:
        return None
    if turn.role is None or turn.speaker is None:
        return "unknown"
    if turn.speaker == "system":
        return "late-system" if turn.index and not is_legacy(record) else None
    word = turn.role.strip().lower()
    if turn.speaker != "assistant" or word in ASSISTANT_WORDS:
        return None
    if word in USER_WORDS or get_close_matches(word, ("human", "user"), n=1, cutoff=0.75):
        return "user-as-assistant"
    if word in TOOL_WORDS:
        return "tool-as-assistant"
    # The VideoLLaMA3 dialect's system turn has its own code.
    return "system-as-assistant" if word in SYSTEM_WORDS and record.format.name in BY_PARITY else None


def is_legacy(record: RecordView) -> bool:
    """Whether InternVL trains with one of its older templates, which know no system turn."""
    return record.options.template != "internvl2_5"


def alternates(turns: Sequence[TurnView]) -> bool:
    """Whether user and assistant take turns, the user first and the assistant last."""
    return len(turns) % 2 == 0 and all(
        t.speaker == ("assistant" if i % 2 else "user") for i, t in enumerate(turns)
    )


_NOT_KNOWN = {
    "videorefer": "KeyError: the run crashes.",
    "llava": "KeyError: the run crashes.",
    "internvl": "KeyError or NotImplementedError: the sample is replaced by a random one.",
}
_ANSWERED = "Every word but the user's is taken for the assistant: this text is trained as an answer."
_ANSWERED_BY_PARITY = (
    "Every word but `human` and `user` is taken for the assistant, and what is trained follows the number of turns: "
    "this turn moves the loss from the answers to the questions."
)


@check("C05", severity="error", from_value=True, guard="regular", fixable="sometimes")
def unknown_role(record: RecordView) -> Iterator[Hit]:
    """A turn's role is a word that the trainer does not know, or takes for another speaker.

    The words: `human` and `gpt` everywhere; GeoPixel and XComposer also take `user` (in any case) for the user and every
    other word for the assistant; the VideoLLaMA3 dialect takes every word but `human` for the assistant; InternVL's
    internvl2_5 template takes `system` as the first turn.

    Upstream: KeyError: the run crashes (VideoRefer v1) or the sample is replaced by a random one (InternVL); GeoPixel, XComposer and the VideoLLaMA3 dialect train the text as an answer.
    Fix: Write `human` or `gpt`; put the text of a system turn in front of the first question.
    Source: the role tables of every trainer's template code.
    Bad (internvl): {"conversations": [{"from": "user", "value": "Hi"}, {"from": "assistant", "value": "Hello"}]}
    Bad (videorefer-vl3): {"conversations": [{"from": "user", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]}
    Bad (geopixel): {"conversations": [{"from": "system", "value": "Be brief."}, {"from": "human", "value": "Hi"}, {"from": "bot", "value": "Hello"}]}
    Good (internvl): {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]}
    Good (geopixel): {"conversations": [{"from": "User", "value": "Hi"}, {"from": "assistant", "value": "Hello"}]}
    """
    if alternates(record.turns):
        # Then each odd turn answers, whatever its word.
        return
    by_parity = record.format.name in BY_PARITY
    for turn in record.turns:
        fault = role_fault(record, turn)
        if fault is None:
            continue
        if fault in ("unknown", "late-system"):
            upstream = _NOT_KNOWN.get(record.format.name)
        else:
            upstream = _ANSWERED_BY_PARITY if by_parity else _ANSWERED
        role = f"the role {turn.role!r}" if turn.role is not None else "a role that is not a string"
        message = f"turn {turn.index} has {role}"
        if fault == "late-system":
            message += ", which only the first turn may have"
        edits, unsafe = _role_repair(record, turn, fault)
        yield Hit(message, pointer=turn.role_pointer, upstream=upstream, edits=edits, unsafe=unsafe)


def _role_repair(record: RecordView, turn: TurnView, fault: Fault) -> tuple[tuple[Edit, ...], bool]:
    """The repair of a role, and whether it may change what was meant."""
    word = (turn.role or "").strip().lower()
    if fault in ("unknown", "user-as-assistant"):
        if word in USER_WORDS:
            return (Edit("set", turn.role_pointer, "human"),), False
        if word in ASSISTANT_WORDS:
            return (Edit("set", turn.role_pointer, "gpt"),), False
        if (
            word == "system"
            and turn.index == 0
            and not is_legacy(record)
            and record.format.speaker(word) == "system"
        ):
            return (Edit("set", turn.role_pointer, word),), False
    if word in SYSTEM_WORDS and turn.index == 0 and len(record.turns) > 1:
        following = record.turns[1]
        if (
            turn.text is not None
            and following.text is not None
            and following.speaker == "user"
            and not turn.marks
        ):
            text = f"{turn.text.rstrip()}\n\n{following.text}"
            return (Edit("set", following.text_pointer, text), Edit("remove", turn.pointer)), True
    return (), False
