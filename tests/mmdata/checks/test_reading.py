"""The text of a file: C01, R01 to R06."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import mmdata
from mmdata.options import Options
from mmdata.validating.fix import fix_files

ONE = b'{"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]}'
ARRAY = b"[" + ONE + b",\n" + ONE + b"]\n"
LINES = ONE + b"\n" + ONE + b"\n"


def found(tmp_path: Path, format_name: str, data: bytes, **options: Any) -> list[Any]:
    path = tmp_path / ("data.jsonl" if format_name == "internvl" else "data.json")
    path.write_bytes(data)
    report = mmdata.validate(str(path), format=format_name, jobs=1, media="none", **options)
    return list(report.findings)


@pytest.mark.parametrize(
    "name, data, words",
    [
        ("videorefer", ARRAY.replace(b'"Hi"', b"'Hi'", 1), "double quotes"),
        ("videorefer", ARRAY.replace(b"[{", b"[ // turns\n{", 1), "no comments"),
        ("videorefer", ARRAY.replace(b"Hi", b"\xff", 1), "UTF-8"),
        ("videorefer", ARRAY.replace(b"Hi", b"\x00", 1), ""),
        ("videorefer", ARRAY.replace(b"Hi", b"a\nb", 1), "line break"),
        ("videorefer", ARRAY[:-20], ""),
        ("videorefer", ARRAY.replace(b",\n{", b"\n{"), ""),
        ("videorefer", ARRAY + ARRAY, ""),
        ("videorefer", ARRAY[:-1] + b"]", ""),
        ("videorefer", LINES, "JSON array"),
        ("internvl", ARRAY, "record a line"),
        ("internvl", ONE + b" " + LINES, ""),
        ("internvl", LINES.replace(b'"}]}', b'"}]', 1), ""),
        ("internvl", b'{"deep": ' + b"[" * 5000 + b"]" * 5000 + b", " + LINES[1:], "deep"),
    ],
)
def test_c01_is_one_finding_with_a_place(tmp_path: Path, name: str, data: bytes, words: str) -> None:
    findings = [f for f in found(tmp_path, name, data) if f.code == "C01"]
    assert len(findings) == 1, [f.message for f in findings]
    assert findings[0].severity == "error"
    assert 0 <= findings[0].byte <= len(data)
    assert findings[0].line >= 1
    assert words in findings[0].message


@pytest.mark.parametrize(
    "name, data, repaired",
    [
        ("videorefer", b"\xef\xbb\xbf" + ARRAY, ARRAY),
        ("internvl", b"\xef\xbb\xbf" + LINES, LINES),
        ("videorefer", ARRAY.replace(b"]\n", b",]\n"), ARRAY),
        ("internvl", LINES.replace(b'"Hello"}]}', b'"Hello",}]}', 1), LINES),
    ],
)
def test_c01_repairs_what_needs_no_guessing(tmp_path: Path, name: str, data: bytes, repaired: bytes) -> None:
    (finding,) = found(tmp_path, name, data)
    assert finding.code == "C01"
    (path,) = tmp_path.iterdir()
    list(fix_files([str(path)], format=name, options=Options(media="none"), unsafe=False, write=True))
    assert path.read_bytes() == repaired


@pytest.mark.parametrize(
    "name, data",
    [
        ("videorefer", ARRAY),
        ("videorefer", ARRAY.replace(b" ", b"\r\n\t")),
        ("internvl", LINES),
        ("internvl", LINES.replace(b"\n", b"\r\n")),
        ("internvl", LINES.rstrip()),
        ("internvl", LINES.replace(b"Hi", "\u2028 \u0085 é \U0001f600".encode())),
        ("videorefer-vl3", ARRAY),
        ("videorefer-vl3", LINES),
    ],
)
def test_c01_tricky_but_valid_text(tmp_path: Path, name: str, data: bytes) -> None:
    assert found(tmp_path, name, data) == []


def test_r01_the_limit_is_in_bytes(tmp_path: Path) -> None:
    long = ONE.replace(b"Hello", b"Hello" * 400)
    (finding,) = found(tmp_path, "internvl", ONE + b"\n" + long + b"\n", max_record_bytes=len(long) - 1)
    assert (finding.code, finding.record, finding.severity) == ("R01", 1, "error")
    assert found(tmp_path, "internvl", ONE + b"\n" + long + b"\n", max_record_bytes=len(long)) == []


def keys(text: bytes) -> bytes:
    return b"{" + text + b", " + ONE[1:] + b"\n"


@pytest.mark.parametrize(
    "code, text, pointer",
    [
        ("R02", b'"id": 1, "id": 1', "/id"),
        ("R02", b'"meta": {"a": 1, "\\u0061": 2}', "/meta/a"),
        ("R03", b'"id": 18446744073709551616', "/id"),
        ("R03", b'"meta": [-9223372036854775809]', "/meta/0"),
        ("R04", b'"name": "\\ud83d"', "/name"),
        ("R04", b'"name": "\\ude00\\ud83d"', "/name"),
        ("R05", b'"score": -Infinity', "/score"),
        ("R05", b'"score": [NaN]', "/score/0"),
        ("R05", b'"score": -1e400', "/score"),
    ],
)
def test_r_what_python_takes_is_a_warning_at_its_place(
    tmp_path: Path, code: str, text: bytes, pointer: str
) -> None:
    data = keys(text)
    (finding,) = found(tmp_path, "internvl", data)
    assert (finding.code, finding.severity, finding.pointer) == (code, "warning", pointer)
    assert 0 < finding.byte < data.index(b'"conversations"')


@pytest.mark.parametrize(
    "text",
    [
        b'"id": 1, "Id": 1, "meta": {"id": 1}',
        b'"id": 9223372036854775807, "n": -9223372036854775808',
        b'"name": "\\ud83d\\ude00"',
        b'"name": "\\\\ud83d NaN Infinity 123456789012345678901234"',
        b'"score": 1e300',
        b'"a": [{"x": 1}, {"x": 2}]',
    ],
)
def test_r_tricky_but_plain_json(tmp_path: Path, text: bytes) -> None:
    assert found(tmp_path, "internvl", keys(text)) == []


def test_r04_in_a_turns_text_is_an_error(tmp_path: Path) -> None:
    (finding,) = found(tmp_path, "internvl", ONE.replace(b"Hello", b"Hello \\ud83d"))
    assert (finding.code, finding.severity, finding.pointer) == ("R04", "error", "/conversations/1/value")


@pytest.mark.parametrize("name", ["videorefer", "videorefer-vl3", "internvl"])
@pytest.mark.parametrize("data", [b"", b" \n", b"[]"])
def test_r06_an_empty_file(tmp_path: Path, name: str, data: bytes) -> None:
    findings = found(tmp_path, name, data)
    assert "R06" in [f.code for f in findings]
    if name != "internvl":
        assert "C01" not in [f.code for f in findings]
