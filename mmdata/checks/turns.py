"""In which order the speakers take turns, and what is trained of it: C06 to C09."""

from __future__ import annotations

from collections.abc import Iterator

from mmdata.checks.registry import Hit, check
from mmdata.checks.roles import BY_PARITY, is_legacy, role_fault
from mmdata.checks.view import RecordView, TurnView
from mmdata.finding import Edit


def _ordered_turns(record: RecordView) -> list[TurnView] | None:
    """The turns whose order the trainer follows: without InternVL's system turn; None if another check is to speak first."""
    turns = record.turns
    if any(turn.role is None or role_fault(record, turn) for turn in turns):
        return None
    if any(turn.speaker == "system" for turn in turns):
        return None if is_legacy(record) else turns[1:]
    return turns


def _drops_leading_answer(record: RecordView) -> bool:
    name = record.format.name
    return name.startswith(("videorefer", "llava")) or (name == "internvl" and is_legacy(record))


def _kept(record: RecordView, turns: list[TurnView]) -> list[TurnView]:
    """The turns that are left when the trainer has dropped one leading answer, as some do."""
    return turns[1:] if turns and turns[0].speaker == "assistant" and _drops_leading_answer(record) else turns


def _odd_in_v1(record: RecordView, kept: list[TurnView]) -> bool:
    """VideoRefer v1 asserts an even number of turns; that has its own code."""
    return record.format.name == "videorefer" and len(kept) % 2 == 1


@check("C06", severity="error", from_value=True, guard="regular", fixable="sometimes")
def roles_out_of_order(record: RecordView) -> Iterator[Hit]:
    """The first turn is not the user's, or one speaker has two turns in a row.

    GeoPixel and XComposer never look at the order: every even turn is masked and every odd one trained.

    Upstream: GeoPixel and XComposer train the user's text and mask the answers from here on; VideoRefer v1 trains every second turn; InternVL's older templates replace the sample by a random one. A leading answer is dropped by VideoRefer and InternVL's older templates.
    Fix: Let user and assistant alternate, the user first: remove a leading answer, join turns of one speaker.
    Source: mask_human_targets of GeoPixel and XComposer; the preprocess functions of VideoRefer and InternVL.
    Bad (geopixel): {"conversations": [{"from": "bot", "value": "How can I help?"}, {"from": "human", "value": "Hi"}, {"from": "bot", "value": "Hello"}]}
    Bad (xcomposer): {"conversations": [{"from": "user", "value": "Hi"}, {"from": "user", "value": "Are you there?"}, {"from": "assistant", "value": "Yes"}]}
    Bad (internvl; template=Hermes-2): {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}, {"from": "gpt", "value": "What is it?"}]}
    Bad (videorefer-vl3): {"conversations": [{"from": "gpt", "value": "How can I help?"}, {"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]}
    Good (geopixel): {"conversations": [{"from": "human", "value": "Hi"}, {"from": "bot", "value": "Hello"}]}
    Good (internvl): {"conversations": [{"from": "system", "value": "Be brief."}, {"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]}
    """
    turns = _ordered_turns(record)
    if not turns:
        return
    kept = _kept(record, turns)
    if _odd_in_v1(record, kept) or all(turn.speaker != "assistant" for turn in kept):
        return
    if turns[0].speaker == "assistant":
        yield _leading_answer(record, turns)
    yield from _repeated_roles(record, kept)


def _leading_answer(record: RecordView, turns: list[TurnView]) -> Hit:
    first = turns[0]
    removable = not first.marks and len(turns) > 1 and turns[1].speaker == "user"
    removal = (Edit("remove", first.pointer),) if removable else ()
    message = f"the first turn is an answer ({first.role!r})"
    if _drops_leading_answer(record):
        upstream = "The leading answer is dropped: it is not trained."
        return Hit(message, pointer=first.role_pointer, severity="warning", upstream=upstream, edits=removal)
    if record.format.name == "internvl":
        upstream = "The order is not checked: the answer is trained without a question."
        return Hit(message, pointer=first.role_pointer, severity="warning", upstream=upstream)
    upstream = "Every even turn is masked and every odd one trained, whoever speaks: the user's text is trained, the answers are not."
    return Hit(message, pointer=first.role_pointer, upstream=upstream, edits=removal, unsafe=True)


_REPEATED = {
    "videorefer": "Every second turn is trained, whoever speaks: from here on the wrong ones.",
    "videorefer-vl3": "The order is not checked: every turn but the user's is trained as an answer.",
    "internvl": "The order is not checked: every `gpt` turn is trained.",
    "llava": "AssertionError: the run crashes.",
    "legacy": "AssertionError: the sample is replaced by a random one.",
}
_REPEATED_BY_PARITY = (
    "Every even turn is masked and every odd one trained, whoever speaks: from here on the wrong ones."
)


def _repeated_roles(record: RecordView, turns: list[TurnView]) -> Iterator[Hit]:
    runs: list[list[TurnView]] = []
    for turn in turns:
        if runs and runs[-1][0].speaker == turn.speaker:
            runs[-1].append(turn)
        else:
            runs.append([turn])
    long = [run for run in runs if len(run) > 1]
    if not long:
        return
    name = record.format.name
    strict = name != "videorefer-vl3" and (name != "internvl" or is_legacy(record))
    key = "legacy" if name == "internvl" and strict else name
    first = long[0]
    message = f"turns {first[0].index} and {first[1].index} are both the {first[0].speaker}'s"
    more = sum(len(run) - 1 for run in long) - 1
    if more:
        message += f", and so on in {more} more {'place' if more == 1 else 'places'}"
    yield Hit(
        message,
        pointer=first[1].role_pointer,
        severity=None if strict else "warning",
        upstream=_REPEATED_BY_PARITY if name in BY_PARITY else _REPEATED.get(key),
        edits=_joined(long),
        unsafe=True,
    )


def _joined(runs: list[list[TurnView]]) -> tuple[Edit, ...]:
    """Join the turns of each run into its first, last run first so that the pointers stay right."""
    edits: list[Edit] = []
    for run in reversed(runs):
        texts = [turn.text for turn in run if turn.text is not None]
        if len(texts) != len(run):
            return ()
        edits += [Edit("remove", turn.pointer) for turn in reversed(run[1:])]
        edits.append(Edit("set", run[0].text_pointer, "\n".join(texts)))
    return tuple(edits)


@check("C07", severity="error", from_value=True, guard="regular")
def no_answer(record: RecordView) -> Iterator[Hit]:
    """No turn is the assistant's, so nothing is trained.

    Also where the only answer is a leading one, which VideoRefer and InternVL's older templates drop.

    Upstream: Every label is masked: the mean of no loss is NaN, and in a batch of its own it spoils the step. Without any turn the loader fails.
    Fix: Add the answer, or remove the record.
    Source: the label masking of every trainer.
    Bad (internvl): {"conversations": [{"from": "human", "value": "Hi"}]}
    Bad (geopixel): {"conversations": []}
    Good (internvl): {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]}
    """
    if not isinstance(record.raw.get("conversations"), list):
        return
    turns = _ordered_turns(record)
    if turns is None:
        return
    kept = _kept(record, turns)
    if any(turn.speaker == "assistant" for turn in kept) or _odd_in_v1(record, kept):
        return
    if not record.turns:
        yield Hit(
            "the record has no turns",
            pointer="/conversations",
            upstream="The loader fails on the first turn, or nothing is trained.",
        )
        return
    upstream = None
    if record.format.name == "videorefer" and kept:
        upstream = "Every second turn is trained, whoever speaks: here the user's text."
    dropped = ", and the leading one is dropped" if len(kept) < len(turns) else ""
    yield Hit(f"no turn is an answer{dropped}", pointer="/conversations", upstream=upstream)


@check("C08", severity="warning", from_value=True, guard="regular", fixable="sometimes")
def trailing_question(record: RecordView) -> Iterator[Hit]:
    """The last turn is the user's and has no answer.

    VideoRefer v1 asserts an even number of turns; there it is V15.

    Upstream: The turn is read but not trained. InternVL's older templates lose more: Hermes-2 and phi3-chat ignore every label of the sample, internlm2-chat trains the question as part of the answer before it.
    Fix: Remove the last turn, or add its answer.
    Source: the label masking of every trainer; InternVL's preprocess_mpt, preprocess_phi3 and preprocess_internlm.
    Bad (internvl): {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}, {"from": "human", "value": "Bye"}]}
    Bad (internvl; template=Hermes-2): {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}, {"from": "human", "value": "Bye"}]}
    Good (internvl): {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}, {"from": "human", "value": "Bye"}, {"from": "gpt", "value": "Bye!"}]}
    """
    turns = _ordered_turns(record)
    if not turns or record.format.name == "videorefer" or turns[-1].speaker != "user":
        return
    if all(turn.speaker != "assistant" for turn in _kept(record, turns)):
        return
    last = turns[-1]
    edits = () if last.marks or turns[-2].speaker == "user" else (Edit("remove", last.pointer),)
    legacy = record.format.name == "internvl" and is_legacy(record)
    upstream = "The turn is read but not trained."
    if legacy:
        upstream = "Every label of the sample is ignored: it is not trained at all."
        if record.options.template == "internlm2-chat":
            upstream = "The question is trained as part of the answer before it."
    yield Hit(
        f"turn {last.index}, the last, is a question without an answer",
        pointer=last.pointer,
        severity="error" if legacy else None,
        upstream=upstream,
        edits=edits,
    )


@check("C09", severity="warning", from_value=True, guard="not empty_answer")
def empty_answer(record: RecordView) -> Iterator[Hit]:
    """An answer has no text.

    White space counts as none: GeoPixel and XComposer strip it, and it teaches nothing elsewhere.

    Upstream: Only the markers that end the turn are trained: the model learns to say nothing.
    Fix: Write the answer, or remove the question too.
    Source: the template code of every trainer.
    Bad (internvl): {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": ""}]}
    Bad (geopixel): {"conversations": [{"from": "human", "value": "Hi"}, {"from": "bot", "value": " \\n"}]}
    Good (internvl): {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]}
    """
    for turn in record.spoken_by("assistant"):
        if turn.text is not None and not turn.text.strip():
            what = "is white space" if turn.text else "is empty"
            yield Hit(f"the answer in turn {turn.index} {what}", pointer=turn.text_pointer)
