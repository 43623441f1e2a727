"""InternVL: `<image>` and `<video>` against what the record names (I04 to I07, I10)."""

from __future__ import annotations

from collections.abc import Iterator

from mmdata.checks.internvl import INTERNVL
from mmdata.checks.registry import Hit, check
from mmdata.checks.view import RecordView, TurnView
from mmdata.finding import Edit

TAG = "<image>"

ALL = "user_marks.count('<image>') + answer_marks.count('<image>') + other_marks.count('<image>')"
USER = "user_marks.count('<image>')"
ORDINARY = (
    f"regular and '<image>' not in answer_marks and ({USER} == n_images or {USER} == 0 and kind == 'image')"
)


def first_turn_has_tag(record: RecordView) -> bool:
    """Whether turn 0 holds `<image>`; a single picture's tag is put there otherwise."""
    return bool(record.turns) and TAG in (record.turns[0].text or "")


def unknown_roles(record: RecordView) -> bool:
    """Whether some role is not known: then C05 says so, and which tags are found is a guess."""
    return any(turn.speaker is None for turn in record.turns)


def searched(record: RecordView) -> list[TurnView]:
    """The turns in which the template looks for `<image>`.

    internvl2_5 looks in human turns; older templates anywhere, after they have dropped a leading answer.
    """
    if record.options.template == "internvl2_5":
        return record.spoken_by("user")
    return record.turns[1:] if record.turns and record.turns[0].speaker == "assistant" else record.turns


def put_in_front(record: RecordView) -> bool:
    """Whether the loader puts a single picture's tag in front of turn 0, and the template finds it there."""
    return (
        record.kind == "image"
        and not first_turn_has_tag(record)
        and any(turn.index == 0 for turn in searched(record))
    )


@check(
    "I04",
    severity="warning",
    formats=INTERNVL,
    guard=f"n_images != 1 or {ALL} == 0 or first_marked",
    fixable="always",
)
def tag_in_later_turn(record: RecordView) -> Iterator[Hit]:
    """A single picture's `<image>` stands in a later turn only.

    Upstream: the loader puts another tag in front of the first turn: the picture is shown there, and the tag in the later turn stays plain text.
    Fix: Move the tag to the first turn.
    Source: `internvl_chat_finetune.py`, `multi_modal_get_item`.
    Bad (internvl): {"image": "a.png", "conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}, {"from": "human", "value": "<image>\\nWhat is it?"}, {"from": "gpt", "value": "A dog."}]}
    Good (internvl): {"image": "a.png", "conversations": [{"from": "human", "value": "<image>\\nHi"}, {"from": "gpt", "value": "Hello"}, {"from": "human", "value": "What is it?"}, {"from": "gpt", "value": "A dog."}]}
    """
    if not put_in_front(record) or record.turns[0].speaker != "user":
        return
    later = [turn for turn in record.spoken_by("user") if turn.count(TAG)]
    if later and record.turns[0].text is not None:
        turn = later[0]
        text = turn.text or ""
        without = text.replace(f"{TAG}\n", "", 1) if f"{TAG}\n" in text else text.replace(TAG, "", 1)
        first = record.turns[0]
        edits = (
            Edit("set", turn.text_pointer, without),
            Edit("set", first.text_pointer, f"{TAG}\n{first.text}"),
        )
        yield Hit(f"<image> stands in turn {turn.index}, not in the first", turn.text_pointer, edits=edits)


@check("I05", severity="warning", formats=INTERNVL, guard=ORDINARY, fixable="sometimes")
def surplus_tags(record: RecordView) -> Iterator[Hit]:
    """More `<image>` than pictures, or one in a record of video.

    Upstream: the first ones are replaced; the rest stays in the text as plain words. Beside a video the tag takes the place of a frame, or stays plain words.
    Fix: Remove the tags without a picture, or name the pictures.
    Source: `internvl/train/dataset.py`; `internvl_chat_finetune.py`, `video_get_item`.
    Bad (internvl): {"image": "a.png", "conversations": [{"from": "human", "value": "<image>\\n<image>\\nWhat is it?"}, {"from": "gpt", "value": "A dog."}]}
    Bad (internvl; petrel=true): {"video": "clip.mp4", "conversations": [{"from": "human", "value": "<image>\\n<video>\\nWhat happens?"}, {"from": "gpt", "value": "Nothing."}]}
    Good (internvl): {"image": "a.png", "conversations": [{"from": "human", "value": "<image>\\nWhat is it?"}, {"from": "gpt", "value": "A dog."}]}
    """
    pictures = len(record.images)
    if unknown_roles(record) or (pictures == 1 and put_in_front(record)):
        return  # C05; I04
    tags = [(turn, mark) for turn in searched(record) for mark in turn.marks if mark.text == TAG]
    surplus = [(turn, mark) for turn, mark in tags[pictures:] if turn.speaker == "user"]  # others: I07
    if not surplus:
        return
    turn, mark = surplus[0]
    edits: tuple[Edit, ...] = ()
    if len(surplus) == 1:
        text = turn.text or ""
        edits = (Edit("set", turn.text_pointer, text[: mark.start] + text[mark.end :].removeprefix("\n")),)
    named = f"{pictures} {'picture' if pictures == 1 else 'pictures'}"
    message = f"{len(tags)} <image> for {'a video' if record.kind == 'video' else named}"
    yield Hit(message, turn.text_pointer, edits=edits)


@check("I06", severity="error", formats=INTERNVL, guard=ORDINARY)
def too_few_tags(record: RecordView) -> Iterator[Hit]:
    """Fewer `<image>` than pictures where the template looks for them.

    Only a single picture's tag is put in for you, in the first turn. Tags count in human turns (internvl2_5) or in all
    turns but a leading answer (older templates).

    Upstream: the counts are asserted: the sample is replaced by a random one.
    Fix: Write one <image> for each picture, in a human turn.
    Source: `internvl/train/dataset.py`; `internvl_chat_finetune.py`, the check of image tokens.
    Bad (internvl): {"image": ["a.png", "b.png"], "conversations": [{"from": "human", "value": "<image>\\nWhich is larger?"}, {"from": "gpt", "value": "The first."}]}
    Bad (internvl; template=Hermes-2): {"image": "a.png", "conversations": [{"from": "gpt", "value": "How can I help?"}, {"from": "human", "value": "What is it?"}, {"from": "gpt", "value": "A dog."}]}
    Good (internvl): {"image": ["a.png", "b.png"], "conversations": [{"from": "human", "value": "<image>\\n<image>\\nWhich is larger?"}, {"from": "gpt", "value": "The first."}]}
    """
    if record.kind not in ("image", "multi-image") or not record.turns or unknown_roles(record):
        return
    newest = record.options.template == "internvl2_5"
    if not newest and record.spoken_by("system"):
        return  # I08
    if newest and record.kind == "image" and record.turns[0].speaker != "user":
        return  # I09
    pictures = len(record.images)
    found = sum(turn.count(TAG) for turn in searched(record)) + put_in_front(record)
    if found < pictures:
        yield Hit(f"{found} <image> for {pictures} {'picture' if pictures == 1 else 'pictures'}", "/image")


@check(
    "I07",
    severity="warning",
    formats=INTERNVL,
    guard="'<image>' not in answer_marks + other_marks and '<video>' not in answer_marks + other_marks",
)
def tag_in_answer(record: RecordView) -> Iterator[Hit]:
    """An answer or the system text holds `<image>` or `<video>`.

    Upstream: internvl2_5 leaves it there as plain words, and trains those of answers; older templates put the picture into the answer.
    Fix: Move the tag to a question, or write the word in another way.
    Source: `internvl/train/dataset.py`.
    Bad (internvl): {"image": "a.png", "conversations": [{"from": "human", "value": "<image>\\nWhat is it?"}, {"from": "gpt", "value": "The <image> shows a dog."}]}
    Good (internvl): {"image": "a.png", "conversations": [{"from": "human", "value": "<image>\\nWhat is it?"}, {"from": "gpt", "value": "The image shows a dog."}]}
    """
    newest = record.options.template == "internvl2_5"
    for turn in record.turns:
        if turn.speaker not in ("assistant", "system") or (turn.index == 0 and not newest):
            continue  # older templates drop a leading answer, and know no system turn
        for tag in (TAG, "<video>"):
            if turn.count(tag):
                what = "the answer" if turn.speaker == "assistant" else "the system text"
                yield Hit(f"{what} in turn {turn.index} holds {tag}", turn.text_pointer)


@check(
    "I10",
    severity="error",
    formats=INTERNVL,
    guard="n_videos == 0 and '<video>' not in user_marks",
    fixable="sometimes",
)
def video_tag(record: RecordView) -> Iterator[Hit]:
    """`<video>` is not followed by a line break, stands in a later turn or several times, or there is no video.

    `<video>` and a line break, in the first turn, become one line for each frame. A tag that turn lacks is put in front.

    Upstream: without the line break nothing is replaced: the frames have no place, and the sample is replaced by a random one or its loss is zero. In a later turn, or a second time, it stays plain words: a warning.
    Fix: Begin the first question with <video> and a line break.
    Source: `internvl_chat_finetune.py`, `video_get_item`.
    Bad (internvl; petrel=true): {"video": "clip.mp4", "conversations": [{"from": "human", "value": "<video> What happens?"}, {"from": "gpt", "value": "Nothing."}]}
    Good (internvl; petrel=true): {"video": "clip.mp4", "conversations": [{"from": "human", "value": "<video>\\nWhat happens?"}, {"from": "gpt", "value": "Nothing."}]}
    """
    if record.kind != "video":
        for turn, _ in record.marked("<video>", "user"):
            yield Hit(
                f"turn {turn.index} holds <video>, and the record names no video",
                turn.text_pointer,
                severity="warning",
            )
        return
    if not record.turns or record.turns[0].text is None:
        return
    first, text = record.turns[0], record.turns[0].text
    lines, tags = text.count("<video>\n"), text.count("<video>")
    plain = "it stays plain words"
    if tags and not lines:
        fixed = text.replace("<video>", "<video>\n", 1).replace("<video>\n ", "<video>\n", 1)
        yield Hit(
            "<video> without a line break behind it",
            first.text_pointer,
            edits=(Edit("set", first.text_pointer, fixed),),
        )
    elif lines > 1:
        message, upstream = (
            f"{lines} <video> with a line break",
            "the frames' tags beyond the first stay plain words",
        )
        yield Hit(message, first.text_pointer, severity="warning", upstream=upstream)
    elif tags > lines:
        message = f"turn {first.index} holds <video> again, without a line break"
        yield Hit(message, first.text_pointer, severity="warning", upstream=plain)
    for turn in record.turns[1:]:
        if turn.count("<video>") and turn.speaker == "user":
            again = " again" if tags else ", not in the first: another one is put there"
            message = f"turn {turn.index} holds <video>{again}"
            yield Hit(message, turn.text_pointer, severity="warning", upstream=plain)
