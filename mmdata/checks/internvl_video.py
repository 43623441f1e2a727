"""InternVL: videos as files and as folders of frames (I11 to I13)."""

from __future__ import annotations

from collections.abc import Iterator

from mmdata.checks.internvl import INTERNVL
from mmdata.checks.registry import Hit, check
from mmdata.checks.view import FileView, MediaView, RecordView
from mmdata.finding import Edit


@check("I11", severity="info", formats=INTERNVL)
def video_without_petrel(file: FileView) -> Iterator[Hit]:
    """A file has video, which InternVL loads through the petrel client alone.

    About the installation where training runs, not about the data: say `--assume petrel=true` if the client is there,
    `petrel=false` if it is not.

    Upstream: without the petrel client the loader is None: every video sample is replaced by a random one.
    Fix: Install petrel, or patch the loader; or name frames as pictures.
    Source: `internvl_chat_finetune.py`, `TCSLoader`.
    Bad (internvl; petrel=false): {"video": "clip.mp4", "conversations": [{"from": "human", "value": "<video>\\nWhat happens?"}, {"from": "gpt", "value": "Nothing."}]}
    Good (internvl; petrel=true): {"video": "clip.mp4", "conversations": [{"from": "human", "value": "<video>\\nWhat happens?"}, {"from": "gpt", "value": "Nothing."}]}
    """
    videos = file.kinds.get("video")
    petrel = file.assume("petrel")
    if videos is not None and petrel is not True:
        message = f"{videos.count} records of video; the petrel client is {'not there' if petrel is False else 'needed where training runs'}"
        yield Hit(message, record=videos.first, severity="error" if petrel is False else None)


@check("I12", severity="error", formats=INTERNVL, fixable="always")
def folder_without_slash(record: RecordView, media: MediaView) -> Iterator[Hit]:
    """A folder of frames is named without a slash at its end.

    Upstream: only a path that ends in / is read as a folder; else a video is opened, which fails: the sample is replaced by a random one.
    Fix: Write a slash at the end of the path.
    Source: `internvl_chat_finetune.py`, `read_frames_folder`.
    Bad (internvl; media=exists; petrel=true): {"video": "frames", "conversations": [{"from": "human", "value": "<video>\\nWhat happens?"}, {"from": "gpt", "value": "Nothing."}]}
    Good (internvl; media=exists; petrel=true): {"video": "frames/", "conversations": [{"from": "human", "value": "<video>\\nWhat happens?"}, {"from": "gpt", "value": "Nothing."}]}
    """
    del record
    for ref, path, facts in media.videos:
        if facts.kind == "frames" and not ref.path.endswith("/"):
            edits = (Edit("set", ref.pointer, f"{ref.path}/"),)
            yield Hit(f"{ref.path} is a folder", ref.pointer, edits=edits, related_path=path)


@check("I13", severity="warning", formats=INTERNVL)
def unsorted_frames(record: RecordView, media: MediaView) -> Iterator[Hit]:
    """Frames of a folder are not named `…_<number>.jpg`.

    Upstream: frames are sorted by that number; names without one tie and stay in the order of the directory, which may be any.
    Fix: Rename the frames: frame_0001.jpg and so on.
    Source: `internvl_chat_finetune.py`, `sort_frames`.
    Bad (internvl; media=header; petrel=true): {"video": "messy/", "conversations": [{"from": "human", "value": "<video>\\nWhat happens?"}, {"from": "gpt", "value": "Nothing."}]}
    Good (internvl; media=header; petrel=true): {"video": "frames/", "conversations": [{"from": "human", "value": "<video>\\nWhat happens?"}, {"from": "gpt", "value": "Nothing."}]}
    """
    del record
    for ref, path, facts in media.videos:
        if facts.directory is not None and facts.directory.unnumbered_count:
            names = ", ".join(list(facts.directory.unnumbered)[:3])
            message = f"{facts.directory.unnumbered_count} entries of {ref.path} are not named _<number>.jpg: {names}"
            yield Hit(message, ref.pointer, related_path=path)
