"""Pictures and videos as files, in every format, and what they cost in tokens: C11, C12, C13, C16."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from mmdata.checks.registry import Hit, check
from mmdata.checks.view import MediaView, RecordView

if TYPE_CHECKING:
    from mmdata.format import MediaRef
    from mmdata.media.images import ImageFacts
    from mmdata.media.videos import VideoFacts

CRASHING = frozenset({"geopixel", "xcomposer", "xcomposer-2.0", "coco", "parquet", "webdataset"})
"""Formats whose loader catches nothing: a bad file ends the run."""

VIDEO_HAS_A_CODE = frozenset({"xcomposer", "xcomposer-2.0"})
"""Formats in which a video where a picture is read is X11."""

_WORDS = {
    "missing": "there is no file at",
    "empty": "a file of 0 bytes:",
    "directory": "a directory where a file is read:",
    "unreadable": "cannot be read:",
    "lfs-pointer": "a git-LFS pointer, not the file itself:",
    "html": "a web page, not a picture:",
    "video": "a video, not a picture:",
    "not-an-image": "not a picture:",
    "truncated": "the file ends too early:",
    "undecodable": "cannot be decoded:",
    "too-large": "more pixels than Pillow opens:",
    "no-video-stream": "no picture in the video:",
    "not-a-video": "not a video:",
}
"""What is wrong with a file; its path follows. Other problems are not the data's, such as a library that is absent."""

_FIXES = {
    "missing": "Put the file there, or correct the path.",
    "lfs-pointer": "Fetch the files: `git lfs pull`.",
    "html": "Download the picture anew: the server sent an error page.",
    "video": "Name it under `video`, or name one of its frames.",
    "too-large": "Make the picture smaller.",
}


@check("C11", severity="error")
def unusable_media(record: RecordView, media: MediaView) -> Iterator[Hit]:
    """A picture or video is missing or cannot be read.

    With `--media exists` (the default) missing and empty files are found; `header` also looks at the first bytes (git-LFS
    pointers, web pages, other types); `decode` reads every pixel. A video where a picture is read is X11 in XComposer.

    Upstream: FileNotFoundError or UnidentifiedImageError: the run crashes (GeoPixel, XComposer) or the sample is replaced by a random one (VideoRefer, InternVL).
    Fix: Put the file there, or correct the path.
    Source: the loaders of every trainer; paths start as `mmdata formats` says.
    Bad (xcomposer; media=exists): {"image": "gone.png", "conversations": [{"from": "user", "value": "<ImageHere>What is it?"}, {"from": "assistant", "value": "A dog."}]}
    Bad (internvl; media=exists): {"image": "empty.png", "conversations": [{"from": "human", "value": "<image>\\nWhat is it?"}, {"from": "gpt", "value": "A dog."}]}
    Bad (geopixel; media=header): {"image": "lfs.png", "conversations": [{"from": "human", "value": "<ImageHere>What is it?"}, {"from": "bot", "value": "A dog."}]}
    Bad (videorefer; media=header): {"image": "page.png", "conversations": [{"from": "human", "value": "<image>\\nWhat is it?"}, {"from": "gpt", "value": "A dog."}]}
    Bad (xcomposer; media=decode): {"image": "truncated.jpg", "conversations": [{"from": "user", "value": "<ImageHere>What is it?"}, {"from": "assistant", "value": "A dog."}]}
    Good (xcomposer; media=decode): {"image": "a.png", "conversations": [{"from": "user", "value": "<ImageHere>What is it?"}, {"from": "assistant", "value": "A dog."}]}
    """
    name = record.format.name
    silent = {"video"} if name in VIDEO_HAS_A_CODE else set()
    if name == "internvl":
        # It trains on the pixels that are there (C13), and switches Pillow's limit off.
        silent = {"truncated", "too-large"}
    for ref, path, image in media.images:
        if image.problem in _WORDS and image.problem not in silent:
            yield _unusable(record, ref, path, image, media.hints)
    for ref, path, video in media.videos:
        if video.problem in _WORDS:
            yield _unusable(record, ref, path, video, media.hints)


def _unusable(
    record: RecordView, ref: MediaRef, path: str, facts: ImageFacts | VideoFacts, hints: Mapping[str, str]
) -> Hit:
    problem = str(facts.problem)
    message = f"{_WORDS[problem]} {path}"
    if facts.detail and problem not in ("missing", "empty", "directory", "lfs-pointer", "html", "video"):
        message += f" ({facts.detail})"
    fix = _FIXES.get(problem, "Replace the file by a readable one, or remove the record.")
    if path in hints:
        fix = f"It is found under {hints[path]}: run from there or pass --media-root {hints[path]}."
    crash = record.format.name in CRASHING
    upstream = "The file cannot be opened: " + (
        "the run crashes." if crash else "the sample is replaced by a random one."
    )
    return Hit(message, pointer=ref.pointer, upstream=upstream, fix=fix, related_path=path)


@check("C12", severity="warning")
def rotated_picture(record: RecordView, media: MediaView) -> Iterator[Hit]:
    """A picture is to be turned before it is shown: its EXIF orientation is not 1.

    Cameras store the pixels as the sensor lay and note how to turn them. People, and most labelling tools, see the turned
    picture; boxes and masks drawn on it do not fit the stored pixels. Needs `--media header` or `decode`.

    Upstream: No trainer applies the orientation: the model sees the picture on its side, with its stored width and height.
    Fix: Save the picture upright (for example `mogrify -auto-orient`), and look at boxes and masks again.
    Source: Image.open(path).convert("RGB") in every trainer.
    Bad (internvl; media=header): {"image": "rotated.jpg", "conversations": [{"from": "human", "value": "<image>\\nWhat is it?"}, {"from": "gpt", "value": "A dog."}]}
    Good (internvl; media=header): {"image": "a.png", "conversations": [{"from": "human", "value": "<image>\\nWhat is it?"}, {"from": "gpt", "value": "A dog."}]}
    """
    del record
    for ref, path, image in media.images:
        if image.orientation != 1:
            size = f", {image.width}x{image.height} as stored" if image.width else ""
            message = f"the EXIF orientation is {image.orientation} ({_TURNS.get(image.orientation, 'unknown')}){size}: {path}"
            yield Hit(message, pointer=ref.pointer, related_path=path)


_TURNS = {
    2: "mirrored",
    3: "upside down",
    4: "upside down and mirrored",
    5: "on its side and mirrored",
    6: "on its side",
    7: "on its side and mirrored",
    8: "on its side",
}


@check("C13", severity="warning", formats=("internvl",))
def truncated_picture(record: RecordView, media: MediaView) -> Iterator[Hit]:
    """A picture ends before all its pixels are there.

    Needs `--media decode`, or `header` where the format tells the end without decoding. The other trainers raise an error
    on such a file: there it is C11.

    Upstream: InternVL tells Pillow to load truncated files: it trains on the pixels that are there and grey below them.
    Fix: Download or copy the picture anew.
    Source: ImageFile.LOAD_TRUNCATED_IMAGES in internvl_chat_finetune.py.
    Bad (internvl; media=decode): {"image": "truncated.jpg", "conversations": [{"from": "human", "value": "<image>\\nWhat is it?"}, {"from": "gpt", "value": "A dog."}]}
    Good (internvl; media=decode): {"image": "a.png", "conversations": [{"from": "human", "value": "<image>\\nWhat is it?"}, {"from": "gpt", "value": "A dog."}]}
    """
    del record
    for ref, path, image in media.images:
        if image.problem == "truncated":
            detail = f" ({image.detail})" if image.detail else ""
            yield Hit(f"{_WORDS['truncated']} {path}{detail}", pointer=ref.pointer, related_path=path)


@check("C16", severity="warning")
def over_the_limit(record: RecordView, media: MediaView) -> Iterator[Hit]:
    """A sample has more tokens than the trainer keeps.

    Off until `--assume max_length=N` says the limit, and at `--media header` or `decode` only, since pictures are most of
    a sample. `--tokenizer DIR` counts the text exactly; without it the number is an estimate. For VideoRefer v1 only the
    text counts: its limit cuts before pictures are put in.

    Upstream: The sample is cut at the limit: the end of the last answers is not trained, and the model never sees them end.
    Fix: Split the conversation, shorten it, use fewer tiles a picture, or raise the limit.
    Source: max_length in GeoPixel's and XComposer's model code, model_max_length of VideoRefer, --max_seq_length of InternVL.
    Bad (internvl; media=header; max_length=100): {"conversations": [{"from": "human", "value": "Count to thirty."}, {"from": "gpt", "value": "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30"}]}
    Bad (xcomposer; media=header; max_length=512; hd_num=9): {"image": "a.png", "conversations": [{"from": "user", "value": "<ImageHere>What is it?"}, {"from": "assistant", "value": "A dog."}]}
    Good (xcomposer; media=header; max_length=1024; hd_num=9): {"image": "a.png", "conversations": [{"from": "user", "value": "<ImageHere>What is it?"}, {"from": "assistant", "value": "A dog."}]}
    """
    from mmdata.tokens import sample_tokens

    limit = record.assume("max_length")
    if limit is None or media.level not in ("header", "decode"):
        return
    sizes = [
        (image.width, image.height) if image.width and image.height else None
        for ref, _, image in media.images
        if ref.kind == "image"
    ]
    count = sample_tokens(record, sizes)
    if count.n > limit:
        about = "" if count.exact else "about "
        yield Hit(f"the sample has {about}{count.n} tokens; the trainer keeps {limit}", pointer="")
