"""InternLM-XComposer: pictures and their placeholders, and what a file may hold (X07 to X15)."""

from __future__ import annotations

from collections.abc import Iterator

from mmdata.checks.registry import SHAPE, Hit, check
from mmdata.checks.view import FileView, MediaView, RecordView
from mmdata.finding import Edit
from mmdata.io.record import Problem

XCOMPOSER = ("xcomposer", "xcomposer-2.0")
TAG = "<ImageHere>"
VIDEO_ENDINGS = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".flv", ".wmv")

TAGS = (
    "user_marks.count('<ImageHere>') + answer_marks.count('<ImageHere>') + other_marks.count('<ImageHere>')"
)


@check("X07", severity="error", formats=("geopixel", *XCOMPOSER), kinds=("empty",))
def empty_file(problem: Problem) -> Iterator[Hit]:
    """A file has no record.

    Upstream: the loader looks at the first record to learn the type of the file: IndexError, the run crashes before the first step.
    Fix: Remove its line from data.txt, or fill it.
    Source: `data_mix.py`.
    Bad (xcomposer): []
    Good (xcomposer): {"conversations": [{"from": "user", "value": "Hi"}, {"from": "assistant", "value": "Hello"}]}
    """
    yield Hit(problem.message)


@check("X08", severity="error", formats=XCOMPOSER, guard="not empty_media")
def no_image(record: RecordView) -> Iterator[Hit]:
    """`image` is null, an empty list, or no path.

    The key alone makes the record one of images.

    Upstream: opening it fails: TypeError or IndexError, the run crashes.
    Fix: Name the picture; leave the key out of a record of text, and put that into a file of its own.
    Source: `data_mix.py`.
    Bad (xcomposer): {"image": null, "conversations": [{"from": "user", "value": "Hi"}, {"from": "assistant", "value": "Hello"}]}
    Bad (xcomposer): {"image": [], "conversations": [{"from": "user", "value": "Hi"}, {"from": "assistant", "value": "Hello"}]}
    Good (xcomposer): {"conversations": [{"from": "user", "value": "Hi"}, {"from": "assistant", "value": "Hello"}]}
    """
    if "image" not in record.raw:
        return
    image = record.raw["image"]
    if image is None or image in ([], ""):
        what = "null" if image is None else "an empty list" if image == [] else "an empty string"
        yield Hit(f"`image` is {what}", "/image")


@check("X09", severity="error", formats=XCOMPOSER, guard=f"n_images == 1 or {TAGS} == n_images")
def tag_count(record: RecordView) -> Iterator[Hit]:
    """Several pictures, and not one `<ImageHere>` for each.

    The text is split at the placeholders, and picture k follows part k.

    Upstream: spare tags vanish; with fewer tags than pictures one lands after the end of the text and the others are dropped. Nothing is said. In a record without a picture the tag stays plain text.
    Fix: Write one <ImageHere> for each picture, in the pictures' order.
    Source: `modeling_internlm_xcomposer2.py`, `interleav_wrap`.
    Bad (xcomposer): {"image": ["a.png", "b.png"], "conversations": [{"from": "user", "value": "<ImageHere>Which is larger?"}, {"from": "assistant", "value": "The first."}]}
    Good (xcomposer): {"image": ["a.png", "b.png"], "conversations": [{"from": "user", "value": "<ImageHere><ImageHere>Which is larger?"}, {"from": "assistant", "value": "The first."}]}
    """
    pictures, tags = len(record.images), record.count(TAG)
    if pictures > 1 and tags != pictures:
        yield Hit(f"{pictures} pictures, {tags} {TAG}", "/image")
    elif pictures == 0 and tags and "image" not in record.raw:
        place = next(turn.text_pointer for turn, _ in record.marked(TAG))
        yield Hit(f"{tags} {TAG} in a record without a picture", place, severity="warning")


@check(
    "X10",
    severity="warning",
    formats=("geopixel", *XCOMPOSER),
    guard=f"n_images != 1 or {TAGS} < 2",
    fixable="always",
)
def spare_tags(record: RecordView) -> Iterator[Hit]:
    """One picture and several `<ImageHere>`.

    Upstream: the picture goes to the first; the others vanish from the text.
    Fix: Keep the first.
    Source: `modeling_internlm_xcomposer2.py`, `interleav_wrap`.
    Bad (xcomposer): {"image": "a.png", "conversations": [{"from": "user", "value": "<ImageHere>What is in <ImageHere>?"}, {"from": "assistant", "value": "A dog."}]}
    Good (xcomposer): {"image": "a.png", "conversations": [{"from": "user", "value": "<ImageHere>What is in it?"}, {"from": "assistant", "value": "A dog."}]}
    """
    tags = list(record.marked(TAG))
    if len(record.images) != 1 or len(tags) < 2:
        return
    kept = False
    edits = []
    for turn in record.turns:
        text, out, at = turn.text or "", [], 0
        for mark in turn.marks:
            if mark.text == TAG:
                if kept:
                    out.append(text[at : mark.start])
                    at = mark.end
                kept = True
        if out:
            edits.append(Edit("set", turn.text_pointer, "".join([*out, text[at:]])))
    yield Hit(f"one picture, {len(tags)} {TAG}", tags[1][0].text_pointer, edits=tuple(edits))


@check("X11", severity="error", formats=XCOMPOSER)
def video_as_image(record: RecordView, media: MediaView) -> Iterator[Hit]:
    """A video is named where a picture is read.

    The guide speaks of video; the training code does not.

    Upstream: the file is opened with Pillow: UnidentifiedImageError, the run crashes.
    Fix: Take frames out of the video and name them.
    Source: `data_mix.py`.
    Bad (xcomposer; media=exists): {"image": "clip.mp4", "conversations": [{"from": "user", "value": "<ImageHere>What happens?"}, {"from": "assistant", "value": "Nothing."}]}
    Good (xcomposer; media=exists): {"image": "a.png", "conversations": [{"from": "user", "value": "<ImageHere>What is it?"}, {"from": "assistant", "value": "A dog."}]}
    """
    del record
    for ref, path, facts in media.images:
        if facts.problem == "video" or (facts.problem is None and ref.path.lower().endswith(VIDEO_ENDINGS)):
            yield Hit(f"{ref.path} is a video", ref.pointer, related_path=path)


@check("X12", severity="error", formats=("xcomposer-2.0",), guard=SHAPE, fixable="always")
def image_not_a_list(record: RecordView) -> Iterator[Hit]:
    """`image` is a string; XComposer 2.0 wants a list.

    Upstream: the string is walked character by character, and each is opened as a file: the run crashes.
    Fix: Write the path in a list.
    Source: `data_mix.py` of XComposer 2.0.
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

    The first record decides how the whole file is read.

    Upstream: after a first record with pictures, one without is a KeyError: crash. After a first record of text, the pictures of all others are ignored.
    Fix: Split the file, and name both in data.txt.
    Source: `data_mix.py`.
    Bad (xcomposer): [{"conversations": [{"from": "user", "value": "Hi"}, {"from": "assistant", "value": "Hello"}]}, {"image": "a.png", "conversations": [{"from": "user", "value": "<ImageHere>What is it?"}, {"from": "assistant", "value": "A dog."}]}]
    Good (xcomposer): [{"image": "a.png", "conversations": [{"from": "user", "value": "<ImageHere>What is it?"}, {"from": "assistant", "value": "A dog."}]}]
    """
    first = file.first_kind
    for kind, facts in file.kinds.items():
        if first is not None and kind != first:
            crash = first == "image"
            upstream = (
                "KeyError: the run crashes"
                if crash
                else "the file is read as text: these pictures are ignored"
            )
            what = "without pictures" if crash else "with pictures"
            yield Hit(
                f"{facts.count} of {file.records} records are {what}, the first is not",
                record=facts.first,
                upstream=upstream,
            )


@check("X14", severity="warning", formats=XCOMPOSER)
def device_batch(file: FileView) -> Iterator[Hit]:
    """Training with more than one record of pictures a device.

    Known only with `--assume per_device_train_batch_size=N`.

    Upstream: the collator keeps instance 0 of each batch of image data: the others are drawn and dropped.
    Fix: Set per_device_train_batch_size to 1; --batch_size is the number of records in an instance.
    Source: `data_mix.py`, `DataCollatorForSupervisedDataset`.
    Bad (xcomposer; per_device_train_batch_size=2): {"image": "a.png", "conversations": [{"from": "user", "value": "<ImageHere>What is it?"}, {"from": "assistant", "value": "A dog."}]}
    Good (xcomposer; per_device_train_batch_size=1): {"image": "a.png", "conversations": [{"from": "user", "value": "<ImageHere>What is it?"}, {"from": "assistant", "value": "A dog."}]}
    """
    size = file.assume("per_device_train_batch_size")
    if size and size > 1 and file.first_kind == "image":
        yield Hit(
            f"per_device_train_batch_size={size}: {size - 1} of {size} instances of pictures are dropped"
        )


@check("X15", severity="warning", formats=XCOMPOSER)
def text_batch(file: FileView) -> Iterator[Hit]:
    """Text records are drawn in batches of which one is kept.

    Known only with `--assume batch_size=N`.

    Upstream: a draw of text takes `batch_size` records and keeps the first: the rest of an epoch's text is lost.
    Fix: Give text files a larger number in data.txt, or train with batch_size 1.
    Source: `data_mix.py`.
    Bad (xcomposer; batch_size=4): {"conversations": [{"from": "user", "value": "Hi"}, {"from": "assistant", "value": "Hello"}]}
    Good (xcomposer; batch_size=1): {"conversations": [{"from": "user", "value": "Hi"}, {"from": "assistant", "value": "Hello"}]}
    """
    size = file.assume("batch_size")
    if size and size > 1 and file.first_kind == "text":
        yield Hit(f"batch_size={size}: {size - 1} of {size} draws of text are lost")
