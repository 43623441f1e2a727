"""Every way a file can be broken: one problem at its place, and the records after it are still read."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

Read = Callable[..., Any]

RECORDS = [
    {"id": i, "conversations": [{"from": "human", "value": f"What, {i}?"}, {"from": "gpt", "value": "That."}]}
    for i in range(5)
]
COMPACT = json.dumps(RECORDS, separators=(",", ":")).encode()
PRETTY = json.dumps(RECORDS, indent=4).encode()
LINES = b"".join(json.dumps(record).encode() + b"\n" for record in RECORDS)

both = pytest.mark.parametrize("whole", [COMPACT, PRETTY], ids=["compact", "pretty"])


def ids(reading: Any) -> list[int]:
    return [json.loads(record.data)["id"] for record in reading.good]


def repaired(data: bytes, reading: Any) -> bytes:
    for splice in sorted((s for p in reading.problems for s in p.splices), key=lambda s: -s.start):
        data = data[: splice.start] + splice.replacement + data[splice.end :]
    return data


def end_of(data: bytes, index: int) -> int:
    """Offset one past record `index` of an undamaged array."""
    at = data.index(b"{")
    for _ in range(index + 1):
        _, length = json.JSONDecoder().raw_decode(data[at:].decode())
        end = at + length
        at = data.find(b"{", end)
    return end


BROKEN = {
    "bare word": (b'"That."', b"That", "syntax"),
    "single quotes": (b'"That."', b"'That.'", "syntax"),
    "comment": (b'"gpt",', b'"gpt", // answer', "syntax"),
    "missing bracket": (b"]", b"", "syntax"),
    "missing brace": (b"}", b"", "syntax"),
    "missing colon": (b'"id":', b'"id"', "syntax"),
    "missing comma inside": (b'"gpt",', b'"gpt"', "syntax"),
    "trailing comma inside": (b'"That."', b'"That.",', "trailing-comma"),
    "bad UTF-8": (b"That.", b"Th\xe4t.", "encoding"),
    "raw surrogate": (b"That.", b"\xed\xa0\x80", "encoding"),
    "NUL in a string": (b"That.", b"Th\0t.", "nul"),
    "NUL outside a string": (b'"gpt",', b'"gpt",\0', "nul"),
    "raw line break": (b"That.", b"Th\nat.", "syntax"),
    "bad escape": (b"That.", b"C:\\data", "syntax"),
}


@both
@pytest.mark.parametrize("case", BROKEN, ids=str)
@pytest.mark.parametrize("block", [64, 1 << 18])
def test_a_broken_record_is_one_problem_and_the_others_are_read(
    read: Read, whole: bytes, case: str, block: int
) -> None:
    old, new, kind = BROKEN[case]
    begin = end_of(whole, 1)
    at = whole.index(old, begin)
    data = whole[:at] + new + whole[at + len(old) :]
    reading = read(data, block=block)
    assert reading.kinds == [kind], reading.problems
    (problem,) = reading.problems
    assert problem.record == 2
    assert at <= problem.start <= end_of(whole, 2) + len(new) + 40
    assert ids(reading) == [0, 1, 3, 4]
    assert [record.index for record in reading.records] == [0, 1, 2, 3, 4]


@both
def test_several_missing_closing_brackets_cost_one_record(read: Read, whole: bytes) -> None:
    end = end_of(whole, 1)
    cut = whole[: whole.rindex(b"}", 0, whole.rindex(b"]", 0, end)) + 1]
    data = cut + whole[end:]
    reading = read(data)
    assert ids(reading) == [0, 2, 3, 4]
    assert len(reading.problems) == 1
    assert reading.problems[0].record == 1


@both
def test_a_missing_quote_costs_one_record(read: Read, whole: bytes) -> None:
    at = whole.index(b'That."', end_of(whole, 0)) + 5
    reading = read(whole[:at] + whole[at + 1 :])
    assert ids(reading) == [0, 2, 3, 4]
    assert len(reading.problems) == 1


@both
@pytest.mark.parametrize("last", [b"", b","])
def test_a_file_cut_short_is_truncated(read: Read, whole: bytes, last: bytes) -> None:
    data = whole[: end_of(whole, 2)] + last
    reading = read(data)
    assert ids(reading) == [0, 1, 2]
    assert reading.kinds == ["truncated"]
    assert reading.problems[0].start == len(data)
    data = whole[: end_of(whole, 3) - 9]
    reading = read(data)
    assert ids(reading) == [0, 1, 2]
    assert [(p.kind, p.record) for p in reading.problems] == [("truncated", 3)]


@both
@pytest.mark.parametrize("mark", [b"}", b"]", b","])
def test_a_stray_mark_between_records(read: Read, whole: bytes, mark: bytes) -> None:
    at = end_of(whole, 1) + (mark == b",")
    data = whole[:at] + mark + whole[at:]
    reading = read(data)
    assert ids(reading) == [0, 1, 2, 3, 4]
    assert reading.kinds == ["stray"]
    assert abs(reading.problems[0].start - at) <= 1
    if mark != b"]":
        assert json.loads(repaired(data, reading)) == RECORDS


@both
def test_a_stray_bracket_at_the_end(read: Read, whole: bytes) -> None:
    reading = read(whole + b"\n]")
    assert (ids(reading), reading.kinds, reading.problems[0].start) == (
        [0, 1, 2, 3, 4],
        ["stray"],
        len(whole) + 1,
    )
    assert json.loads(repaired(whole + b"\n]", reading)) == RECORDS


@both
def test_words_between_and_after_records(read: Read, whole: bytes) -> None:
    at = end_of(whole, 1)
    reading = read(whole[:at] + b" oops " + whole[at:])
    assert (ids(reading), reading.kinds, reading.problems[0].start) == ([0, 1, 2, 3, 4], ["stray"], at + 1)
    reading = read(whole + b"\nTotal: 5")
    assert (ids(reading), reading.kinds, reading.problems[0].start) == (
        [0, 1, 2, 3, 4],
        ["stray"],
        len(whole) + 1,
    )
    reading = read(b"data = " + whole)
    assert (ids(reading), reading.kinds, reading.problems[0].start) == ([0, 1, 2, 3, 4], ["stray"], 0)


@both
def test_a_trailing_comma_after_the_last_record(read: Read, whole: bytes) -> None:
    at = end_of(whole, 4)
    data = whole[:at] + b"," + whole[at:]
    reading = read(data)
    assert (ids(reading), reading.kinds, reading.problems[0].start) == (
        [0, 1, 2, 3, 4],
        ["trailing-comma"],
        at,
    )
    assert repaired(data, reading) == whole


@both
def test_a_missing_comma_between_records(read: Read, whole: bytes) -> None:
    at = end_of(whole, 1)
    data = whole[:at] + whole[at + 1 :]
    reading = read(data)
    assert (ids(reading), reading.kinds, reading.problems[0].start) == (
        [0, 1, 2, 3, 4],
        ["missing-comma"],
        at,
    )
    assert repaired(data, reading) == whole


@both
def test_a_second_array_is_read_as_well(read: Read, whole: bytes) -> None:
    data = whole + b"\n" + whole + b"\n"
    reading = read(data)
    assert ids(reading) == [0, 1, 2, 3, 4] * 2
    assert reading.kinds == ["second-array"]
    assert reading.problems[0].start == len(whole) + 1
    assert json.loads(repaired(data, reading)) == RECORDS * 2


@both
@pytest.mark.parametrize("where", ["before", "between", "after"])
def test_nul_bytes_are_one_problem(read: Read, whole: bytes, where: str) -> None:
    at = {"before": 0, "between": end_of(whole, 1) + 1, "after": len(whole)}[where]
    data = whole[:at] + b"\0" * 700 + whole[at:]
    reading = read(data, block=64)
    assert (ids(reading), reading.kinds) == ([0, 1, 2, 3, 4], ["nul"])
    assert (reading.problems[0].start, reading.problems[0].end) == (at, at + 700)
    assert repaired(data, reading) == whole


@pytest.mark.parametrize("whole", [COMPACT, PRETTY, LINES], ids=["compact", "pretty", "lines"])
def test_a_byte_order_mark_is_one_problem_and_can_be_removed(read: Read, whole: bytes) -> None:
    data = b"\xef\xbb\xbf" + whole
    reading = read(data)
    assert (ids(reading), reading.kinds) == ([0, 1, 2, 3, 4], ["bom"])
    assert repaired(data, reading) == whole
    assert reading.good[0].start == whole.index(b"{") + 3


@pytest.mark.parametrize("whole", [COMPACT, LINES], ids=["array", "lines"])
def test_what_the_trainers_parser_accepts_is_no_problem(read: Read, whole: bytes) -> None:
    for old, new in [
        (b'"That."', b"NaN"),
        (b'"That."', b"-Infinity"),
        (b'"That."', b"123456789012345678901234567890"),
        (b'"That."', b'"\\ud800"'),
        (b'"That."', b'"\xe2\x80\xa8\xe2\x80\xa9"'),
        (b'"gpt"', b'"gpt","from":"gpt"'),
        (b'"That."', b"1e999"),
        (b'"That."', b"[" * 800 + b"]" * 800),
    ]:
        data = whole.replace(old, new)
        reading = read(data)
        assert (len(reading.good), reading.problems) == (5, []), new


@pytest.mark.parametrize("whole", [COMPACT, PRETTY, LINES], ids=["compact", "pretty", "lines"])
@pytest.mark.parametrize("levels", [950, 10_000, 300_000])
def test_deep_nesting_is_one_problem(read: Read, whole: bytes, levels: int) -> None:
    at = whole.index(b'"That."', whole.index(b'"id": 1') if b'"id": 1' in whole else whole.index(b'"id":1'))
    data = whole[:at] + b"[" * levels + b"]" * levels + whole[at + 7 :]
    reading = read(data)
    assert ([p.kind for p in reading.problems], [p.record for p in reading.problems]) == (["depth"], [1])
    assert ids(reading) == [0, 2, 3, 4]


@both
def test_brackets_that_never_close(read: Read, whole: bytes) -> None:
    at = whole.index(b'"That."')
    reading = read(whole[:at] + b"[" * 100_000 + whole[at + 7 :])
    assert ids(reading) == [1, 2, 3, 4]
    assert len(reading.problems) == 1


@both
def test_two_broken_records_side_by_side_are_two_problems(read: Read, whole: bytes) -> None:
    first = whole.index(b'"That."', end_of(whole, 0))
    second = whole.index(b'"That."', end_of(whole, 1))
    data = bytearray(whole)
    data[first : first + 7] = b"That..."
    data[second : second + 7] = b"That..."
    reading = read(bytes(data))
    assert ids(reading) == [0, 3, 4]
    assert [(p.kind, p.record) for p in reading.problems] == [("syntax", 1), ("syntax", 2)]


def test_a_file_of_broken_records_is_read_in_reasonable_time(read: Read) -> None:
    one = b'{"id":1,"conversations":[{"from":"human","value":"x"},{"from":"gpt","value":"y"}'
    reading = read(b"[" + b",".join([one] * 3000) + b"]")
    assert reading.kinds == ["truncated"] * 3000


def test_an_empty_array_and_an_empty_file_say_so(read: Read) -> None:
    for data in (b"", b" \n\n", b"[]", b"[ \n]\n", b"\xef\xbb\xbf"):
        reading = read(data)
        assert reading.records == []
        assert [kind for kind in reading.kinds if kind != "bom"] == ["empty"]


def test_another_container_than_expected_is_one_problem(read: Read) -> None:
    one = json.dumps(RECORDS[0]).encode()
    pretty_values = b"\n".join(json.dumps(r, indent=2).encode() for r in RECORDS)
    for data, expect, count in [
        (LINES, "array", 5),
        (COMPACT, "jsonl", 5),
        (PRETTY, "jsonl", 5),
        (pretty_values, "jsonl", 5),
        (pretty_values, "array", 5),
        (pretty_values, None, 5),
        (one, "array", 1),
        (LINES, "object", 5),
        (COMPACT, "object", 5),
        (LINES, "lines", 5),
        (json.dumps(RECORDS[0], indent=2).encode(), "jsonl", 1),
    ]:
        for block in (64, 1 << 18):
            reading = read(data, expect=expect, block=block)
            assert reading.kinds == ["container"], (data[:20], expect, reading.problems)
            assert len(reading.good) == count
    for data, expect in [
        (LINES, "jsonl"),
        (one + b"\n", "jsonl"),
        (COMPACT, "array"),
        (one, "object"),
        (b"a.json 1\n", "lines"),
    ]:
        assert read(data, expect=expect).kinds == []


def test_two_records_on_the_first_line_do_not_make_it_another_container(read: Read) -> None:
    reading = read(b'{"a": 1}{"a": 2}\n{"a": 3}\n', expect="jsonl")
    assert (len(reading.good), reading.kinds) == (3, ["missing-newline"])


def test_utf_16_is_one_problem(read: Read) -> None:
    reading = read(COMPACT.decode().encode("utf-16"))
    assert (reading.records, reading.kinds) == ([], ["encoding"])


@pytest.mark.parametrize("whole", [COMPACT, PRETTY, LINES], ids=["compact", "pretty", "lines"])
@pytest.mark.parametrize("block", [64, 1 << 18])
def test_a_record_over_the_limit_is_skipped(read: Read, whole: bytes, block: int) -> None:
    at = whole.index(b"That.", end_of(PRETTY, 0) if whole is PRETTY else whole.index(b"id", 20))
    for filler in (b"x" * 5000, b'},{\\"id\\":1}' * 500):
        data = whole[:at] + filler + whole[at:]
        reading = read(data, limit=2000, block=block)
        assert reading.kinds == ["too-large"]
        assert len(ids(reading)) == 4
        assert [r.index for r in reading.records] == [0, 1, 2, 3, 4]
        (large,) = [r for r in reading.records if r.problem]
        assert large.data == b""
        assert json.loads(data[large.problem.start : large.problem.end])["id"] == large.index


@pytest.mark.parametrize("damage", [(b'"b"', b"b"), (b': "y"', b":"), (b'"two": {', b'"two": ')])
def test_a_broken_object_that_is_the_whole_file_is_one_broken_record(
    read: Read, damage: tuple[bytes, bytes]
) -> None:
    meta = {
        "one": {"root": "a", "length": 1},
        "two": {"root": "b", "length": 2},
        "three": {"root": "y", "length": 3},
    }
    data = json.dumps(meta, indent=2).encode().replace(*damage)
    reading = read(data, expect="object")
    assert (len(reading.records), reading.kinds) == (1, ["syntax"])
    assert reading.records[0].data == data
