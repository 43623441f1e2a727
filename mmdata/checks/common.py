"""Checks on the keys and types of a record and its turns (C02 to C04, S01, S02)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from mmdata.checks.registry import SHAPE, Hit, check
from mmdata.checks.view import RecordView
from mmdata.finding import Edit
from mmdata.io.record import Problem

_CONVERSATION_KEYS = ("conversation", "messages", "Conversations", "conversions", "dialog", "dialogue")


@check("C02", severity="error", from_value=True, guard=SHAPE, fixable="sometimes")
def no_conversations(record: RecordView) -> Iterator[Hit]:
    """The record has no `conversations` key.

    Every loader reads exactly this word; the guides of GeoPixel and XComposer also print `conversation`, and other
    tools write `messages`.

    Upstream: KeyError: the run crashes (GeoPixel, XComposer, VideoRefer v1) or the sample is replaced by a random one (VideoLLaMA3 dialect, InternVL).
    Fix: Rename the key to `conversations`.
    Source: every trainer's data set class.
    Bad (internvl): {"conversation": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]}
    Good (internvl): {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]}
    """
    if "conversations" in record.raw or record.format.dialogues:
        return
    wrong = next((key for key in _CONVERSATION_KEYS if isinstance(record.raw.get(key), list)), None)
    if wrong is None:
        near = get_close_matches("conversations", list(map(str, record.raw)), n=1, cutoff=0.8)
        wrong = near[0] if near and isinstance(record.raw[near[0]], list) else None
    if wrong is None:
        yield Hit("the record has no `conversations`", pointer="", fix="Add the turns under `conversations`.")
        return
    place = "/" + wrong.replace("~", "~0").replace("/", "~1")
    yield Hit(
        f"the turns lie under `{wrong}`, not `conversations`",
        pointer=place,
        edits=(Edit("rename", place, "conversations"),),
    )


_ROLE_KEYS = ("role", "speaker", "from_")
_TEXT_KEYS = ("content", "text", "values", "val")


@check("C03", severity="error", from_value=True, guard=SHAPE, fixable="sometimes")
def turn_without_keys(record: RecordView) -> Iterator[Hit]:
    """A turn lacks `from` or `value`.

    Other tools write `role` and `content`; an FAQ of InternVL writes `text`.

    Upstream: KeyError: the run crashes (GeoPixel, XComposer, VideoRefer v1) or the sample is replaced by a random one (VideoLLaMA3 dialect, InternVL).
    Fix: Rename the keys to `from` and `value`.
    Source: every trainer's preprocessing.
    Bad (internvl): {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "text": "Hello"}]}
    Good (internvl): {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]}
    """
    for turn in record.turns:
        if not isinstance(turn.raw, dict):
            fix = "Write the turn as an object with `from` and `value`."
            yield Hit(
                f"turn {turn.index} is not an object with `from` and `value`", pointer=turn.pointer, fix=fix
            )
            continue
        for key, others in (("from", _ROLE_KEYS), ("value", _TEXT_KEYS)):
            if key in turn.raw:
                continue
            found = [other for other in others if isinstance(turn.raw.get(other), str)]
            if len(found) == 1:
                place = f"{turn.pointer}/{found[0]}"
                message = f"turn {turn.index} has `{found[0]}` where `{key}` is read"
                yield Hit(message, pointer=place, edits=(Edit("rename", place, key),))
            else:
                yield Hit(
                    f"turn {turn.index} has no `{key}`", pointer=turn.pointer, fix=f"Add `{key}` to the turn."
                )


@check("C04", severity="error", from_value=True, guard=SHAPE, fixable="sometimes")
def text_not_a_string(record: RecordView) -> Iterator[Hit]:
    """The `value` of a turn is not a string.

    Other tools write a number for a short answer, null for an empty one, or a list of parts.

    Upstream: AttributeError or TypeError: the run crashes (GeoPixel, XComposer, VideoRefer v1) or the sample is replaced by a random one (VideoLLaMA3 dialect, InternVL).
    Fix: Write the text as a string.
    Source: every trainer's data set class and template code.
    Bad (internvl): {"conversations": [{"from": "human", "value": "How many cats?"}, {"from": "gpt", "value": 3}]}
    Bad (geopixel): {"conversations": [{"from": "human", "value": [{"type": "text", "text": "Hi"}]}, {"from": "gpt", "value": "Hello"}]}
    Bad (videorefer): {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": null}]}
    Good (internvl): {"conversations": [{"from": "human", "value": "How many cats?"}, {"from": "gpt", "value": "3"}]}
    """
    for turn in record.turns:
        if not isinstance(turn.raw, dict) or "value" not in turn.raw or turn.text is not None:
            continue
        value = turn.raw["value"]
        text, unsafe = _as_text(value)
        edits = () if text is None else (Edit("set", turn.text_pointer, text),)
        message = f"the text of turn {turn.index} is {_named(value)}, not a string"
        yield Hit(message, pointer=turn.text_pointer, edits=edits, unsafe=unsafe)


def _as_text(value: Any) -> tuple[str | None, bool]:
    """The string that surely was meant, if any, and whether that is a guess after all."""
    if type(value) is int and abs(value) < 10**15:
        return str(value), False
    if isinstance(value, list) and len(value) == 1:
        part = value[0]
        text = part.get("text") if isinstance(part, dict) and part.get("type") == "text" else part
        return (text, True) if isinstance(text, str) else (None, False)
    return None, False


@check("S02", severity="error", besides=("internvl",), kinds=("not-a-record",))
def not_an_object(problem: Problem) -> Iterator[Hit]:
    """A record is not an object but a number, a string, a list or null.

    In an InternVL file that is I02.

    Upstream: TypeError or AttributeError as soon as the record is drawn: the run crashes (GeoPixel, XComposer, VideoRefer v1) or the sample is replaced by a random one (VideoLLaMA3 dialect).
    Fix: Remove it; a list of records inside the list belongs a level higher.
    Source: every trainer's data set class, which asks each record for its keys.
    Bad (geopixel): [{"conversations": [{"from": "human", "value": "Hi"}, {"from": "bot", "value": "Hello"}]}, null]
    Bad (videorefer; raw): [[{"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]}]]
    Good (geopixel): [{"conversations": [{"from": "human", "value": "Hi"}, {"from": "bot", "value": "Hello"}]}]
    """
    yield Hit(problem.message)


MAX_SHAPE_HITS = 100
"""Shape errors of one record that are told apart."""


@check("S01", severity="error", guard=SHAPE)
def wrong_type(record: RecordView) -> Iterator[Hit]:
    """A value has a type that the trainer does not take.

    The record does not fit the format's type (`mmdata schema FORMAT`), and no other check says why.

    Upstream: The loader fails at this value: the run crashes (GeoPixel, XComposer, mostly VideoRefer v1) or the sample is replaced by a random one (VideoLLaMA3 dialect, InternVL).
    Fix: Write the value as the message says; where it is absent, leave the key out instead of writing null.
    Source: the trainers' data set classes, as written down in `schemas`.
    Bad (xcomposer): {"image": {"path": "a.png"}, "conversations": [{"from": "user", "value": "<ImageHere>What is it?"}, {"from": "assistant", "value": "A dog."}]}
    Bad (videorefer): {"id": 1, "conversations": {"from": "human", "value": "Hi"}}
    Good (xcomposer): {"image": "a.png", "conversations": [{"from": "user", "value": "<ImageHere>What is it?"}, {"from": "assistant", "value": "A dog."}]}
    """
    from pydantic import ValidationError  # only a record that is wrong pays for it

    try:
        record.format.record.model_validate(record.raw)
    except ValidationError as error:
        faults = [_Fault(record.raw, e) for e in error.errors(include_url=False)[: 10 * MAX_SHAPE_HITS]]
        yield from _shape_hits(record.raw, faults)


class _Fault:
    """One of pydantic's errors, placed in the record.

    Attributes:
        place: keys and indices from the record to the value.
        key: the key that is missing there, or None.
        branch: the error is that of one type of several.
        kind: pydantic's name of the error.
        expected: what pydantic expected, for a person.
    """

    def __init__(self, raw: Any, error: Mapping[str, Any]) -> None:
        self.kind: str = error["type"]
        self.key = str(error["loc"][-1]) if self.kind == "missing" else None
        self.expected = _expected(error)
        self.place: tuple[str | int, ...] = ()
        self.branch = False
        value = raw
        for part in error["loc"][:-1] if self.key else error["loc"]:
            inside = isinstance(part, int) and isinstance(value, list) and part < len(value)
            if inside or (isinstance(value, dict) and part in value):
                self.place, self.branch = (*self.place, part), False
                value = value[part]
            else:
                # Not a step into the value but the name of the union's member that was tried.
                self.branch = True


def _shape_hits(raw: Any, faults: Sequence[_Fault]) -> Iterator[Hit]:
    """One hit a place: what each member of a union expected is one sentence, and the member that got deeper tells more."""
    inner = {fault.place[:depth] for fault in faults for depth in range(len(fault.place))}
    by_place: dict[tuple[str | int, ...], list[_Fault]] = {}
    for fault in faults:
        # A lone surrogate is no string for pydantic; Python's json and the trainers take it, and R04 tells of it.
        if fault.kind != "string_unicode" and not (fault.branch and fault.place in inner):
            by_place.setdefault(fault.place, []).append(fault)
    for place, there in list(by_place.items())[:MAX_SHAPE_HITS]:
        pointer = "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in place)
        name = f"`{pointer[1:]}`" if pointer else "the record"
        missing = [f"`{fault.key}`" for fault in there if fault.key is not None]
        if missing:
            yield Hit(
                f"{name} has no {' and no '.join(dict.fromkeys(missing))}",
                pointer=pointer,
                fix=f"Add {', '.join(missing)}.",
            )
            continue
        exact = [fault for fault in there if not fault.kind.endswith("_type")] or there
        expected = " or ".join(dict.fromkeys(fault.expected for fault in exact))
        yield Hit(f"{name}: expected {expected}, got {_named(_at(raw, place))}", pointer=pointer)


def _at(value: Any, place: Sequence[str | int]) -> Any:
    for part in place:
        value = value[part]
    return value


_TYPES = {
    "string_type": "a string",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
    "none_required": "null",
}


def _expected(error: Mapping[str, Any]) -> str:
    """What pydantic expected, in words."""
    kind, limits = error["type"], error.get("ctx", {})
    if kind in _TYPES:
        return _TYPES[kind]
    if kind == "literal_error":
        return str(limits["expected"]).replace("'", "`")
    if kind in ("too_short", "too_long"):
        least = kind == "too_short"
        number = limits["min_length" if least else "max_length"]
        return f"at {'least' if least else 'most'} {number} {'item' if number == 1 else 'items'}"
    if kind in ("greater_than_equal", "less_than_equal"):
        return f"at {'least' if kind[0] == 'g' else 'most'} {limits['ge' if kind[0] == 'g' else 'le']}"
    message = str(error["msg"])
    return message[:1].lower() + message[1:]


def _named(value: Any) -> str:
    """A value for a message: what it is, and short ones as they are."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, (int, float)):
        return "a very large number" if abs(value) >= 1e15 else f"the number {value}"
    if isinstance(value, str):
        return f"the string {value!r}" if len(value) <= 40 else f"a string of {len(value)} characters"
    kind = "a list" if isinstance(value, list) else "an object"
    return f"an empty {kind.split()[-1]}" if not value else f"{kind} of {len(value)}"
