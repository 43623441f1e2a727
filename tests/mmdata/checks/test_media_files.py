"""Pictures and videos as files, and what they cost in tokens: C11, C12, C13, C16."""

from __future__ import annotations

from typing import Any

import pytest

from mmdata.checks.registry import Hit, get_check
from mmdata.checks.view import MediaView, RecordView
from mmdata.format import get_format
from mmdata.media.images import ImageFacts
from mmdata.media.videos import VideoFacts
from mmdata.options import Options

ALL = ("geopixel", "xcomposer", "videorefer", "videorefer-vl3", "internvl")
TAGS = {"geopixel": "<ImageHere>", "xcomposer": "<ImageHere>"}


def run(
    code: str, name: str, *facts: ImageFacts, hints: Any = None, level: str = "decode", **options: Any
) -> list[Hit]:
    """The hits on a record whose pictures have these facts."""
    tag = TAGS.get(name, "<image>")
    turns = [{"from": "human", "value": tag * len(facts) + "What is it?"}, {"from": "gpt", "value": "A dog."}]
    paths = [f"{k}.png" for k in range(len(facts))]
    record: dict[str, Any] = {"conversations": turns}
    if paths:
        record["image"] = paths[0] if len(paths) == 1 else paths
    view = RecordView(
        raw=record, format=get_format(name), options=Options(**options), index=0, path="data.json"
    )
    images = [(ref, f"root/{ref.path}", fact) for ref, fact in zip(view.images, facts, strict=True)]
    media = MediaView(level, images, [], hints or {})
    return list(get_check(code).function(view, media))


def run_video(code: str, facts: VideoFacts, **options: Any) -> list[Hit]:
    turns = [{"from": "human", "value": "<video>\nWhat is it?"}, {"from": "gpt", "value": "A dog."}]
    record = {"conversations": turns, "video": "clip.mp4"}
    view = RecordView(
        raw=record, format=get_format("videorefer"), options=Options(**options), index=0, path="data.json"
    )
    media = MediaView("header", [], [(ref, ref.path, facts) for ref in view.videos], {})
    return list(get_check(code).function(view, media))


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(
    "problem",
    ["missing", "empty", "directory", "unreadable", "lfs-pointer", "html", "not-an-image", "undecodable"],
)
def test_c11_says_what_is_wrong_and_which_path_was_tried(name: str, problem: Any) -> None:
    (hit,) = run("C11", name, ImageFacts(problem, "detail"))
    assert "root/0.png" in hit.message
    assert (hit.pointer, hit.related_path) == ("/image", "root/0.png")
    assert ("crash" if name in TAGS else "random") in (hit.upstream or "")


@pytest.mark.parametrize("name", ["xcomposer", "videorefer-vl3", "internvl"])
def test_c11_points_at_the_picture_of_several(name: str) -> None:
    found = run("C11", name, ImageFacts(), ImageFacts("missing", ""), ImageFacts("empty", ""))
    assert [h.pointer for h in found] == ["/image/1", "/image/2"]


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("problem", ["truncated", "too-large"])
def test_c11_internvl_trains_on_truncated_and_on_huge_pictures(name: str, problem: Any) -> None:
    assert len(run("C11", name, ImageFacts(problem, "detail"))) == (name != "internvl")


@pytest.mark.parametrize("name", ALL)
def test_c11_leaves_a_video_for_a_picture_to_x11(name: str) -> None:
    assert len(run("C11", name, ImageFacts("video", "detail"))) == (name != "xcomposer")


def test_c11_a_hint_becomes_the_fix() -> None:
    (hit,) = run("C11", "internvl", ImageFacts("missing", ""), hints={"root/0.png": "../data"})
    assert "--media-root ../data" in (hit.fix or "")


@pytest.mark.parametrize("name", ALL)
def test_c11_good_pictures_and_records_without_any(name: str) -> None:
    assert run("C11", name) == []
    assert run("C11", name, ImageFacts(format="PNG", width=4, height=4, hint="no end marker")) == []


@pytest.mark.parametrize(
    "problem", ["missing", "no-video-stream", "not-a-video", "html", "undecodable", "empty"]
)
def test_c11_videos_too(problem: Any) -> None:
    (hit,) = run_video("C11", VideoFacts(problem, "detail"))
    assert (hit.pointer, hit.related_path) == ("/video", "clip.mp4")


def test_c11_a_library_that_is_absent_is_not_the_datas_fault() -> None:
    assert run_video("C11", VideoFacts("needs-av", "pip install")) == []
    assert run_video("C11", VideoFacts(kind="file", frames=8)) == []


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("orientation", range(2, 9))
def test_c12_every_orientation_but_upright(name: str, orientation: int) -> None:
    (hit,) = run("C12", name, ImageFacts(width=64, height=48, orientation=orientation))
    assert f"orientation is {orientation}" in hit.message
    assert "64x48" in hit.message


@pytest.mark.parametrize(
    "facts", [ImageFacts(), ImageFacts(orientation=1, width=6, height=4), ImageFacts("missing", "")]
)
def test_c12_upright_or_unknown(facts: ImageFacts) -> None:
    assert run("C12", "internvl", facts) == []


def test_c13_only_internvl_and_only_what_is_known() -> None:
    (hit,) = run("C13", "internvl", ImageFacts("truncated", "12 bytes missing"))
    assert "12 bytes missing" in hit.message
    assert run("C13", "internvl", ImageFacts(hint="no end marker")) == []
    assert not get_check("C13").applies_to("xcomposer")


def test_c16_counts_text_and_pictures() -> None:
    big = ImageFacts(width=2688, height=896)
    (hit,) = run("C16", "internvl", big, assume={"max_length": 3328, "max_dynamic_patch": 12})
    assert "keeps 3328" in hit.message
    assert "about" in hit.message
    assert run("C16", "internvl", big, assume={"max_length": 4096, "max_dynamic_patch": 12}) == []
    assert run("C16", "internvl", big, assume={"max_length": 1700, "max_dynamic_patch": 5}) == []


@pytest.mark.parametrize(
    "options", [{}, {"assume": {"max_dynamic_patch": 12}}, {"assume": {"max_length": 1}, "level": "exists"}]
)
def test_c16_is_off_until_it_can_know(options: Any) -> None:
    assert run("C16", "internvl", ImageFacts(width=2688, height=896), **options) == []


def test_c16_for_videorefer_v1_counts_text_alone() -> None:
    assert run("C16", "videorefer", ImageFacts(width=5000, height=5000), assume={"max_length": 60}) == []
    assert len(run("C16", "videorefer", ImageFacts(), assume={"max_length": 5})) == 1
