"""A file appears complete or not at all, where and as it was."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest
import zstandard

from mmdata.errors import UsageError
from mmdata.io.writer import atomic_writer


def write(path: Path, data: bytes) -> None:
    with atomic_writer(str(path)) as out:
        for i in range(0, len(data), 7):
            assert out.write(data[i : i + 7]) == len(data[i : i + 7])


def test_the_new_content_replaces_the_old_and_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"old")
    path.chmod(0o640)
    write(path, b"new content")
    assert path.read_bytes() == b"new content"
    assert path.stat().st_mode & 0o777 == 0o640
    assert os.listdir(tmp_path) == ["a.json"]


def test_a_new_file_has_ordinary_rights(tmp_path: Path) -> None:
    write(tmp_path / "new.json", b"x")
    (tmp_path / "other").write_bytes(b"x")
    assert (tmp_path / "new.json").stat().st_mode == (tmp_path / "other").stat().st_mode


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_whatever_interrupts_leaves_the_old_file_and_no_other(
    tmp_path: Path, error: type[BaseException]
) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"old")

    def interrupted() -> None:
        with atomic_writer(str(path)) as out:
            out.write(b"half")
            raise error

    with pytest.raises(error):
        interrupted()
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.json"]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    target = tmp_path / "data" / "real.json"
    target.parent.mkdir()
    target.write_bytes(b"old")
    link = tmp_path / "link.json"
    link.symlink_to(target)
    write(link, b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"


def test_what_was_compressed_is_compressed_again(tmp_path: Path) -> None:
    data = b'{"a": 1}\n' * 1000
    for name, old, unpack in [
        ("a.gz", None, gzip.decompress),
        ("a.zst", None, lambda b: zstandard.ZstdDecompressor().decompressobj().decompress(b)),
        ("b.json", gzip.compress(b"old"), gzip.decompress),
        (
            "c.json",
            zstandard.compress(b"old"),
            lambda b: zstandard.ZstdDecompressor().decompressobj().decompress(b),
        ),
        ("plain.gz", b"not compressed", bytes),
    ]:
        path = tmp_path / name
        if old is not None:
            path.write_bytes(old)
        write(path, data)
        assert unpack(path.read_bytes()) == data, name


def test_places_that_cannot_be_written_say_so(tmp_path: Path) -> None:
    for path in ("-", "s3://bucket/a.json", str(tmp_path / "none" / "a.json"), str(tmp_path)):
        with pytest.raises(UsageError), atomic_writer(path) as out:
            out.write(b"x")
