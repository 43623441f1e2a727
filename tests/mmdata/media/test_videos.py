"""Frames are counted exactly, and everything that is no video is named."""

from __future__ import annotations

import builtins
import os
import socket

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmdata.media import videos
from mmdata.media.videos import VideoFacts, probe

FILES = [
    ("a.mp4", {}),
    ("a.mp4", {"codec": "libx264"}),
    ("a.mp4", {"codec": "libx264", "variable": True}),
    ("a.mkv", {"codec": "libx264"}),  # states no frame count
    ("a.avi", {}),
]


@pytest.mark.parametrize("level", ["header", "decode"])
@pytest.mark.parametrize(("name", "options"), FILES)
def test_frames_are_counted_exactly(tmp_path, make_video, name, options, level):
    facts = probe(str(make_video(tmp_path / name, 23, **options)), level)
    assert (facts.problem, facts.detail, facts.hint, facts.kind) == (None, "", "", "file")
    assert (facts.frames, facts.width, facts.height) == (23, 64, 48)
    assert facts.duration == pytest.approx(23 / 25, abs=0.1)
    if not options.get("variable"):
        assert facts.fps == pytest.approx(25, rel=0.01)
    assert os.path.splitext(name)[1].strip(".").replace("mkv", "matroska") in facts.container


@pytest.mark.parametrize("level", ["header", "decode"])
def test_gifs(tmp_path, make_picture, level):
    path = tmp_path / "a.gif"
    frames = [make_picture(seed=i).quantize(16) for i in range(5)]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=40)
    facts = probe(str(path), level)
    assert (facts.problem, facts.kind, facts.frames, facts.container) == (None, "gif", 5, "gif")
    assert (facts.width, facts.height) == (64, 48)
    assert facts.fps == (None if level == "header" else pytest.approx(25))
    path.write_bytes(path.read_bytes()[:3000])
    assert probe(str(path), "decode").problem == "truncated"


WRONG = {
    "empty": b"",
    "lfs-pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7\nsize 12345\n",
    "html": b"<html><body>Access denied</body></html>",
    "not-a-video": b'{"error": "not found"}',
    "undecodable": b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2" + b"\x00" * 40,
}


@pytest.mark.parametrize("problem", WRONG)
def test_what_is_no_video_is_named(tmp_path, problem):
    path = tmp_path / "a.mp4"
    path.write_bytes(WRONG[problem])
    for level in ("header", "decode"):
        facts = probe(str(path), level)
        assert facts.problem == problem
        assert facts.detail
    assert probe(str(path), "exists").problem == ("empty" if problem == "empty" else None)


def test_what_cannot_be_opened_is_named(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    for level in ("exists", "header"):
        assert probe(str(tmp_path / "none.mp4"), level).problem == "missing"
        assert probe("a\x00.mp4", level).problem == "missing"
        assert probe(str(tmp_path / "pipe.mp4"), level).problem == "unreadable"


def test_a_file_with_sound_only(tmp_path, make_video):
    facts = probe(str(make_video(tmp_path / "a.mp4", sound_only=True)), "header")
    assert facts.problem == "no-video-stream"


def test_a_cut_video(tmp_path, make_video):
    for name, early in (("a.mp4", "undecodable"), ("a.avi", None)):
        path = make_video(tmp_path / name, 40)
        data = path.read_bytes()
        path.write_bytes(data[: len(data) // 2])
        header, decoded = probe(str(path), "header"), probe(str(path), "decode")
        assert (
            header.problem == early
        )  # an mp4 without its index, which lies at the end, cannot be opened at all
        if early is None:
            assert 0 < header.frames < 40
            assert "of 40 frames" in header.hint
            assert decoded.frames <= header.frames


def test_without_the_video_library_nothing_is_claimed(tmp_path, make_video, monkeypatch):
    path = make_video(tmp_path / "a.mp4", 3)
    real = builtins.__import__

    def absent(name, *rest):
        if name == "av":
            raise ModuleNotFoundError("No module named 'av'", name="av")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", absent)
    facts = probe(str(path), "header")
    assert facts.problem == "needs-av"
    assert "pip install" in facts.detail


def test_odd_names_are_names(tmp_path, make_video, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("concat:a|b.mp4", "100%d.mp4", "a b'é.mp4", "http:x.mp4"):
        make_video(tmp_path / "plain.mp4", 3)
        os.replace("plain.mp4", name)
        assert (probe(name, "header").problem, probe(name, "header").frames) == (None, 3)


def test_a_playlist_leads_nowhere(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        port = server.getsockname()[1]
        path = tmp_path / "list.m3u8"
        path.write_text(
            f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nhttp://127.0.0.1:{port}/a.ts\n#EXT-X-ENDLIST\n"
        )
        assert probe(str(path), "decode").problem is not None
        with pytest.raises(TimeoutError):
            server.accept()


def test_frame_directories(tmp_path, make_picture):
    folder = tmp_path / "frames"
    folder.mkdir()
    assert probe(str(folder), "exists").problem == "empty"
    for i in range(1, 13):
        make_picture().save(folder / f"clip_{i}.jpg")
    (folder / "notes.txt").write_text("x")
    (folder / "sub.jpg").mkdir()
    for level in ("exists", "header", "decode"):
        facts = probe(f"{folder}/", level)
        assert (facts.problem, facts.kind, facts.frames) == (None, "frames", 14)
        assert (facts.width, facts.height) == ((None, None) if level == "exists" else (64, 48))
        listing = facts.directory
        assert listing.first[:4] == ("clip_1.jpg", "clip_10.jpg", "clip_11.jpg", "clip_12.jpg")
        assert (listing.strays, listing.stray_count) == (("notes.txt", "sub.jpg"), 2)
        assert (listing.unnumbered, listing.unnumbered_count) == ((), 0)
        assert listing.unpadded == ("clip_12.jpg", "clip_2.jpg")
    (folder / "clip_5.jpg").write_bytes(b"")
    facts = probe(str(folder), "header")
    assert facts.problem == "empty"
    assert "clip_5.jpg" in facts.detail


@pytest.mark.parametrize(
    ("names", "unnumbered", "unpadded"),
    [
        (["v_001.jpg", "v_002.jpg", "v_010.jpg"], 0, None),
        (["0001.png", "0002.png"], 2, None),
        (["1.png", "2.png", "10.png"], 3, ("10.png", "2.png")),
        (["a_1.jpg", "b_0.jpg"], 0, None),  # two prefixes: no order between them
        (["frame.jpg", "frame2.jpg"], 2, None),
        (["v_1.JPG"], 1, None),
    ],
)
def test_names_of_frames(tmp_path, names, unnumbered, unpadded):
    for name in names:
        (tmp_path / name).write_bytes(b"x")
    listing = probe(str(tmp_path), "exists").directory
    assert listing.unnumbered_count == unnumbered
    assert listing.unpadded == unpadded


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["a.mp4", "a.mkv", "a.avi"]),
    st.lists(st.tuples(st.integers(0, 30_000), st.binary(min_size=1, max_size=8)), max_size=4),
    st.integers(0, 60_000),
)
def test_no_damage_raises(tmp_path, make_video, name, patches, kept):
    original = tmp_path / f"good-{name}"
    if not original.exists():
        make_video(original, 4)
    data = bytearray(original.read_bytes())
    for at, patch in patches:
        data[at : at + len(patch)] = patch
    path = tmp_path / name
    path.write_bytes(bytes(data[:kept]))
    for level in ("header", "decode"):
        facts = probe(str(path), level)
        assert (facts.problem is None) == (facts.detail == "")
        assert facts.problem is not None or facts.frames


def test_urls_are_opened_only_on_request(tmp_path, make_video):
    from fsspec.implementations.memory import MemoryFileSystem

    MemoryFileSystem().pipe("/bucket/a.mp4", make_video(tmp_path / "a.mp4", 7).read_bytes())
    assert probe("memory://bucket/a.mp4", "header") == VideoFacts()
    assert probe("memory://bucket/a.mp4", "header", remote=True).frames == 7
    assert probe("memory://bucket/b.mp4", "exists", remote=True).problem == "missing"


def test_a_still_picture_is_a_video_of_one_frame_to_ffmpeg(tmp_path, make_picture):
    make_picture().save(tmp_path / "a.png")
    assert videos.probe(str(tmp_path / "a.png"), "header").frames == 1
