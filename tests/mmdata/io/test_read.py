"""Sources: where bytes come from, how they are split, and what that costs."""

from __future__ import annotations

import gzip
import io
import json
import os
import sys
import threading
import tracemalloc
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import zstandard

from mmdata.errors import UsageError
from mmdata.io.read import open_source
from mmdata.io.record import Problem, RawRecord
from mmdata.io.source import BLOCK_BYTES

RECORDS = [{"id": i, "text": "line\u2028 é" * 9} for i in range(300)]
ARRAY = json.dumps(RECORDS, indent=1).encode()
LINES = "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in RECORDS).encode()


class _Standard:
    def __init__(self, data: bytes) -> None:
        self.buffer = io.BytesIO(data)


def values(path: Path | str, **options: Any) -> list[Any]:
    with open_source(str(path), **options) as source:
        items = list(source.records())
    assert not [item for item in items if isinstance(item, Problem) or item.problem]
    return [json.loads(item.data) for item in items if isinstance(item, RawRecord)]


@pytest.mark.parametrize("data", [ARRAY, LINES], ids=["array", "lines"])
@pytest.mark.parametrize("block", [100, 1 << 18])
def test_the_same_records_come_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes, block: int
) -> None:
    half = len(data) // 2
    files = {
        "plain.json": data,
        "one.gz": gzip.compress(data),
        "two members.bin": gzip.compress(data[:half]) + gzip.compress(data[half:]) + b"\0" * 512,
        "one.zst": zstandard.compress(data),
        "two frames": zstandard.compress(data[:half]) + zstandard.compress(data[half:]),
    }
    for name, content in files.items():
        path = tmp_path / name
        path.write_bytes(content)
        assert values(path, block_bytes=block) == RECORDS, name
        assert values(path.as_uri(), block_bytes=block) == RECORDS, name
        with open_source(str(path)) as source:
            assert source.seekable == (name == "plain.json")
            assert source.size == (len(data) if source.seekable else None)
            assert source.repeatable
            assert source.rewritable
            assert source.head(20) == data[:20]
            assert len(list(source.records())) == len(list(source.records())) == 300
    for content in files.values():
        monkeypatch.setattr(sys, "stdin", _Standard(content))
        with open_source("-", block_bytes=block) as source:
            assert source.head(10) == data[:10]
            assert source.container == ("array" if data is ARRAY else "jsonl")
            assert not source.seekable
            assert [json.loads(item.data) for item in source.records()] == RECORDS  # type: ignore[union-attr]
            with pytest.raises(UsageError, match="only once"):
                list(source.records())


def test_a_url_of_another_file_system(tmp_path: Path) -> None:
    fsspec = pytest.importorskip("fsspec")
    with fsspec.open("memory://folder/a.jsonl.gz", "wb") as file:
        file.write(gzip.compress(LINES))
    assert values("memory://folder/a.jsonl.gz") == RECORDS
    with open_source("memory://folder/a.jsonl.gz") as source:
        assert not source.seekable
        assert not source.rewritable
        assert source.repeatable
    with pytest.raises(UsageError, match="no such file"):
        open_source("memory://folder/none.jsonl")
    with pytest.raises(UsageError, match="cannot open"):
        open_source("nosuchprotocol://x")


def test_a_named_pipe_is_read_in_sequence(tmp_path: Path) -> None:
    path = str(tmp_path / "pipe")
    os.mkfifo(path)
    writer = threading.Thread(target=lambda: Path(path).write_bytes(LINES))
    writer.start()
    assert values(path) == RECORDS
    writer.join()


def test_what_cannot_be_opened_says_why_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "train.json").write_text("[]")
    with pytest.raises(UsageError, match=r"train\.jsn: no such file; did you mean '.*train\.json'\?"):
        open_source(str(tmp_path / "train.jsn"))
    with pytest.raises(UsageError, match="is a directory"):
        open_source(str(tmp_path))
    for path in ("a\0b", "", "x" * 5000):
        with pytest.raises(UsageError):
            open_source(path)


@pytest.mark.parametrize(
    "pack", [gzip.compress, zstandard.ZstdCompressor(write_checksum=True).compress], ids=["gzip", "zstd"]
)
def test_a_damaged_compressed_file_is_a_problem_after_what_could_be_read(tmp_path: Path, pack: Any) -> None:
    random = "".join(json.dumps({"id": i, "x": os.urandom(50).hex()}) + "\n" for i in range(20_000)).encode()
    whole = bytearray(pack(random))
    whole[len(whole) // 2] ^= 0xFF
    whole[len(whole) // 2 + 1 : len(whole) // 2 + 9] = b"\xff" * 8
    path = tmp_path / "damaged"
    path.write_bytes(bytes(whole))
    with open_source(str(path)) as source:
        items = list(source.records())
    problems = [item for item in items if isinstance(item, Problem)]
    assert [p.kind for p in problems][-1:] == ["compression"]
    assert len(items) > 1


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress], ids=["gzip", "zstd"])
def test_a_compressed_file_cut_short_is_a_problem(tmp_path: Path, pack: Any) -> None:
    path = tmp_path / "cut"
    path.write_bytes(pack(b"".join(LINES.replace(b"line", b"%d" % i) for i in range(20)))[:-20])
    with open_source(str(path)) as source:
        items = list(source.records())
    assert isinstance(items[-1], Problem)
    assert items[-1].kind == "compression"
    assert sum(isinstance(item, RawRecord) for item in items) > 200


@pytest.mark.parametrize("data", [ARRAY, LINES, b"\n\n\n" + ARRAY], ids=["array", "lines", "late"])
@pytest.mark.parametrize("kind", ["plain", "gzip", "stdin"])
def test_line_numbers_count_line_breaks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes, kind: str
) -> None:
    path = tmp_path / "file"
    path.write_bytes(gzip.compress(data) if kind == "gzip" else data)
    monkeypatch.setattr(sys, "stdin", _Standard(data))
    with open_source("-" if kind == "stdin" else str(path), block_bytes=500) as source:
        starts = [item.start for item in source.records()]
        offsets = [starts[200], starts[3], starts[3], 0, len(data), starts[-1]]
        assert source.line_of(offsets) == [data.count(b"\n", 0, offset) + 1 for offset in offsets]
        assert source.line_of([]) == []


def test_line_numbers_of_standard_input_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    data = b"1\n" * 2_600_000
    monkeypatch.setattr(sys, "stdin", _Standard(b"{}\n" + data))
    with open_source("-") as source:
        for _ in source.blocks():
            pass
        assert source.line_of([3, 3 + len(data) - 2]) == [0, 2_600_001]


def test_ranges_cover_the_file_and_only_what_can_be_split_is_split(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(ARRAY)
    with open_source(str(path)) as source:
        parts = source.ranges(7)
        assert len(parts) == 7
        assert parts[0][0] == 0
        assert parts[-1][1] == len(ARRAY)
        assert all(a[1] == b[0] for a, b in pairwise(parts))
    path.write_bytes(gzip.compress(ARRAY))
    with open_source(str(path)) as source:
        assert source.ranges(7) == [(0, -1)]
    path.write_bytes(b'{"one": 1}')
    with open_source(str(path)) as source:
        assert source.ranges(7) == [(0, 10)]


def test_containers_are_told_by_content(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for data, container in [
        (b"", "empty"),
        (b"\xef\xbb\xbf \n", "empty"),
        (b" [1]", "array"),
        (b'{"a": 1}', "object"),
        (b'{"a": 1}\n', "object"),
        (b'{\n "a": {\n  "root": ""}\n}\n', "object"),
        (b'{"a": 1}\n{"a": 2}\n', "jsonl"),
        (b'{"a": 1}{"a": 2}', "jsonl"),
        (b'{\n"a": 1}\n{"a": 2}', "jsonl"),
        (b'{"a": 1,\n{"a": 2}\n', "jsonl"),
        (b'{"a": 1\n{"a": 2}\n{"a": 3}\n', "jsonl"),
        (b'oops\n{"a": 2}\n', "jsonl"),
        (b"data/a.json 1\ndata/b.json 0.5\n", "lines"),
        (b'\0\0[{"a": 1}]', "array"),
        (b'{"a": "' + b"x" * (1 << 21) + b'"}\n{"a": 1}\n', "jsonl"),
    ]:
        path.write_bytes(data)
        with open_source(str(path)) as source:
            assert source.container == container, data[:40]


def test_large_files_are_read_in_constant_memory(tmp_path: Path) -> None:
    path = tmp_path / "large.json"
    record = json.dumps({"id": 1, "text": ["x" * 1000] * 1000}, indent=2).encode()
    with path.open("wb") as file:
        file.write(b"[\n" + b",\n".join([record] * 40) + b"\n]\n")
    tracemalloc.start()
    try:
        with open_source(str(path)) as source:
            count = sum(1 for _ in source.records())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 40
    assert peak < 72 * BLOCK_BYTES, peak


@pytest.mark.parametrize("shape", ["array", "lines", "object"])
def test_a_huge_record_is_skipped_in_bounded_memory(tmp_path: Path, shape: str) -> None:
    path = tmp_path / "huge.json"
    chunk = b'"' + b'\\"]} ,' * 2000 + b'", [[1, 2], [3, 4]], '
    opening, middle, closing = {
        "array": (b"[", b",", b"]"),
        "lines": (b"", b"\n", b""),
        "object": (b"", b"\n\n", b""),
    }[shape]
    brk = b"" if shape == "lines" else b"\n"
    with path.open("wb") as file:
        file.write(opening + b'{"id":' + brk + b" 0}" + middle + b'{"id":' + brk + b" [")
        for _ in range(4000):
            file.write(chunk)
        file.write(b"0]}" + middle + b'{"id":' + brk + b" 2}" + closing)
    assert path.stat().st_size > 45 << 20
    tracemalloc.start()
    try:
        with open_source(str(path), max_record_bytes=2 << 20) as source:
            items = [item for item in source.records() if isinstance(item, RawRecord)]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert [item.problem and item.problem.kind for item in items] == [None, "too-large", None]
    assert items[1].problem is not None
    assert items[1].problem.end - items[1].start > 45 << 20
    assert peak < 72 * BLOCK_BYTES, peak


def test_blocks_are_whole_records_and_a_repair_keeps_their_numbers(tmp_path: Path) -> None:
    path = tmp_path / "nested.json"
    objects = [{"id": i, "parts": [{"id": k} for k in range(i % 4)]} for i in range(200)]
    objects[50] = {"name": "begins otherwise"}
    data = json.dumps(objects, separators=(",", ":")).encode().replace(b'{"id":7,', b'{"id":NaN,')
    path.write_bytes(data)
    seen: list[Any] = []
    with open_source(str(path), block_bytes=700) as source:
        for block in source.blocks():
            seen += [
                (item.index, json.loads(item.data)) for item in block.pending if isinstance(item, RawRecord)
            ]
            i = 0
            while i < len(block.starts):
                piece = block.data[block.starts[i] : block.ends[i]]
                try:
                    value = json.loads(piece, parse_constant=lambda _: 1 / 0)
                except (ValueError, ZeroDivisionError):
                    before = i
                    items, i = source.repair(block, i)
                    seen += [
                        (item.index, json.loads(item.data)) for item in items if isinstance(item, RawRecord)
                    ]
                    assert i == before + len(items)
                else:
                    seen.append((block.first + i, value))
                    i += 1
            assert block.base + len(block.data) <= len(data)
    assert [index for index, _ in seen] == list(range(200))
    assert [value for _, value in seen][8:] == objects[8:]
    with open_source(str(path)) as source, pytest.raises(ValueError, match="block"):
        source.repair(block, 0)
