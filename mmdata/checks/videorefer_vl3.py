"""VideoRefer's VideoLLaMA3 dialect: keys, tags and turns of a record."""

from __future__ import annotations

from collections.abc import Iterator

from mmdata.checks.registry import SHAPE, Hit, check
from mmdata.checks.videorefer import region_beyond
from mmdata.checks.view import RecordView, TurnView
from mmdata.finding import Edit
from mmdata.io.record import Problem

VL3 = ("videorefer-vl3",)
_IMAGES = "user_marks.count('<image>') + answer_marks.count('<image>')"
_VIDEOS = "user_marks.count('<video>') + answer_marks.count('<video>')"


def read_turns(record: RecordView) -> list[TurnView]:
    """The turns that the trainer reads: from the first one of `human` or `system` on."""
    start = next((turn.index for turn in record.turns if turn.role in ("human", "system")), len(record.turns))
    return record.turns[start:]


@check("L01", severity="error", formats=VL3, guard="not empty_media", fixable="sometimes")
def video_string(record: RecordView) -> Iterator[Hit]:
    """`video` is a string or an empty list; the loader wants a list of one path.

    The guide shows a string.

    Upstream: ValueError: the sample is replaced by a random one, without end if all are so.
    Fix: Write the path in a list.
    Source: `videorefer_videollama3/train.py`.
    Bad (videorefer-vl3): {"video": "clip.mp4", "conversations": [{"from": "human", "value": "<video>\\nWhat happens?"}, {"from": "gpt", "value": "Nothing."}]}
    Good (videorefer-vl3): {"video": ["clip.mp4"], "conversations": [{"from": "human", "value": "<video>\\nWhat happens?"}, {"from": "gpt", "value": "Nothing."}]}
    """
    video = record.raw.get("video")
    if record.kind != "video":
        return
    if isinstance(video, str):
        edits = (Edit("set", "/video", [video]),) if video else ()
        yield Hit("`video` is a string, not a list", "/video", edits=edits)
    elif video == []:
        yield Hit("`video` is an empty list", "/video")


@check(
    "L08", severity="error", formats=VL3, guard="all(t.from_ != 'system' for t in turns)", fixable="sometimes"
)
def system_trained(record: RecordView) -> Iterator[Hit]:
    """A turn has the role `system`.

    Upstream: every role but `human` is the assistant's: the system text is trained as an answer.
    Fix: Fold the text into the first question.
    Source: `videorefer_videollama3/train.py`.
    Bad (videorefer-vl3): {"conversations": [{"from": "system", "value": "Be brief."}, {"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]}
    Good (videorefer-vl3): {"conversations": [{"from": "human", "value": "Be brief.\\nHi"}, {"from": "gpt", "value": "Hello"}]}
    """
    for turn in record.turns:
        if turn.role != "system":
            continue
        following = record.turns[turn.index + 1] if turn.index + 1 < len(record.turns) else None
        edits: tuple[Edit, ...] = ()
        if (
            following is not None
            and following.speaker == "user"
            and following.text is not None
            and turn.text is not None
        ):
            text = f"{turn.text.strip()}\n{following.text}"
            edits = (Edit("set", following.text_pointer, text), Edit("remove", turn.pointer))
        yield Hit(f"turn {turn.index} has the role `system`", turn.role_pointer, edits=edits, unsafe=True)


@check("L09", severity="error", formats=VL3, kinds=("blank-line",), fixable="always")
def blank_line(problem: Problem) -> Iterator[Hit]:
    """A line of a JSON Lines file is blank.

    Upstream: json.loads of an empty line fails: the run crashes before the first step.
    Fix: Remove the line.
    Source: `videorefer_videollama3/train.py`.
    Bad (videorefer-vl3; raw):
        {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]}

        {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]}
    Good (videorefer-vl3; raw):
        {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]}
        {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]}
    """
    yield Hit(problem.message)


@check(
    "L11",
    severity="error",
    formats=VL3,
    guard=f"regular and ({_IMAGES} == n_images or {_IMAGES} == 0 and n_images == 1) and ({_VIDEOS} == 0"
    f" or kind == 'video' and '<video>' not in answer_marks and {_VIDEOS} == 1)",
)
def tag_count(record: RecordView) -> Iterator[Hit]:
    """The number of `<image>` is not the number of pictures, or `<video>` does not stand once in the questions.

    A tag that is absent everywhere is put in front, once. An `<image>` counts in every turn, a `<video>` in questions.

    Upstream: the counts are asserted: the sample is replaced by a random one.
    Fix: Write one <image> for each picture, one <video> for a video.
    Source: `videorefer_videollama3/train.py`, `_convert_normal`; `videorefer_videollama3/model/processor.py`.
    Bad (videorefer-vl3): {"image": ["a.png", "b.png"], "conversations": [{"from": "human", "value": "<image>\\nWhich is larger?"}, {"from": "gpt", "value": "The first."}]}
    Bad (videorefer-vl3): {"image": ["a.png", "b.png"], "conversations": [{"from": "human", "value": "Which is larger?"}, {"from": "gpt", "value": "The first."}]}
    Good (videorefer-vl3): {"image": ["a.png", "b.png"], "conversations": [{"from": "human", "value": "<image>\\n<image>\\nWhich is larger?"}, {"from": "gpt", "value": "The first."}]}
    """
    turns = read_turns(record)
    asked = [turn for turn in turns if turn.speaker == "user"]
    tagged = {tag: [turn for turn in turns if turn.count(tag)] for tag in ("<image>", "<video>")}
    pictures, images = len(record.images), sum(turn.count("<image>") for turn in turns)
    put_in_front = record.kind == "image" and turns and not images
    if turns and images + bool(put_in_front) != pictures:
        place = tagged["<image>"][0].text_pointer if images else "/image"
        what = "pictures" if pictures != 1 else "picture"
        yield Hit(f"{images} <image> for {pictures} {what}", place)
    if not tagged["<video>"]:
        return
    place, videos = tagged["<video>"][0].text_pointer, sum(turn.count("<video>") for turn in asked)
    if record.kind == "video" and videos != 1:
        yield Hit(f"{videos} <video> in the questions, and the record has one video", place)
    elif record.kind == "video" and tagged["<video>"] != [turn for turn in asked if turn.count("<video>")]:
        yield Hit("an answer holds <video>", place, severity="warning", upstream="it stays plain words")
    elif record.kind != "video":
        upstream = "it vanishes from questions" if record.kind == "text" else "it stays plain words"
        message = "the turns hold <video>, and the record names no video"
        yield Hit(message, place, severity="warning", upstream=upstream)


@check(
    "L12", severity="info", formats=VL3, guard="not assume.get('max_length') or '<region>' not in user_marks"
)
def region_cut_off(record: RecordView) -> Iterator[Hit]:
    """A `<region>` lies beyond the token limit.

    Known only with `--assume max_length=N`.

    Upstream: the region's tokens no longer match its features: a line is printed, and the features are not put in.
    Fix: Shorten the conversation, or raise the limit.
    Source: `videorefer_videollama3/model`.
    Bad (videorefer-vl3; max_length=30): {"image": "a.png", "masks": [{"size": [48, 64], "counts": "Z?:V100000000000000000fQ2"}], "conversations": [{"from": "human", "value": "<image>\\nThere are a great many things to be seen in this picture, and most of them are of no interest at all to anybody, but here is the one that I would like to hear about from you. What is <region>?"}, {"from": "gpt", "value": "A dog."}]}
    Good (videorefer-vl3; max_length=8192): {"image": "a.png", "masks": [{"size": [48, 64], "counts": "Z?:V100000000000000000fQ2"}], "conversations": [{"from": "human", "value": "<image>\\nWhat is <region>?"}, {"from": "gpt", "value": "A dog."}]}
    """
    yield from region_beyond(record)


@check("L13", severity="info", formats=VL3, keys=("stream",), guard=SHAPE)
def stream_record(record: RecordView) -> Iterator[Hit]:
    """The record is one of streaming video.

    Upstream: the branch for streams fails in this trainer: the sample is always replaced by a random one.
    Fix: Remove `stream`, or the record.
    Source: `videorefer_videollama3/train.py`.
    Bad (videorefer-vl3): {"video": ["clip.mp4"], "stream": true, "conversations": [{"from": "human", "value": "<video>\\nWhat happens?"}, {"from": "gpt", "value": "Nothing."}]}
    Good (videorefer-vl3): {"video": ["clip.mp4"], "conversations": [{"from": "human", "value": "<video>\\nWhat happens?"}, {"from": "gpt", "value": "Nothing."}]}
    """
    if record.raw.get("stream"):
        yield Hit("a record of streaming video", "/stream")
