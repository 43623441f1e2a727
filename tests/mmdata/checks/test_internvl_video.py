"""InternVL's videos: I11 to I13, against the loader's own choice of reader and order of frames."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdata.checks.registry import Hit, get_check
from mmdata.checks.view import FileView, KindFacts, MediaView, RecordView
from mmdata.format import MediaRef, get_format
from mmdata.media.videos import VideoFacts, probe
from mmdata.options import Options

TURNS = [{"from": "human", "value": "<video>\nWhat?"}, {"from": "gpt", "value": "Nothing."}]


def with_video(code: str, path: str, facts: VideoFacts) -> list[Hit]:
    ref = MediaRef("video", path, "/video")
    raw: dict[str, Any] = {"video": path, "conversations": TURNS}
    view = RecordView(raw=raw, format=get_format("internvl"), options=Options(), index=0, path="a.jsonl")
    return list(get_check(code).function(view, MediaView("header", [], [(ref, path, facts)])))


@pytest.mark.parametrize(
    "petrel, videos, severity",
    [(None, 2, "info"), (False, 2, "error"), (True, 2, None), (None, 0, None), (False, 0, None)],
)
def test_i11_depends_on_the_installation(petrel: bool | None, videos: int, severity: str | None) -> None:
    options = Options(assume={} if petrel is None else {"petrel": petrel})
    kinds = {"video": KindFacts(videos, 3)} if videos else {"text": KindFacts(4, 0)}
    view = FileView("a.jsonl", get_format("internvl"), options, "jsonl", records=5, kinds=kinds)
    found = list(get_check("I11").function(view))
    assert [hit.severity or get_check("I11").severity for hit in found] == ([severity] if severity else [])
    assert all(hit.record == 3 for hit in found)


@pytest.mark.parametrize(
    "path, kind, hit",
    [
        ("frames", "frames", True),
        ("frames/", "frames", False),
        ("a.mp4", "file", False),
        ("a.gif", "gif", False),
        ("a.gif", "frames", True),  # a folder of that name is opened as a gif
    ],
)
def test_i12_only_a_slash_makes_a_folder(path: str, kind: Any, hit: bool) -> None:
    found = with_video("I12", path, VideoFacts(kind=kind))
    assert bool(found) == hit
    if hit:
        assert found[0].edits[0].value == f"{path}/"


names = st.sampled_from(
    [
        "f_1.jpg",
        "f_02.jpg",
        "f_3xjpg",
        "f_4.JPG",
        "f_5.png",
        "6.jpg",
        "f7.jpg",
        "_8.jpg",
        "f_9_.jpg",
        "f_1.jpg.jpg",
    ]
)


@settings(max_examples=60, deadline=None)
@given(found=st.sets(names, min_size=1, max_size=5))
def test_i13_pictures_that_the_loader_cannot_order(found: set[str], tmp_path_factory: Any) -> None:
    folder: Path = tmp_path_factory.mktemp("frames")
    for name in found:
        (folder / name).write_bytes(b"x")
    pictures = {name for name in found if name.lower().endswith((".jpg", ".png"))}
    unordered = {name for name in pictures if re.search(r"_(\d+).jpg$", name) is None}
    hits = with_video("I13", f"{folder}/", probe(str(folder), "exists"))
    assert bool(hits) == bool(unordered)
    if hits:
        assert hits[0].message.startswith(f"{len(unordered)} entries")
