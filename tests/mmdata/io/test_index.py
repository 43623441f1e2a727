"""The seek index says where every record lies, is kept between runs, and is never trusted when the file has changed."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from mmdata.io.index import SeekIndex, cache_dir, open_index
from mmdata.io.read import open_source

RECORDS = [{"id": i, "text": "x" * (i % 50)} for i in range(500)]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MMDATA_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def build(path: Path, *, in_memory_below: int = 0) -> list[tuple[int, int]]:
    with open_source(str(path)) as source:
        index = open_index(source, in_memory_below=in_memory_below)
        places = [index[i] for i in range(len(index))]
        with pytest.raises(IndexError):
            index[len(index)]
        index.close()
    return places


@pytest.mark.parametrize(
    "text", [json.dumps(RECORDS, indent=2), "\n\n".join(map(json.dumps, RECORDS))], ids=["array", "lines"]
)
def test_places_are_exact_in_memory_and_from_the_cache(tmp_path: Path, cache: Path, text: str) -> None:
    path = tmp_path / "data"
    path.write_text(text)
    places = build(path, in_memory_below=1 << 30)
    assert not cache.exists()
    assert [json.loads(text[start:end]) for start, end in places] == RECORDS
    assert build(path) == places
    (entry,) = cache.iterdir()
    written = entry.stat().st_mtime_ns
    assert build(path) == places
    assert entry.stat().st_mtime_ns == written


def test_a_changed_file_or_a_damaged_entry_is_indexed_again(tmp_path: Path, cache: Path) -> None:
    path = tmp_path / "data"
    path.write_text(json.dumps(RECORDS))
    first = build(path)
    path.write_text(json.dumps(RECORDS[:10]))
    assert len(build(path)) == 10
    changed = path.stat()
    path.write_text(json.dumps(RECORDS[1:9] + RECORDS[10:12]).ljust(changed.st_size))
    os.utime(path, ns=(changed.st_atime_ns, changed.st_mtime_ns + 1))
    assert build(path)[1] != first[1]
    (entry,) = cache.iterdir()
    good = entry.read_bytes()
    for bad in (b"", good[:50], good[:-8], good + b"x" * 16, b"?" + good[1:]):
        entry.write_bytes(bad)
        assert len(build(path)) == 10
        assert entry.read_bytes() == good
    assert [p.name for p in cache.iterdir()] == [entry.name]


def test_broken_and_skipped_records_have_their_place(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_text('[{"id": 1}, {"id": nope}, {"id": 3, "x": "' + "y" * 500 + '"}, {"id": 4}]')
    with open_source(str(path), max_record_bytes=100) as source:
        index = open_index(source)
        data = path.read_text()
        assert [data[slice(*index[i])][:12] for i in range(len(index))] == [
            '{"id": 1}',
            '{"id": nope}',
            '{"id": 3, "x',
            '{"id": 4}',
        ]
        assert data[slice(*index[2])].endswith('y"}')


def test_a_cache_that_cannot_be_written_is_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MMDATA_CACHE", str(tmp_path / "file" / "cache"))
    path = tmp_path / "data"
    path.write_text(json.dumps(RECORDS))
    assert len(build(path)) == 500


def test_the_cache_lies_where_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MMDATA_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/some/where")
    assert cache_dir() == "/some/where/mmdata"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/someone")
    assert cache_dir() == "/home/someone/.cache/mmdata"


def test_an_index_is_made_of_pairs() -> None:
    index = SeekIndex(memoryview(bytearray(32)).cast("Q"))
    assert (len(index), index[1]) == (2, (0, 0))
