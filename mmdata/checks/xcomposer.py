"""InternLM-XComposer, and GeoPixel where it shares the code: pictures, their placeholders, and what a file may hold (X07 to X15)."""

from __future__ import annotations

from collections.abc import Iterator

from mmdata.checks.markers import IMAGE_HERE
from mmdata.checks.registry import SHAPE, Hit, check
from mmdata.checks.view import FileView, MediaView, RecordView
from mmdata.finding import Edit
from mmdata.io.record import Problem

XCOMPOSER = ("xcomposer", "xcomposer-2.0")

FAMILY = ("geopixel", *XCOMPOSER)
"""Formats whose trainers share loader, collator and placeholder code."""

VIDEO_ENDINGS = (
    ".mp4",
    ".avi",
    ".mov",
    ".mkv",
    ".webm",
    ".m4v",
    ".mpg",
    ".mpeg",
    ".flv",
    ".wmv",
)

TAGS = (
    "user_marks.count('<ImageHere>') + answer_marks.count('<ImageHere>') + other_marks.count('<ImageHere>')"
)


@check("X07", severity="error", formats=FAMILY, kinds=("empty",))
def empty_file(problem: Problem) -> Iterator[Hit]:
    """A file has no record.

    Upstream: IndexError where samples are drawn from it: the run crashes before the first step.
    Fix: Remove its line from data.txt, or write its records.
    Source: finetune.py: random.choice of no records.
    Bad (xcomposer): []
    Bad (geopixel; raw): []
    Good (xcomposer): [{"conversations": [{"from": "user", "value": "Hi"}, {"from": "assistant", "value": "Hello"}]}]
    """
    yield Hit(problem.message)


@check("X08", severity="error", formats=FAMILY, guard="not empty_media")
def no_image(record: RecordView) -> Iterator[Hit]:
    """`image` is null, an empty list, or an empty string.

    The key alone makes the record one with pictures. In a GeoPixel record with masks, a list is G04.

    Upstream: There is nothing to open or to split: NotImplementedError, IndexError or FileNotFoundError, the run crashes.
    Fix: Name the picture; a record of text has no `image` at all, and belongs into a file of its own.
    Source: data_mix.py: Sample_dataset.
    Bad (xcomposer): {"image": null, "conversations": [{"from": "user", "value": "Hi"}, {"from": "assistant", "value": "Hello"}]}
    Bad (xcomposer): {"image": [], "conversations": [{"from": "user", "value": "Hi"}, {"from": "assistant", "value": "Hello"}]}
    Bad (geopixel): {"image": "", "conversations": [{"from": "human", "value": "Hi"}, {"from": "bot", "value": "Hello"}]}
    Good (xcomposer): {"conversations": [{"from": "user", "value": "Hi"}, {"from": "assistant", "value": "Hello"}]}
    """
    if "image" not in record.raw:
        return
    image = record.raw["image"]
    if image == [] and record.kind not in ("image", "text"):
        return  # G04
    if image is None or image in ("", []):
        what = "null" if image is None else "an empty list" if image == [] else "an empty string"
        yield Hit(f"`image` is {what}", "/image")


@check(
    "X09", severity="error", formats=FAMILY, guard=f"n_images == 1 or {TAGS} == n_images", fixable="sometimes"
)
def tag_count(record: RecordView) -> Iterator[Hit]:
    """A record has several pictures, and not as many `<ImageHere>`.

    The text of all turns is cut at the placeholders, and picture k follows piece k. A placeholder in a record without
    any picture is a warning.

    Upstream: With fewer placeholders than pictures, one picture lands behind the end of the text and the others are dropped; spare placeholders vanish. Nothing is said.
    Fix: Write one <ImageHere> for each picture, in the order of the pictures.
    Source: modeling_internlm_xcomposer2.py: interleav_wrap.
    Bad (xcomposer): {"image": ["a.png", "b.png"], "conversations": [{"from": "user", "value": "<ImageHere>Which is larger?"}, {"from": "assistant", "value": "The first."}]}
    Bad (xcomposer): {"image": ["a.png", "b.png"], "conversations": [{"from": "user", "value": "Which is larger?"}, {"from": "assistant", "value": "The first."}]}
    Bad (xcomposer): {"conversations": [{"from": "user", "value": "<ImageHere>What is it?"}, {"from": "assistant", "value": "A dog."}]}
    Good (xcomposer): {"image": ["a.png", "b.png"], "conversations": [{"from": "user", "value": "<ImageHere><ImageHere>Which is larger?"}, {"from": "assistant", "value": "The first."}]}
    Good (xcomposer): {"image": "a.png", "conversations": [{"from": "user", "value": "What is it?"}, {"from": "assistant", "value": "A dog."}]}
    """
    pictures, tags = len(record.images), record.count(IMAGE_HERE)
    if record.kind not in ("image", "text"):
        return  # several pictures in a record with masks are G04
    if pictures > 1 and tags != pictures:
        edits: tuple[Edit, ...] = ()
        if tags > pictures:
            edits = _without_spare(record, keep=pictures)
        elif tags == 0:
            edits = _in_front(record, pictures)
        yield Hit(f"{pictures} pictures, {tags} {IMAGE_HERE}", "/image", edits=edits, unsafe=True)
    elif pictures == 0 and tags and "image" not in record.raw:
        place = next(turn.text_pointer for turn, _ in record.marked(IMAGE_HERE))
        upstream = (
            "The record is read as text: the placeholder is trained as the characters it is written in."
        )
        message = f"{tags} {IMAGE_HERE} in a record without a picture"
        yield Hit(
            message, place, upstream, "Name the picture, or remove the placeholder.", severity="warning"
        )


@check("X10", severity="warning", formats=FAMILY, guard=f"n_images != 1 or {TAGS} < 2", fixable="always")
def spare_tags(record: RecordView) -> Iterator[Hit]:
    """A record has one picture and several `<ImageHere>`.

    Upstream: The picture goes to the first; the others vanish from the text without a word.
    Fix: Keep the first, or name the other pictures.
    Source: modeling_internlm_xcomposer2.py: interleav_wrap.
    Bad (xcomposer): {"image": "a.png", "conversations": [{"from": "user", "value": "<ImageHere>What is in <ImageHere>?"}, {"from": "assistant", "value": "A dog."}]}
    Bad (geopixel): {"image": "a.png", "conversations": [{"from": "human", "value": "<ImageHere>Hi"}, {"from": "bot", "value": "Hello"}, {"from": "human", "value": "<ImageHere>What is it?"}, {"from": "bot", "value": "A dog."}]}
    Good (xcomposer): {"image": "a.png", "conversations": [{"from": "user", "value": "<ImageHere>What is in it?"}, {"from": "assistant", "value": "A dog."}]}
    """
    tags = list(record.marked(IMAGE_HERE))
    if len(record.images) == 1 and len(tags) > 1:
        message = f"one picture, {len(tags)} {IMAGE_HERE}"
        yield Hit(message, tags[1][0].text_pointer, edits=_without_spare(record, keep=1))


def _without_spare(record: RecordView, keep: int) -> tuple[Edit, ...]:
    """The texts without the placeholders that come after the first `keep`; what is trained stays the same."""
    edits, seen = [], 0
    for turn in record.turns:
        spare = [mark for mark in turn.marks if mark.text == IMAGE_HERE]
        spare, seen = spare[max(0, keep - seen) :], seen + len(spare)
        text = turn.text or ""
        for mark in reversed(spare):
            text = text[: mark.start] + text[mark.end :]
        if spare:
            edits.append(Edit("set", turn.text_pointer, text))
    return tuple(edits)


def _in_front(record: RecordView, count: int) -> tuple[Edit, ...]:
    """The first question with so many placeholders in front, which is where a single picture goes by itself."""
    first = record.turns[0] if record.turns else None
    if first is None or first.speaker != "user" or first.text is None:
        return ()
    return (Edit("set", first.text_pointer, IMAGE_HERE * count + first.text),)


@check("X11", severity="error", formats=XCOMPOSER)
def video_as_image(record: RecordView, media: MediaView) -> Iterator[Hit]:
    """A video is named where a picture is read.

    The guide speaks of video; the training code opens pictures alone. Seen by the ending of the name, and from
    `--media header` on by the content. A GIF is a picture: its first frame.

    Upstream: Pillow cannot open the file: UnidentifiedImageError, the run crashes.
    Fix: Take frames out of the video and name them.
    Source: data_mix.py: Image.open.
    Bad (xcomposer; media=exists): {"image": "clip.mp4", "conversations": [{"from": "user", "value": "<ImageHere>What happens?"}, {"from": "assistant", "value": "Nothing."}]}
    Bad (xcomposer-2.0; media=header): {"image": ["clip.mp4"], "conversations": [{"from": "user", "value": "<ImageHere>What happens?"}, {"from": "assistant", "value": "Nothing."}]}
    Good (xcomposer; media=decode): {"image": "clip.gif", "conversations": [{"from": "user", "value": "<ImageHere>What is it?"}, {"from": "assistant", "value": "A dog."}]}
    """
    del record
    for ref, path, facts in media.images:
        unopened = facts.problem is None and media.level == "exists"
        if facts.problem == "video" or (unopened and ref.path.lower().endswith(VIDEO_ENDINGS)):
            yield Hit(f"a video, not a picture: {path}", ref.pointer, related_path=path)


@check("X12", severity="error", formats=("xcomposer-2.0",), guard=SHAPE, fixable="always")
def image_not_a_list(record: RecordView) -> Iterator[Hit]:
    """`image` is a string; XComposer 2.0 wants a list.

    Upstream: Each character of the string is opened as a file: FileNotFoundError, the run crashes.
    Fix: Write the path in a list.
    Source: data_mix.py of XComposer 2.0.
    Bad (xcomposer-2.0): {"image": "a.png", "conversations": [{"from": "user", "value": "<ImageHere>What is it?"}, {"from": "assistant", "value": "A dog."}]}
    Good (xcomposer-2.0): {"image": ["a.png"], "conversations": [{"from": "user", "value": "<ImageHere>What is it?"}, {"from": "assistant", "value": "A dog."}]}
    """
    image = record.raw.get("image")
    if isinstance(image, str) and image:
        yield Hit(
            "`image` is a string, not a list of paths", "/image", edits=(Edit("set", "/image", [image]),)
        )


@check("X13", severity="error", formats=XCOMPOSER)
def mixed_kinds(file: FileView) -> Iterator[Hit]:
    """Records with pictures and records of text stand in one file.

    The first record decides how the whole file is read. Where data.txt draws fewer records than the file has, the first
    one drawn decides, another one each run.

    Upstream: After a first record with a picture, one without is a KeyError: the run crashes. After a first record of text, the pictures of all others are ignored.
    Fix: Split the file, and name both parts in data.txt.
    Source: data_mix.py: the type of a file is that of its record 0.
    Bad (xcomposer): [{"conversations": [{"from": "user", "value": "Hi"}, {"from": "assistant", "value": "Hello"}]}, {"image": "a.png", "conversations": [{"from": "user", "value": "<ImageHere>What is it?"}, {"from": "assistant", "value": "A dog."}]}]
    Bad (xcomposer): [{"image": "a.png", "conversations": [{"from": "user", "value": "<ImageHere>What is it?"}, {"from": "assistant", "value": "A dog."}]}, {"conversations": [{"from": "user", "value": "Hi"}, {"from": "assistant", "value": "Hello"}]}]
    Good (xcomposer): [{"image": "a.png", "conversations": [{"from": "user", "value": "<ImageHere>What is it?"}, {"from": "assistant", "value": "A dog."}]}, {"image": ["b.png"], "conversations": [{"from": "user", "value": "What is it?"}, {"from": "assistant", "value": "A dog."}]}]
    """
    first = file.first_kind
    for kind, facts in file.kinds.items():
        if first is None or kind == first:
            continue
        if first == "image":
            what, other = "no picture", "has one"
            upstream = (
                "The file is read as one with pictures: KeyError at each of these records, the run crashes."
            )
        else:
            what, other = "pictures", "has none"
            upstream = "The file is read as text: these pictures are ignored."
        have = "record has" if facts.count == 1 else "records have"
        message = f"{facts.count} of {file.records} {have} {what}, the first {other}"
        yield Hit(message, record=facts.first, upstream=upstream)


@check("X14", severity="warning", formats=FAMILY)
def device_batch(file: FileView) -> Iterator[Hit]:
    """Pictures are trained with more than one draw a device.

    Known with `--assume per_device_train_batch_size=N` alone.

    Upstream: Of a device's batch the model takes draw 0; the others are read, opened and dropped.
    Fix: Set --per_device_train_batch_size to 1; --batch_size says how many records a draw has.
    Source: modeling_internlm_xcomposer2.py: `samples['image'][0]`.
    Bad (xcomposer; per_device_train_batch_size=2): {"image": "a.png", "conversations": [{"from": "user", "value": "<ImageHere>What is it?"}, {"from": "assistant", "value": "A dog."}]}
    Good (xcomposer; per_device_train_batch_size=1): {"image": "a.png", "conversations": [{"from": "user", "value": "<ImageHere>What is it?"}, {"from": "assistant", "value": "A dog."}]}
    Good (xcomposer; per_device_train_batch_size=2): {"conversations": [{"from": "user", "value": "Hi"}, {"from": "assistant", "value": "Hello"}]}
    """
    size = file.assume("per_device_train_batch_size")
    if size is not None and size > 1 and file.first_kind not in (None, "text"):
        message = f"per_device_train_batch_size={size}: {size - 1} of {size} draws with pictures are dropped"
        yield Hit(message)


@check("X15", severity="warning", formats=FAMILY)
def text_batch(file: FileView) -> Iterator[Hit]:
    """Text is trained with a batch_size above one.

    Known with `--assume batch_size=N` alone.

    Upstream: A draw of text takes `batch_size` records and keeps the first: the others are lost, and an epoch counts them as done.
    Fix: Train text with --batch_size 1, or give text files a larger number in data.txt.
    Source: finetune.py: `instance['text_input'][0]` in the collator.
    Bad (xcomposer; batch_size=4): {"conversations": [{"from": "user", "value": "Hi"}, {"from": "assistant", "value": "Hello"}]}
    Good (xcomposer; batch_size=1): {"conversations": [{"from": "user", "value": "Hi"}, {"from": "assistant", "value": "Hello"}]}
    Good (xcomposer; batch_size=4): {"image": "a.png", "conversations": [{"from": "user", "value": "<ImageHere>What is it?"}, {"from": "assistant", "value": "A dog."}]}
    """
    size = file.assume("batch_size")
    if size is not None and size > 1 and file.first_kind == "text":
        yield Hit(f"batch_size={size}: {size - 1} of {size} records of text that are drawn are lost")
