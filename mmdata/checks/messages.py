"""Messages as LLaMA-Factory, ms-swift and OpenAI-compatible tools read them: their keys, roles and order (N02 to N07)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from mmdata.checks.registry import SHAPE, Hit, check
from mmdata.checks.roles import ASSISTANT_WORDS, USER_WORDS
from mmdata.checks.view import RecordView, TurnView
from mmdata.finding import Edit

MESSAGES = ("llamafactory", "ms-swift", "openai-messages")

_LISTS = {
    "llamafactory": ("conversations", "messages"),
    "ms-swift": ("messages", "conversations", "conversation"),
    "openai-messages": ("messages",),
}
"""Keys of the list of turns that the loader finds by itself."""

_MISTAKEN = ("messages", "conversations", "conversation", "dialog", "dialogue", "chat")


@check("N02", severity="error", formats=MESSAGES, guard="alternating", fixable="sometimes")
def no_messages(record: RecordView) -> Iterator[Hit]:
    """The record has no list of turns under the key that is read.

    LLaMA-Factory reads `conversations` unless `dataset_info.json` names another column; ms-swift `messages`,
    `conversations` or `conversation`; OpenAI-compatible tools `messages` alone. ms-swift's forms of `query` and
    `response` and LLaMA-Factory's alpaca form are not looked at here.

    Upstream: KeyError: the run stops before training (LLaMA-Factory, OpenAI-compatible tools); ms-swift finds no preprocessor for the file.
    Fix: Rename the key.
    Source: LLaMA-Factory `data/converter.py` and `data/parser.py`; ms-swift `dataset/preprocessor/core.py`.
    Bad (openai-messages): {"conversations": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}
    Bad (llamafactory): {"text": "Hello"}
    Good (openai-messages): {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}
    Good (ms-swift): {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]}
    """
    known = (record.keys.turns,) if record.format.columns else _LISTS[record.format.name]
    if any(key in record.raw for key in known):
        empty = record.raw.get(record.keys.turns)
        if empty == []:
            yield Hit(f"`{record.keys.turns}` is empty", pointer=f"/{record.keys.turns}")
        return
    wrong = [key for key in _MISTAKEN if isinstance(record.raw.get(key), list)]
    if len(wrong) != 1:
        yield Hit(f"the record has no `{known[0]}`", pointer="", fix=f"Add the turns under `{known[0]}`.")
        return
    place = f"/{wrong[0]}"
    yield Hit(
        f"the turns lie under `{wrong[0]}`, not `{known[0]}`",
        pointer=place,
        edits=(Edit("rename", place, known[0]),),
    )


@check("N03", severity="error", formats=MESSAGES, guard=SHAPE, fixable="sometimes")
def message_without_keys(record: RecordView) -> Iterator[Hit]:
    """A message lacks the key of its role or of its content.

    LLaMA-Factory and ms-swift take `from` and `value` too, but one pair for all turns of a record. An assistant's message
    that calls tools needs no content in the OpenAI style.

    Upstream: KeyError: the run stops while the data are prepared (LLaMA-Factory, OpenAI-compatible tools); ms-swift drops the record with a traceback.
    Fix: Rename the keys.
    Source: LLaMA-Factory `data/converter.py`; ms-swift `dataset/preprocessor/core.py`.
    Bad (llamafactory): {"messages": [{"role": "user", "content": "Hi"}, {"from": "gpt", "value": "Hello"}]}
    Bad (openai-messages): {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "text": "Hello"}]}
    Good (llamafactory): {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}
    """
    for turn in record.turns:
        keys = turn.keys
        if not isinstance(turn.raw, dict):
            yield Hit(
                f"message {turn.index} is not an object with `{keys.role}` and `{keys.text}`",
                pointer=turn.pointer,
                fix=f"Write the message as an object with `{keys.role}` and `{keys.text}`.",
            )
            continue
        for key, others in (
            (keys.role, {"role", "from", "speaker"} - {keys.role}),
            (keys.text, {"content", "value", "text"} - {keys.text}),
        ):
            if key in turn.raw or (key == keys.text and "tool_calls" in turn.raw):
                continue
            found = [other for other in sorted(others) if isinstance(turn.raw.get(other), str)]
            if len(found) == 1:
                place = f"{turn.pointer}/{found[0]}"
                yield Hit(
                    f"message {turn.index} has `{found[0]}` where `{key}` is read",
                    pointer=place,
                    edits=(Edit("rename", place, key),),
                )
            else:
                yield Hit(
                    f"message {turn.index} has no `{key}`",
                    pointer=turn.pointer,
                    fix=f"Add `{key}` to the message.",
                )


@check("N04", severity="error", formats=MESSAGES, guard=SHAPE, fixable="sometimes")
def content_type(record: RecordView) -> Iterator[Hit]:
    """The content of a message is not what is read: a string, in the OpenAI style also a list of parts.

    Upstream: AttributeError or a type error of the columns: the run stops while the data are prepared (LLaMA-Factory, ms-swift).
    Fix: Write the content as a string; pictures go to the columns, with `<image>` in the text.
    Source: LLaMA-Factory `data/mm_plugin.py`; ms-swift `dataset/preprocessor/core.py`.
    Bad (ms-swift): {"messages": [{"role": "user", "content": "How many?"}, {"role": "assistant", "content": 3}]}
    Bad (llamafactory): {"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}, {"role": "assistant", "content": "Hello"}]}
    Bad (openai-messages): {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": null}]}
    Good (openai-messages): {"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}, {"role": "assistant", "content": "Hello"}]}
    """
    parts = record.format.name == "openai-messages"
    for turn in record.turns:
        if not isinstance(turn.raw, dict) or turn.keys.text not in turn.raw or turn.text is not None:
            continue
        value = turn.raw[turn.keys.text]
        if parts and (isinstance(value, list) or (value is None and "tool_calls" in turn.raw)):
            continue
        text, unsafe = _as_text(value)
        what = "a string or a list of parts" if parts else "a string"
        yield Hit(
            f"the content of message {turn.index} is {_kind(value)}, not {what}",
            pointer=turn.text_pointer,
            edits=() if text is None else (Edit("set", turn.text_pointer, text),),
            unsafe=unsafe,
        )


def _as_text(value: Any) -> tuple[str | None, bool]:
    """The string that surely was meant, if any, and whether that is a guess after all."""
    if type(value) is int and abs(value) < 10**15:
        return str(value), False
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict):
        text = value[0].get("text") if value[0].get("type") == "text" else None
        return (text, False) if isinstance(text, str) else (None, False)
    return None, False


def _kind(value: Any) -> str:
    names = {bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return "null" if value is None else names.get(type(value), "a string")


@check("N05", severity="error", formats=MESSAGES, guard="alternating", fixable="sometimes")
def unknown_speaker(record: RecordView) -> Iterator[Hit]:
    """A message's role is a word that the loader does not know.

    LLaMA-Factory knows `human` and `gpt` with `from`, `user` and `assistant` with `role` (other words through the tags of
    `dataset_info.json`); ms-swift knows `user` and `assistant`, and reads `human`, `gpt` and `bot` as these; the OpenAI
    style has `user`, `assistant`, `system`, `developer` and `tool`.

    Upstream: LLaMA-Factory and ms-swift drop the record with a warning; the API refuses the file.
    Fix: Write the loader's own word.
    Source: LLaMA-Factory `data/converter.py`; ms-swift `dataset/preprocessor/core.py`.
    Bad (openai-messages): {"messages": [{"role": "human", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}
    Bad (llamafactory): {"conversations": [{"from": "user", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]}
    Bad (ms-swift): {"messages": [{"role": "user", "content": "Hi"}, {"role": "narrator", "content": "Hello"}]}
    Good (ms-swift): {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}
    Good (llamafactory): {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]}
    """
    user, assistant = (None, None) if record.format.columns else own_words(record)
    for turn in record.turns:
        if not isinstance(turn.raw, dict) or turn.keys.role not in turn.raw:
            continue
        word = turn.role
        if word is not None and turn.speaker is not None:
            continue
        plain = (word or "").strip().lower()
        right = user if plain in USER_WORDS else assistant if plain in ASSISTANT_WORDS else None
        said = f"the role {word!r}" if word is not None else "a role that is not a string"
        yield Hit(
            f"message {turn.index} has {said}",
            pointer=turn.role_pointer,
            fix=None if right is None else f"Write `{right}`.",
            edits=() if right is None else (Edit("set", turn.role_pointer, right),),
        )


def own_words(record: RecordView) -> tuple[str, str]:
    """The loader's words for user and assistant in this record."""
    sharegpt = record.format.name == "llamafactory" and record.keys.role == "from"
    return ("human", "gpt") if sharegpt else ("user", "assistant")


@check("N06", severity="error", formats=MESSAGES, guard="alternating", fixable="sometimes")
def message_order(record: RecordView) -> Iterator[Hit]:
    """The speakers do not take turns as the loader wants them to.

    LLaMA-Factory wants a question (or the result of a tool) at every even place and an answer (or the call of a tool) at
    every odd one, after a system message that only the first may be; ms-swift joins answers in a row and otherwise wants
    the same; the OpenAI style wants an answer, and learns nothing after the last one.

    Upstream: LLaMA-Factory drops the record with a warning; ms-swift fails an assertion and takes another record instead; elsewhere a last question is read and not trained.
    Fix: Let user and assistant alternate, the user first, the assistant last.
    Source: LLaMA-Factory `data/converter.py`; ms-swift `template/base.py` and `template/template_inputs.py`.
    Bad (llamafactory): {"messages": [{"role": "user", "content": "Hi"}, {"role": "user", "content": "Are you there?"}, {"role": "assistant", "content": "Yes"}]}
    Bad (ms-swift): {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}, {"role": "user", "content": "Bye"}]}
    Bad (openai-messages): {"messages": [{"role": "user", "content": "Hi"}]}
    Good (ms-swift): {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}
    """
    found = [(turn, turn.speaker) for turn in record.turns]
    if not found or any(who is None for _, who in found):
        return
    spoken = found[1:] if found[0][1] == "system" else found
    if not any(who == "assistant" for _, who in spoken):
        yield Hit("no message is the assistant's, so nothing is trained", pointer=f"/{record.keys.turns}")
        return
    name = record.format.name
    late = next((turn for turn, who in spoken if who == "system"), None)
    if late is not None:
        severe = name != "openai-messages"
        yield Hit(
            f"message {late.index} is a system message, which only the first may be",
            pointer=late.role_pointer,
            severity=None if severe else "warning",
        )
        return
    if name != "openai-messages":
        wrong = _out_of_turn(spoken, joins=name == "ms-swift")
        if wrong is not None:
            yield Hit(
                f"message {wrong.index} is the {wrong.speaker}'s, where the other speaker is wanted",
                pointer=wrong.role_pointer,
            )
            return
    last, who = spoken[-1]
    if who == "user":
        tags = any(
            tag in (last.text or "<image>")
            for tag in ("<image>", "<video>", "<audio>", "<bbox>", "<ref-object>")
        )
        yield Hit(
            f"message {last.index}, the last, is a question without an answer",
            pointer=last.pointer,
            severity=None if name == "llamafactory" else "warning",
            edits=() if tags else (Edit("remove", last.pointer),),
            unsafe=True,
        )


def _out_of_turn(spoken: Sequence[tuple[TurnView, str | None]], *, joins: bool) -> TurnView | None:
    """The first message that is not the turn of its speaker; answers in a row are one where the loader joins them."""
    wanted = "user"
    for number, (turn, who) in enumerate(spoken):
        if joins and who == "assistant" and (number == 0 or spoken[number - 1][1] == "assistant"):
            # ms-swift puts an empty question in front of a leading answer.
            wanted = "user"
            continue
        if who != wanted:
            if joins and who == "user" and turn.role in ("tool", "tool_response"):
                continue
            return turn
        wanted = "assistant" if who == "user" else "user"
    return None


_TAGS = (("<image>", "images"), ("<video>", "videos"), ("<audio>", "audios"))

_TAGS_FIT = " and ".join(
    f"(user_marks.count('{tag}') + answer_marks.count('{tag}') + other_marks.count('{tag}') == ENTRIES(r.{key}))"
    for tag, key in _TAGS
)


@check("N07", severity="error", formats=("llamafactory", "ms-swift"), guard=_TAGS_FIT, fixable="sometimes")
def tags_for_columns(record: RecordView) -> Iterator[Hit]:
    """The number of `<image>`, `<video>` or `<audio>` is not the number of entries in its column.

    ms-swift writes missing tags in front of the first message, which is a warning here: say where the picture belongs.

    Upstream: LLaMA-Factory raises ValueError and the run stops; ms-swift puts missing tags in front of the first message, and with too many fails an assertion.
    Fix: Write one tag for each entry.
    Source: LLaMA-Factory `data/mm_plugin.py`; ms-swift `template/base.py` (_add_default_tags).
    Bad (llamafactory): {"images": ["a.png"], "messages": [{"role": "user", "content": "What is it?"}, {"role": "assistant", "content": "A dog."}]}
    Bad (ms-swift): {"images": ["a.png"], "messages": [{"role": "user", "content": "What is it?"}, {"role": "assistant", "content": "A dog."}]}
    Bad (ms-swift): {"messages": [{"role": "user", "content": "<video>What is it?"}, {"role": "assistant", "content": "A dog."}]}
    Good (llamafactory): {"images": ["a.png"], "messages": [{"role": "user", "content": "<image>What is it?"}, {"role": "assistant", "content": "A dog."}]}
    """
    texts = [turn.text for turn in record.turns if turn.text is not None]
    first = next((t for t in record.turns if t.speaker == "user" and t.text is not None), None)
    swift, columns = record.format.name == "ms-swift", record.format.columns
    for tag, usual in _TAGS:
        named = columns.names.get(usual) if columns else usual
        key, value = named or usual, record.raw.get(named) if named else None
        entries = len(value) if isinstance(value, list) else 0 if value is None else 1
        tags = sum(text.count(tag) for text in texts)
        if tags == entries:
            continue
        missing = entries - tags
        certain = swift and first is not None and first is _first_said(record)
        edits: tuple[Edit, ...] = ()
        if first is not None and missing > 0 and tags == 0:
            edits = (Edit("set", first.text_pointer, tag * missing + (first.text or "")),)
        yield Hit(
            f"{tags} {tag} in the text and {entries} entries in `{key}`",
            pointer=f"/{key}" if key in record.raw else f"/{record.keys.turns}",
            severity="warning" if swift and missing > 0 else None,
            edits=edits,
            unsafe=not certain,
        )


def _first_said(record: RecordView) -> TurnView | None:
    return next((turn for turn in record.turns if turn.speaker != "system"), None)
