from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pytest

import mmdata
from mmdata.errors import UsageError
from mmdata.options import Options
from mmdata.validating.fix import fix_files

OPTIONS = Options(media="none")
LINE = '{"conversations":[{"from":"human","value":"Hi"},{"from":"gpt","value":"Hello"}]}'
BROKEN = '{"id":   7, "conversations":[{"role":"user","value":"Hi"},{"from":"assistant","text":"Hel\\u006co"}], "x":1.50}'
FIXED = '{"id":   7, "conversations":[{"from":"human","value":"Hi"},{"from":"gpt","value":"Hel\\u006co"}], "x":1.50}'


def fix(path: Path, *, write: bool = True) -> list[str]:
    (change,) = fix_files([str(path)], format="internvl", options=OPTIONS, unsafe=False, write=write)
    return list(change.diff())


def test_repairs_follow_from_each_other_and_other_bytes_stay(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(f"{LINE}\r\n\n{BROKEN}\n{LINE}".encode())
    fix(path)
    assert path.read_bytes() == f"{LINE}\r\n{FIXED}\n{LINE}".encode()
    assert mmdata.validate(path, media="none").findings == []


def test_fixing_twice_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(f"{BROKEN}\n")
    fix(path)
    once, time = path.read_bytes(), os.stat(path).st_mtime_ns
    fix(path)
    assert path.read_bytes() == once
    assert os.stat(path).st_mtime_ns == time, "an unchanged file is not written"


def test_diff_writes_nothing_and_shows_both_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(f"{LINE}\n{BROKEN}\n")
    before = path.read_bytes()
    lines = fix(path, write=False)
    assert path.read_bytes() == before
    assert lines == [f"--- {path}\n", f"+++ {path}\n", "@@ -2,1 +2,1 @@\n", f"-{BROKEN}\n", f"+{FIXED}\n"]


def test_a_compressed_file_stays_compressed(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(f"{BROKEN}\n".encode()))
    fix(path)
    assert gzip.decompress(path.read_bytes()).decode() == f"{FIXED}\n"


def test_what_needs_a_guess_is_left(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    text = '{"conversations":[{"from":"alien","value":"Hi"},{"from":"gpt","value":"Hello"}]}\n{"conversations":[\n'
    path.write_text(text)
    fix(path)
    assert path.read_text() == text


def test_stdin_cannot_be_fixed() -> None:
    with pytest.raises(UsageError, match="local file"):
        list(fix_files(["-"], format="internvl", options=OPTIONS, unsafe=False, write=True))


def test_no_temporary_file_is_left(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(f"{BROKEN}\n")
    fix(path)
    assert [p.name for p in tmp_path.iterdir()] == ["a.jsonl"]


def test_a_pretty_array_keeps_its_layout(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    records = [json.loads(LINE), json.loads(BROKEN)]
    path.write_text(json.dumps(records, indent=3))
    list(fix_files([str(path)], format="internvl", options=OPTIONS, unsafe=False, write=True))
    records[1] = json.loads(FIXED)
    assert path.read_text() == json.dumps(records, indent=3)


def test_a_mixture_that_could_not_be_read_is_repaired_with_its_data_sets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    meta = '\ufeff{"m": {"root": "", "annotation": "a.jsonl", "data_augment": false, "repeat_time": 2.0, "length": 9},}'
    Path("meta.json").write_text(meta)
    Path("a.jsonl").write_text(f"{LINE}\n\n{BROKEN}\n")
    list(fix_files(["meta.json"], format=None, options=OPTIONS, unsafe=False, write=True))
    assert Path("a.jsonl").read_text() == f"{LINE}\n{FIXED}\n"
    assert json.loads(Path("meta.json").read_text())["m"]["repeat_time"] == 2
    assert mmdata.validate("meta.json", media="none").findings == []
