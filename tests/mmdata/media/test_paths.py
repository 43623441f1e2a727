"""Paths lead where the trainers' own joining leads; a missing file is found in the usual places."""

from __future__ import annotations

import os
import time

import pytest

from mmdata.media.exists import presence
from mmdata.media.paths import find_elsewhere, is_url, resolve


@pytest.mark.parametrize(
    ("path", "root", "base", "expected"),
    [
        ("a/b.png", None, None, "a/b.png"),
        ("a/b.png", "root", None, "root/a/b.png"),
        ("a/b.png", "root/", "/base", "/base/root/a/b.png"),
        ("a/b.png", None, "/base", "/base/a/b.png"),
        ("a/b.png", "", "/base", "/base/a/b.png"),
        ("/abs/b.png", "root", "/base", "/abs/b.png"),
        ("a.png", "/root", "/base", "/root/a.png"),
        ("clip/", "root", None, "root/clip/"),
        ("a.png", "s3://bucket", None, "s3://bucketa.png"),  # as InternVL does
        ("a.png", "s3://bucket/", "/base", "s3://bucket/a.png"),
        ("a.png", "hf://datasets/x", None, "hf://datasets/x/a.png"),
        ("https://x/y.png", "root", "/base", "https://x/y.png"),
    ],
)
def test_resolve(path, root, base, expected):
    assert resolve(path, root=root, base=base) == expected


def test_what_is_a_url():
    assert is_url("s3://a/b")
    assert not is_url("a://b"[1:])
    assert not is_url("C:/a")
    assert not is_url("data/x://y")


@pytest.fixture
def tree(tmp_path, monkeypatch):
    for path in (
        "project/images/a.png",
        "project/sets/one/images/b.png",
        "project/data/pics/c.png",
        "top.png",
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(b"x")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("path", "found_in"),
    [
        ("images/b.png", "project/sets/one"),
        ("b.png", "project/sets/one/images"),
        ("images/a.png", "project"),
        ("a.png", "project/images"),
        ("pics/c.png", "project/data"),
        ("data/pics/c.png", "project"),
        ("top.png", "."),
        ("images/none.png", None),
        ("images", "project/sets/one"),
        ("pics/", "project/data"),
        ("", None),
        ("/images/a.png", None),
        ("s3://images/a.png", None),
        ("a\x00b/c.png", None),
        ("\ud800/c.png", None),
    ],
)
@pytest.mark.parametrize("absolute", [False, True])
def test_find_elsewhere(tree, path, found_in, absolute):
    data_file = "project/sets/one/train.json"
    place = find_elsewhere(path, str(tree / data_file) if absolute else data_file)
    if found_in is None:
        assert place is None
    else:
        assert os.path.realpath(place) == os.path.realpath(tree / found_in)
        assert os.path.exists(resolve(path, base=place))
        assert place.startswith(os.sep) == absolute


def test_no_more_than_four_levels_are_climbed(tmp_path):
    deep = tmp_path / "1/2/3/4/5"
    deep.mkdir(parents=True)
    (tmp_path / "up5.png").write_bytes(b"x")
    (tmp_path / "1" / "up4.png").write_bytes(b"x")
    assert find_elsewhere("up4.png", str(deep / "x.json")) == str(tmp_path / "1")
    assert find_elsewhere("up5.png", str(deep / "x.json")) is None


def test_many_missing_pictures_of_one_folder_are_cheap(tree):
    started = time.perf_counter()
    assert not any(find_elsewhere(f"nowhere/{i}.png", "project/sets/one/train.json") for i in range(20_000))
    assert time.perf_counter() - started < 2


def test_presence(tmp_path):
    (tmp_path / "full").write_bytes(b"x")
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "link").symlink_to(tmp_path / "full")
    os.mkfifo(tmp_path / "pipe")
    expected = {
        "full": "file",
        "link": "file",
        "empty": "empty",
        "loop": "missing",
        "pipe": "other",
        "none": "missing",
    }
    assert {name: presence(str(tmp_path / name)) for name in expected} == expected
    assert presence(str(tmp_path)) == "directory"
    assert presence("") == presence("a\x00") == presence("\ud800") == presence("x" * 9000) == "missing"
