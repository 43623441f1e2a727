"""Each distinct file is looked at once, and threads change nothing but the time."""

from __future__ import annotations

from collections import Counter

import pytest

from mmdata.media import images, pool
from mmdata.media.images import ImageFacts
from mmdata.media.pool import MediaProber
from mmdata.media.videos import VideoFacts


@pytest.fixture
def files(tmp_path, make_picture):
    for i in range(40):
        make_picture(20 + i, 30, seed=i).save(tmp_path / f"{i}.{'jpg' if i % 2 else 'png'}")
    (tmp_path / "empty.png").write_bytes(b"")
    return [*map(str, sorted(tmp_path.iterdir())), str(tmp_path / "none.png")]


@pytest.fixture
def looks(monkeypatch):
    seen = Counter()
    real = images.probe

    def counted(path, level, **options):
        seen[path] += 1
        return real(path, level, **options)

    monkeypatch.setattr(pool.images, "probe", counted)
    return seen


@pytest.mark.parametrize("level", ["exists", "header", "decode"])
@pytest.mark.parametrize("jobs", [1, 2, 5])
def test_each_file_once_and_the_same_whatever_the_jobs(files, looks, level, jobs):
    with MediaProber(level, jobs) as prober:
        prober.prefetch([*files, *files[:5]])
        prober.prefetch(files)
        found = [prober.image(path) for path in files + files]
    assert found == [images.probe(path, level) for path in files + files]
    assert set(looks.values()) == {3}  # once by the prober, twice by the line above


def test_without_prefetch_too(files, looks):
    prober = MediaProber("header")
    found = [prober.image(path) for path in files]
    assert [prober.image(path) for path in files] == found
    assert found == [images.probe(path, "header") for path in files]
    assert set(looks.values()) == {2}  # once by the prober, once by the line above


def test_memory_is_bounded_and_answers_stay_right(files, looks):
    prober = MediaProber("header", capacity=4)
    first = [prober.image(path) for path in files]
    prober.image(files[-1])
    assert looks[files[-1]] == 1
    assert [prober.image(path) for path in files] == first
    assert looks[files[0]] == 2


def test_videos_and_directories(tmp_path, make_video, make_picture):
    clip = str(make_video(tmp_path / "a.mp4", 5))
    folder = tmp_path / "frames"
    folder.mkdir()
    make_picture().save(folder / "f_1.jpg")
    with MediaProber("header") as prober:
        prober.prefetch([], videos=[clip, str(folder)])
        assert prober.video(clip).frames == 5
        assert prober.video(str(folder)).kind == "frames"


def test_present_means_a_file_with_bytes(files, tmp_path):
    prober = MediaProber("exists")
    assert prober.present(files[0])
    assert prober.present("s3://bucket/a.png")
    assert not prober.present(str(tmp_path / "empty.png"))
    assert not prober.present(str(tmp_path / "none.png"))
    assert not prober.present(str(tmp_path))


def test_level_none_looks_at_nothing():
    prober = MediaProber("none")
    prober.prefetch(["/nowhere/a.png"], ["/nowhere/b.mp4"])
    assert prober.image("/nowhere/a.png") == ImageFacts()
    assert prober.video("/nowhere/b.mp4") == VideoFacts()
