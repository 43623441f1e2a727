"""InternVL: `<image>` and `<video>` against what the record names (I04 to I07, I10)."""

from __future__ import annotations

from collections.abc import Iterator

from mmdata.checks.internvl import INTERNVL
from mmdata.checks.registry import Hit, check
from mmdata.checks.view import RecordView
from mmdata.finding import Edit

TAG = "<image>"

ALL = "user_marks.count('<image>') + answer_marks.count('<image>') + other_marks.count('<image>')"
ORDINARY = f"({ALL} == n_images or {ALL} == 0 and kind == 'image')"


def first_turn_has_tag(record: RecordView) -> bool:
    """Whether turn 0 holds `<image>`; a single picture's tag is put there otherwise."""
    return bool(record.turns) and TAG in (record.turns[0].text or "")


def unknown_roles(record: RecordView) -> bool:
    """Whether some role is not known: then C05 says so, and which tags are found is a guess."""
    return any(turn.speaker is None for turn in record.turns)


def searched(record: RecordView) -> int:
    """How many `<image>` the template finds: in human turns (internvl2_5), or anywhere (older templates)."""
    if record.options.template == "internvl2_5":
        return sum(turn.count(TAG) for turn in record.spoken_by("user"))
    return record.count(TAG)


def _found(record: RecordView) -> int:
    """The same, after the loader has put a single picture's tag in front."""
    added = record.kind == "image" and not first_turn_has_tag(record)
    lost = (
        added
        and record.options.template == "internvl2_5"
        and bool(record.turns)
        and record.turns[0].speaker != "user"
    )
    return searched(record) + (1 if added and not lost else 0)


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
    if (
        record.kind != "image"
        or not record.turns
        or first_turn_has_tag(record)
        or record.turns[0].speaker != "user"
    ):
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
    """More `<image>` than pictures.

    Upstream: the first ones are replaced; the rest stays in the text as plain words.
    Fix: Remove the tags without a picture, or name the pictures.
    Source: `internvl/train/dataset.py`.
    Bad (internvl): {"image": "a.png", "conversations": [{"from": "human", "value": "<image>\\n<image>\\nWhat is it?"}, {"from": "gpt", "value": "A dog."}]}
    Good (internvl): {"image": "a.png", "conversations": [{"from": "human", "value": "<image>\\nWhat is it?"}, {"from": "gpt", "value": "A dog."}]}
    """
    pictures = len(record.images)
    if unknown_roles(record) or record.kind == "video" or (pictures == 1 and not first_turn_has_tag(record)):
        return
    tags = [(turn, mark) for turn in record.spoken_by("user") for mark in turn.marks if mark.text == TAG]
    if len(tags) <= pictures:
        return
    turn, mark = tags[pictures]
    edits: tuple[Edit, ...] = ()
    if len(tags) == pictures + 1:
        text = turn.text or ""
        edits = (Edit("set", turn.text_pointer, text[: mark.start] + text[mark.end :].removeprefix("\n")),)
    yield Hit(
        f"{len(tags)} <image> for {pictures} {'picture' if pictures == 1 else 'pictures'}",
        turn.text_pointer,
        edits=edits,
    )


@check("I06", severity="error", formats=INTERNVL, guard=ORDINARY)
def too_few_tags(record: RecordView) -> Iterator[Hit]:
    """Fewer `<image>` than pictures.

    Only a single picture's tag is put in for you.

    Upstream: the counts are asserted: the sample is replaced by a random one.
    Fix: Write one <image> for each picture, in a human turn.
    Source: `internvl/train/dataset.py`.
    Bad (internvl): {"image": ["a.png", "b.png"], "conversations": [{"from": "human", "value": "<image>\\nWhich is larger?"}, {"from": "gpt", "value": "The first."}]}
    Good (internvl): {"image": ["a.png", "b.png"], "conversations": [{"from": "human", "value": "<image>\\n<image>\\nWhich is larger?"}, {"from": "gpt", "value": "The first."}]}
    """
    if record.kind not in ("image", "multi-image") or (record.turns and record.turns[0].speaker == "system"):
        return
    pictures, found = len(record.images), _found(record)
    if unknown_roles(record):
        return
    if record.turns and found < pictures:
        yield Hit(f"{found} <image> for {pictures} pictures", "/image")


@check(
    "I07",
    severity="warning",
    formats=INTERNVL,
    guard="'<image>' not in answer_marks and '<video>' not in answer_marks",
)
def tag_in_answer(record: RecordView) -> Iterator[Hit]:
    """An answer holds `<image>`.

    Upstream: internvl2_5 leaves it there as plain words, and trains them; older templates put the picture into the answer.
    Fix: Move the tag to a question, or write the word in another way.
    Source: `internvl/train/dataset.py`.
    Bad (internvl): {"image": "a.png", "conversations": [{"from": "human", "value": "<image>\\nWhat is it?"}, {"from": "gpt", "value": "The <image> shows a dog."}]}
    Good (internvl): {"image": "a.png", "conversations": [{"from": "human", "value": "<image>\\nWhat is it?"}, {"from": "gpt", "value": "The image shows a dog."}]}
    """
    for turn in record.spoken_by("assistant"):
        for tag in (TAG, "<video>"):
            if turn.count(tag):
                yield Hit(f"the answer in turn {turn.index} holds {tag}", turn.text_pointer)


@check(
    "I10",
    severity="error",
    formats=INTERNVL,
    guard="n_videos == 0 and '<video>' not in user_marks",
    fixable="sometimes",
)
def video_tag(record: RecordView) -> Iterator[Hit]:
    """`<video>` is not followed by a line break, or stands in a later turn, or is not there.

    `<video>` and a line break, in the first turn, become one line for each frame.

    Upstream: without the line break nothing is replaced: the frames have no place, and the sample is replaced by a random one or its loss is zero; in a later turn it stays plain words.
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
    if "<video>\n" in text:
        later = [turn for turn in record.turns[1:] if turn.count("<video>") and turn.speaker == "user"]
        for turn in later:
            yield Hit(
                f"turn {turn.index} holds <video> again: plain words", turn.text_pointer, severity="warning"
            )
    elif "<video>" in text:
        fixed = text.replace("<video>", "<video>\n", 1).replace("<video>\n ", "<video>\n", 1)
        yield Hit(
            "<video> without a line break behind it",
            first.text_pointer,
            edits=(Edit("set", first.text_pointer, fixed),),
        )
    elif not any(turn.count("<video>") for turn in record.turns):
        # The loader puts it there itself.
        return
    else:
        place = next(turn for turn in record.turns if turn.count("<video>"))
        yield Hit(f"<video> stands in turn {place.index}, not in the first", place.text_pointer)
