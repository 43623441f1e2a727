"""Frames of videos: which ones InternVL takes, exactly those, and every unusable video named."""

from __future__ import annotations

import itertools
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mmdata.errors import DataError
from mmtrain.data.encode import Encoder
from mmtrain.data.internvl import InternVLMedia
from mmtrain.data.video import FrameRule, frame_count, frame_indices, frames_of
from schemas.sample import Media, MediaPart, Sample, SampleTurn, TextPart

av = pytest.importorskip("av")


def noise(seed: int, width: int = 64, height: int = 48) -> Any:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def write(path: Path, frames: int, codec: str = "libx264", rate: int = 10) -> Media:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for k in range(frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(noise(k), "rgb24")))
        container.mux(stream.encode())
    return Media("video", [str(path)])


def decoded(media: Media) -> list[Any]:
    """Every frame, as the decoder gives them one after the other."""
    with av.open(media.paths[0]) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def found_in(frames: list[Any], media: Media) -> list[int]:
    """Numbers of the frames in the video, by their pixels."""
    everything = [frame.tobytes() for frame in decoded(media)]
    return [everything.index(np.asarray(frame).tobytes()) for frame in frames]


def upstream_middle(num_frames: int, vlen: int) -> list[int]:
    """``get_frame_indices`` with ``sample='middle'``: intervals of integers, the middle of each, the last repeated."""
    intervals = np.linspace(start=0, stop=vlen, num=min(num_frames, vlen) + 1).astype(int)
    indices = [int(a + (b - 1)) // 2 for a, b in itertools.pairwise(intervals)]
    return indices + [indices[-1]] * (num_frames - len(indices))


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
@pytest.mark.parametrize("frames", [1, 3, 8, 23, 60])
def test_the_frames_are_upstreams_to_the_pixel(tmp_path: Path, codec: str, frames: int) -> None:
    media = write(tmp_path / "a.mp4", frames, codec)
    rule = FrameRule(most=8)
    made = frames_of(media, None, rule)
    assert found_in(made.pictures, media) == upstream_middle(8, frames)
    assert frame_count(media, None, rule) == len(made.pictures) == 8
    assert made.seconds == pytest.approx(frames / 10 / min(8, frames))


@given(st.integers(1, 40), st.integers(1, 300), st.integers(0, 9))
def test_a_random_frame_of_every_interval(wanted: int, there: int, seed: int) -> None:
    taken = frame_indices(wanted, there, "rand", random.Random(seed))
    assert taken == sorted(taken)
    assert len(taken) == len(set(taken)) == min(wanted, there)
    edges = np.linspace(0, there, len(taken) + 1).astype(int)
    if (np.diff(edges) > 1).all():
        assert all(a <= k < b - 1 for k, a, b in zip(taken, edges, edges[1:], strict=False))
    assert set(taken) <= set(range(there))


def test_counts_lie_between_least_and_most_and_never_change(tmp_path: Path) -> None:
    for k in range(40):
        Image.fromarray(noise(k)).save(tmp_path / f"f_{k}.jpg")
    counts = []
    for seed in range(40):
        rule = FrameRule(most=9, least=4, sampling="rand", seed=seed)
        media = Media("video", [str(tmp_path)])
        first, again = frames_of(media, None, rule), frames_of(media, None, rule)
        assert [p.tobytes() for p in first.pictures] == [p.tobytes() for p in again.pictures]
        assert frame_count(media, None, rule) == len(first.pictures)
        counts.append(len(first.pictures))
    assert set(counts) == set(range(4, 10))


def test_a_clip_of_a_video(tmp_path: Path) -> None:
    media = write(tmp_path / "a.mp4", 50)
    media.clip = (1.0, 3.0)
    assert found_in(frames_of(media, None, FrameRule(most=4)).pictures, media) == [
        10 + k for k in upstream_middle(4, 20)
    ]
    for clip in [(4.0, 9.0), (2.0, 2.0), (-1.0, 2.0), (1.0, 1.05)]:
        media.clip = clip
        with pytest.raises(DataError, match=r"a\.mp4: clip \["):
            frames_of(media, None, FrameRule())


def test_folders_in_the_order_of_their_numbers_and_short_ones_whole(tmp_path: Path) -> None:
    for k in [10, 9, 2, 1, 0]:
        Image.fromarray(noise(k)).save(tmp_path / f"f_{k}.png")
    media = Media("video", ["."])
    made = frames_of(media, str(tmp_path), FrameRule(most=8)).pictures
    assert [p.tobytes() for p in made] == [noise(k).tobytes() for k in [0, 1, 2, 9, 10]]
    assert frame_count(media, str(tmp_path), FrameRule(most=8)) == 5
    listed = Media("frames", ["f_9.png", "f_1.png"], timestamps=[0.0, 1.5])
    found = frames_of(listed, str(tmp_path), FrameRule(most=8))
    assert [p.tobytes() for p in found.pictures] == [noise(9).tobytes(), noise(1).tobytes()]
    assert found.seconds == 1.5


def test_gifs(tmp_path: Path) -> None:
    pictures = [Image.fromarray(noise(k)).quantize(16) for k in range(5)]
    pictures[0].save(tmp_path / "a.gif", save_all=True, append_images=pictures[1:], duration=40)
    media = Media("video", ["a.gif"])
    made = frames_of(media, str(tmp_path), FrameRule(most=3)).pictures
    assert [p.tobytes() for p in made] == [
        pictures[k].convert("RGB").tobytes() for k in upstream_middle(3, 5)
    ]


def test_unusable_videos_are_named(tmp_path: Path) -> None:
    whole = write(tmp_path / "whole.mkv", 40)
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(Path(whole.paths[0]).read_bytes()[:200])
    (tmp_path / "text.mp4").write_text("no video at all")
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "none").mkdir()
    (tmp_path / "stray").mkdir()
    (tmp_path / "stray" / "notes.txt").touch()
    wrong = {
        "cut.mkv": "",
        "text.mp4": "not-a-video",
        "empty.mp4": "empty",
        "none": "no frames",
        "stray": "notes.txt is no picture",
        "absent.mp4": "no such video",
    }
    for name, reason in wrong.items():
        with pytest.raises(DataError, match=rf"{name}: .*{reason}"):
            frames_of(Media("video", [name]), str(tmp_path), FrameRule())


def test_a_video_becomes_a_tile_and_a_line_for_each_frame(tmp_path: Path, tokenizer: Any) -> None:
    media = write(tmp_path / "a.mp4", 12)
    sample = Sample(
        [
            SampleTurn("user", [MediaPart(0), TextPart("\nWhat happens?")]),
            SampleTurn("assistant", [TextPart("left")]),
        ],
        [media],
    )
    way = InternVLMedia(tile=28, tokens=1, frames=FrameRule(most=3))
    encoder = Encoder(tokenizer, "internvl2_5", way)
    encoded = encoder.encode(sample)
    one = "<img><IMG_CONTEXT></img>"
    assert f"Frame-1: {one}\nFrame-2: {one}\nFrame-3: {one}\nWhat happens?" in tokenizer.decode(
        encoded.input_ids
    )
    frames = decoded(media)
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    for tile, number in zip(encoded.media["pixel_values"], upstream_middle(3, 12), strict=True):
        small = np.asarray(Image.fromarray(frames[number]).resize((28, 28)))
        assert np.allclose(tile, ((small / 255 - mean) / std).transpose(2, 0, 1), atol=1e-5)
    assert encoder.measure(sample) == encoded.size
