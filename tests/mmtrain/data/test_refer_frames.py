"""Frames as VideoRefer takes them, those with masks always among them, by number to the pixel."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1]))
import region_scenes

from mmdata.errors import DataError
from mmtrain.data.refer_frames import ReferFrames, facts_of, per_second, uniform
from schemas.sample import Media


@pytest.mark.parametrize(
    ("wanted", "there", "expected"),
    [(4, 9, [1, 3, 5, 7]), (16, 33, list(range(1, 32, 2))), (1, 10, [5]), (8, 3, [0, 1, 2]), (3, 1, [0])],
)
def test_uniform_frames_are_the_middles_of_equal_segments(
    wanted: int, there: int, expected: list[int]
) -> None:
    assert uniform(wanted, there) == expected


@given(st.integers(1, 64), st.integers(1, 2000))
def test_uniform_frames_are_there_ascending_and_as_many_as_can_be(wanted: int, there: int) -> None:
    found = uniform(wanted, there)
    assert found == sorted(set(found))
    assert found[0] >= 0
    assert found[-1] < there
    assert len(found) == wanted or wanted >= there / 2


def test_frames_by_the_second() -> None:
    assert per_second(1.0, 10, 3.0) == [1, 4, 7]
    assert per_second(1.0, 100, 25.0) == [12, 37, 62, 87]
    assert per_second(10.0, 4, 3.0) == [0, 1, 2, 3]
    assert per_second(1.0, 4, 30.0) == [2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("videos")
    for name in ("frames", "moving.gif"):
        region_scenes.video(made, name)
    return made


@pytest.mark.parametrize("name", ["frames", "moving.gif", "moving.mp4"])
def test_frames_with_masks_are_always_taken_by_number(folder: Path, name: str) -> None:
    if name.endswith(".mp4"):
        pytest.importorskip("av")
        region_scenes.video(folder, name)
    media = Media("video", [name])
    rule = ReferFrames(most=2, must={name: [0, 5]})
    assert rule.numbers(media, str(folder)) == [0, 1, 4, 5]
    assert rule.count(media, str(folder)) == 4
    for _ in range(2):  # decoded, then remembered
        for picture, number in zip(rule.take(media, str(folder)).pictures, (0, 1, 4, 5), strict=True):
            near = np.abs(np.asarray(picture).astype(int) - region_scenes.frame(number))
            assert near.mean() < 12 if name.endswith(".mp4") else near.max() <= 3
    assert facts_of(media, str(folder))[:2] == (6, region_scenes.SIZE)
    with pytest.raises(DataError, match="no frame 6: the video has 6"):
        ReferFrames(must={name: [6]}).numbers(media, str(folder))


def test_a_list_of_pictures_and_a_clip(folder: Path) -> None:
    listed = Media(
        "frames", [f"frames/{k:03}.png" for k in range(6)], timestamps=[0.0, 0.5, 1.0, 1.5, 2.0, 2.5]
    )
    by_second = ReferFrames(most=8, sampling="fps", must={"frames/000.png": [3]})
    assert by_second.numbers(listed, str(folder)) == [1, 3, 5]
    assert ReferFrames(most=2, sampling="fps").numbers(listed, str(folder)) == uniform(2, 6)
    part = Media("video", ["frames"], clip=(1.0, 2.0))
    assert ReferFrames(most=8).numbers(part, str(folder)) == [3, 4, 5]
    with pytest.raises(DataError, match="ends at frame 9, the video has 6"):
        ReferFrames().numbers(Media("video", ["frames"], clip=(1.0, 3.0)), str(folder))
