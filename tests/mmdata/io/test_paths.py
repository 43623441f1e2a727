"""Paths on a command line stand for files."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmdata.errors import UsageError
from mmdata.io.paths import expand


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in [
        "b.json",
        "a.jsonl",
        "data.txt",
        "c.JSON.gz",
        "deep/er/d.jsonl.zst",
        "notes.md",
        "image.png",
        ".hidden.json",
        ".git/x.json",
        "e[1].json",
    ]:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return tmp_path


def names(tree: Path, paths: list[str]) -> list[str]:
    return [str(Path(path).relative_to(tree)) for path in paths]


def test_a_directory_gives_its_data_files_sorted_and_lists_the_rest(tree: Path) -> None:
    found = expand([str(tree)])
    assert names(tree, found.files) == [
        "a.jsonl",
        "b.json",
        "c.JSON.gz",
        "data.txt",
        "e[1].json",
        "deep/er/d.jsonl.zst",
    ]
    assert names(tree, found.left_aside) == ["image.png", "notes.md"]


def test_files_globs_and_urls_keep_their_order_and_come_once(tree: Path) -> None:
    found = expand(
        [
            str(tree / "notes.md"),
            str(tree / "*.json*"),
            str(tree / "b.json"),
            "-",
            "s3://bucket/x.json",
            (tree / "data.txt").as_uri(),
        ]
    )
    assert names(tree, found.files[:4]) == ["notes.md", "a.jsonl", "b.json", "e[1].json"]
    assert found.files[4:] == ["-", "s3://bucket/x.json", str(tree / "data.txt")]
    assert names(tree, expand([str(tree / "**" / "*.zst")]).files) == ["deep/er/d.jsonl.zst"]
    assert names(tree, expand([str(tree / "e[1].json")]).files) == ["e[1].json"]
    assert found.left_aside == []


def test_links_in_a_circle_do_not_hang(tree: Path) -> None:
    (tree / "deep" / "loop").symlink_to(tree)
    (tree / "again").symlink_to(tree / "deep")
    found = expand([str(tree)])
    assert sum(path.endswith("d.jsonl.zst") for path in found.files) == 1


def test_what_is_not_there_is_named_with_its_nearest_neighbour(tree: Path) -> None:
    with pytest.raises(UsageError, match=r"b\.jsn: no such file; did you mean '.*b\.json'\?"):
        expand([str(tree / "b.jsn")])
    with pytest.raises(UsageError, match="no file matches"):
        expand([str(tree / "*.parquet")])
    (tree / "empty").mkdir()
    with pytest.raises(UsageError, match="holds no"):
        expand([str(tree / "empty")])
    with pytest.raises(UsageError):
        expand([""])
