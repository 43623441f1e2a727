"""Checks on turns that every trainer shares: keys, types, roles and their order (C02 to C10, C14)."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches

from mmdata.checks.registry import SHAPE, Hit, check
from mmdata.checks.view import RecordView
from mmdata.finding import Edit

_CONVERSATION_KEYS = ("conversation", "messages", "Conversations", "conversions", "dialog", "dialogue")


@check("C02", severity="error", guard=SHAPE, fixable="sometimes")
def no_conversations(record: RecordView) -> Iterator[Hit]:
    """The record has no `conversations` key.

    Every loader reads exactly this word; the guides of GeoPixel and XComposer also print `conversation`, and other
    tools write `messages`.

    Upstream: KeyError: the run crashes (GeoPixel, XComposer) or the sample is replaced by a random one (VideoRefer, InternVL).
    Fix: Rename the key to `conversations`.
    Source: every trainer's data set class.
    Bad (internvl): {"conversation": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]}
    Good (internvl): {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]}
    """
    if "conversations" in record.raw:
        return
    wrong = next((key for key in _CONVERSATION_KEYS if isinstance(record.raw.get(key), list)), None)
    if wrong is None:
        near = get_close_matches("conversations", list(map(str, record.raw)), n=1, cutoff=0.8)
        wrong = near[0] if near and isinstance(record.raw[near[0]], list) else None
    if wrong is None:
        yield Hit("the record has no `conversations`", pointer="", fix="Add the turns under `conversations`.")
        return
    edits = (Edit("rename", f"/{wrong}", "conversations"),)
    yield Hit(f"the turns lie under `{wrong}`, not `conversations`", pointer=f"/{wrong}", edits=edits)


_ROLE_KEYS = ("role", "speaker", "from_")
_TEXT_KEYS = ("content", "text", "values", "val")


@check("C03", severity="error", guard=SHAPE, fixable="sometimes")
def turn_without_keys(record: RecordView) -> Iterator[Hit]:
    """A turn lacks `from` or `value`.

    Other tools write `role` and `content`; an FAQ of InternVL writes `text`.

    Upstream: KeyError: the run crashes (GeoPixel, XComposer) or the sample is replaced by a random one (VideoRefer, InternVL).
    Fix: Rename the keys to `from` and `value`.
    Bad (internvl): {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "text": "Hello"}]}
    Good (internvl): {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]}
    """
    for turn in record.turns:
        if not isinstance(turn.raw, dict):
            yield Hit(f"turn {turn.index} is not an object with `from` and `value`", pointer=turn.pointer, fix="Write the turn as an object with `from` and `value`.")
            continue
        for key, others in (("from", _ROLE_KEYS), ("value", _TEXT_KEYS)):
            if key in turn.raw:
                continue
            found = [other for other in others if isinstance(turn.raw.get(other), str)]
            if len(found) == 1:
                place = f"{turn.pointer}/{found[0]}"
                yield Hit(f"turn {turn.index} has `{found[0]}` where `{key}` is read", pointer=place, edits=(Edit("rename", place, key),))
            else:
                yield Hit(f"turn {turn.index} has no `{key}`", pointer=turn.pointer, fix=f"Add `{key}` to the turn.")


