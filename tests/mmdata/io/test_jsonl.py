"""One record a line: exact places, blank lines, line ends, and what may be wrong with a line."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdata.io.read import open_source
from mmdata.io.record import RawRecord

Read = Callable[..., Any]

_objects = st.lists(
    st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=20), max_size=3),
    min_size=2,
    max_size=10,
)
_block = st.sampled_from([16, 64, 1 << 18])


@settings(max_examples=200, deadline=None)
@given(
    values=_objects,
    ends=st.lists(st.sampled_from(["\n", "\r\n", "\n\n", "\r\n\r\n", " \n \n"]), min_size=10, max_size=10),
    last=st.booleans(),
    ascii_only=st.booleans(),
    block=_block,
)
def test_lines_come_with_exact_places_and_blank_lines_take_no_index(
    read: Read, values: list[Any], ends: list[str], last: bool, ascii_only: bool, block: int
) -> None:
    places, text, blank = [], b"", 0
    for i, (value, end) in enumerate(zip(values, ends, strict=False)):
        line = json.dumps(value, ensure_ascii=ascii_only).encode()
        places.append((i, len(text), line))
        end = "" if i == len(values) - 1 and not last else end
        text += line + end.encode()
        blank += end.count("\n") - 1 if end else 0
    reading = read(text, block=block)
    assert [(r.index, r.start, r.data) for r in reading.good] == places
    assert reading.kinds == ["blank-line"] * blank
    for splice in reversed([s for p in reading.problems for s in p.splices]):
        assert not text[splice.start : splice.end].strip()
        text = text[: splice.start] + splice.replacement + text[splice.end :]
    assert [json.loads(line) for line in text.decode().split("\n") if line] == values
    assert read(text, block=block).kinds == []


@settings(max_examples=150, deadline=None)
@given(
    values=_objects,
    n=st.integers(1, 7),
    block=_block,
    blank=st.sampled_from(["\n", "\r\n", "\n\n"]),
    damage=st.integers(0, 400),
)
def test_ranges_give_the_same_records_as_one_reading(
    tmp_path_factory: pytest.TempPathFactory, values: list[Any], n: int, block: int, blank: str, damage: int
) -> None:
    text = bytearray("".join(json.dumps(value) + blank for value in values).encode())
    if damage < len(text):
        text[damage] = 0x7B
    path = tmp_path_factory.getbasetemp() / "ranges.jsonl"
    path.write_bytes(bytes(text))
    with open_source(str(path), block_bytes=block) as source:
        if source._look().layout != "json-lines":
            return  # so damaged that it is not taken for lines any more
        alone = list(source.records())
        together: list[Any] = []
        count = 0
        for lo, hi in source.ranges(n):
            items = list(source.records_in(lo, hi))
            together += items
            count += sum(isinstance(item, RawRecord) for item in items)
        assert [(item.start, type(item)) for item in together] == [(item.start, type(item)) for item in alone]
        assert count == sum(isinstance(item, RawRecord) for item in alone)


@pytest.mark.parametrize("block", [16, 1 << 18])
def test_what_may_be_wrong_with_a_line(read: Read, block: int) -> None:
    for line, kinds, good, fixed in [
        (b'{"a": 1},', ["trailing-comma"], 1, b'{"a": 1}'),
        (b'{"a": 1}}', ["stray"], 1, b'{"a": 1}'),
        (
            b'{"a": 1}{"a": 2} {"a": 3}',
            ["missing-newline", "missing-newline"],
            3,
            b'{"a": 1}\n{"a": 2}\n{"a": 3}',
        ),
        (b'{"a": 1}\0\0', ["nul"], 1, b'{"a": 1}'),
        (b'\0{"a": 1}', ["nul"], 1, b'{"a": 1}'),
        (b'\xef\xbb\xbf{"a": 1}', ["bom"], 1, b'{"a": 1}'),
        (b'{"a": 1', ["truncated"], 0, b'{"a": 1'),
        (b"{'a': 1}", ["syntax"], 0, b"{'a': 1}"),
        (b'{"a": 1,}', ["trailing-comma"], 0, b'{"a": 1}'),
        (b'{"a": "\xff"}', ["encoding"], 0, b'{"a": "\xff"}'),
        (b'{"a": 1} oops', ["syntax"], 0, b'{"a": 1} oops'),
        (b"\0\0\0\0", ["nul"], 0, b""),
    ]:
        data = b'{"a": 0}\n' + line + b'\n{"a": 9}\n'
        reading = read(data, block=block)
        assert reading.kinds == kinds, (line, reading.problems)
        assert len(reading.good) == good + 2
        assert [r.index for r in reading.records] == list(range(len(reading.records)))
        assert json.loads(reading.records[-1].data) == {"a": 9}
        for splice in reversed([s for p in reading.problems for s in p.splices]):
            data = data[: splice.start] + splice.replacement + data[splice.end :]
        assert data == b'{"a": 0}\n' + fixed + b'\n{"a": 9}\n'
        for problem in reading.problems:
            assert 9 <= problem.start <= 9 + len(line)


def test_a_separator_of_lines_in_unicode_ends_no_line(read: Read) -> None:
    value = {"a": "one\u2028two\u2029three\x85four"}
    data = (json.dumps(value, ensure_ascii=False) + "\n").encode() * 3
    assert [json.loads(r.data) for r in read(data).good] == [value] * 3


def test_text_lines_are_records_as_they_are(read: Read) -> None:
    reading = read(b"data/a.json 1\r\n\n # note\n  data/b.json\t 2 \n", expect="lines")
    assert [(r.index, r.start, r.data) for r in reading.good] == [
        (0, 0, b"data/a.json 1"),
        (1, 16, b" # note"),
        (2, 24, b"  data/b.json\t 2 "),
    ]
    assert [(p.kind, p.start, p.end) for p in reading.problems] == [("blank-line", 15, 16)]
