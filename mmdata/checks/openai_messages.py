"""OpenAI-style messages: what the parts of a content are (N08 to N10)."""

from __future__ import annotations

from collections.abc import Iterator

from mmdata.checks import markers
from mmdata.checks.registry import Hit, check
from mmdata.checks.view import RecordView
from mmdata.finding import Edit
from mmdata.formats.openai_messages import PLACES, parts, payload

OPENAI = ("openai-messages",)

_KNOWN = {"text", "refusal", "input_audio", "audio_url", "audio", "file", *PLACES}

_RENAMED = {
    "image_path": "image",
    "img": "image",
    "picture": "image",
    "input_text": "text",
    "input_image": "image_url",
}


@check("N08", severity="error", formats=OPENAI, guard="plain_parts", fixable="sometimes")
def bad_part(record: RecordView) -> Iterator[Hit]:
    """A part of a content has no known type, or holds nothing under the key of its type.

    Known types: `text`, `image_url`, `image`, `video_url`, `video`, and those of sound, files and refusals.

    Upstream: The API refuses the file; chat templates skip the part, so that the picture is never shown.
    Fix: Write `{"type": "text", "text": …}`, `{"type": "image_url", "image_url": {"url": …}}` or `{"type": "video", "video": …}`.
    Source: the chat API's reference; transformers `apply_chat_template`; Qwen-VL's `process_vision_info`.
    Bad (openai-messages): {"messages": [{"role": "user", "content": [{"type": "image_url", "url": "a.png"}]}, {"role": "assistant", "content": "A dog."}]}
    Bad (openai-messages): {"messages": [{"role": "user", "content": ["What is it?"]}, {"role": "assistant", "content": "A dog."}]}
    Bad (openai-messages): {"messages": [{"role": "user", "content": [{"type": "picture", "image": "a.png"}]}, {"role": "assistant", "content": "A dog."}]}
    Good (openai-messages): {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "a.png"}}, {"type": "text", "text": "What is it?"}]}, {"role": "assistant", "content": "A dog."}]}
    """
    for turn in record.turns:
        content = turn.raw.get("content") if isinstance(turn.raw, dict) else None
        if content == []:
            yield Hit(f"the content of message {turn.index} is an empty list", pointer=turn.text_pointer)
        for number, part in enumerate(content if isinstance(content, list) else ()):
            place = f"{turn.text_pointer}/{number}"
            if isinstance(part, str):
                edit = Edit("set", place, {"type": "text", "text": part})
                yield Hit(
                    f"part {number} of message {turn.index} is a bare string", pointer=place, edits=(edit,)
                )
                continue
            kind = part.get("type") if isinstance(part, dict) else None
            if not isinstance(kind, str) or kind not in _KNOWN:
                right = _RENAMED.get(kind) if isinstance(kind, str) else None
                edits = (Edit("set", f"{place}/type", right),) if right is not None and right in part else ()
                yield Hit(
                    f"part {number} of message {turn.index} has "
                    + (f"the type {kind!r}" if isinstance(kind, str) else "no `type`"),
                    pointer=f"{place}/type" if isinstance(kind, str) else place,
                    edits=edits,
                )
            elif kind == "text" and not isinstance(part.get("text"), str):
                yield Hit(f"part {number} of message {turn.index} has no `text`", pointer=place)
            elif kind in PLACES:
                _, value = payload(part)
                if not (isinstance(value, str) and value) and not (isinstance(value, list) and value):
                    yield Hit(
                        f"part {number} of message {turn.index} has no `{kind}` that names a file",
                        pointer=place,
                    )


@check("N09", severity="warning", formats=OPENAI, guard="plain_parts")
def picture_in_answer(record: RecordView) -> Iterator[Hit]:
    """A picture or video stands in a message that is not the user's.

    Upstream: The API takes pictures in the user's messages alone and refuses the file; some chat templates show them, others skip them.
    Fix: Move the part to the question.
    Source: the chat API's reference.
    Bad (openai-messages): {"messages": [{"role": "user", "content": "Draw a dog."}, {"role": "assistant", "content": [{"type": "image", "image": "a.png"}]}]}
    Good (openai-messages): {"messages": [{"role": "user", "content": [{"type": "image", "image": "a.png"}]}, {"role": "assistant", "content": "A dog."}]}
    """
    for pointer, part in parts(record.raw):
        number = int(pointer.split("/")[2])
        speaker = record.turns[number].speaker
        if part.get("type") in PLACES and speaker is not None and speaker != "user":
            yield Hit(f"message {number}, which is the {speaker}'s, shows a {part['type']}", pointer=pointer)


@check("N10", severity="warning", formats=OPENAI, guard="plain_parts")
def tag_in_part(record: RecordView) -> Iterator[Hit]:
    """The text of a part holds the placeholder of a trainer.

    In a content of parts the picture's place is that of its part. (For a content that is one string, see C14.)

    Upstream: It stays plain text, or, where the model's own placeholder is spelled so, counts as one picture more.
    Fix: Remove the placeholder, and put the picture's part where it stood.
    Source: transformers `apply_chat_template` and the processors of the models.
    Bad (openai-messages): {"messages": [{"role": "user", "content": [{"type": "image", "image": "a.png"}, {"type": "text", "text": "<image>What is it?"}]}, {"role": "assistant", "content": "A dog."}]}
    Good (openai-messages): {"messages": [{"role": "user", "content": [{"type": "image", "image": "a.png"}, {"type": "text", "text": "What is it?"}]}, {"role": "assistant", "content": "A dog."}]}
    """
    for pointer, part in parts(record.raw):
        text = part.get("text")
        if part.get("type") == "text" and isinstance(text, str):
            for tag in markers.PLACEHOLDERS:
                if tag in text:
                    yield Hit(f"the text of a part holds {tag}", pointer=f"{pointer}/text")
