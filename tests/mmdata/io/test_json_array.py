"""Arrays of any layout are cut exactly; what is broken is one finding at its place, and its neighbours survive."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdata.io.read import open_source
from mmdata.io.record import RawRecord
from mmdata.io.source import range_holds

Read = Callable[..., Any]

_text = st.text(st.characters(codec="utf-8"), max_size=12) | st.sampled_from(
    ['},{"id":', '"', "\\", "]", "\u2028", "é\n"]
)
_scalar = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _text
_any = st.recursive(
    _scalar,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_text, inner, max_size=4),
    max_leaves=12,
)
_record = st.fixed_dictionaries(
    {
        "id": st.integers(0, 99),
        "objects": st.lists(st.fixed_dictionaries({"id": st.integers(0, 9)}), max_size=4),
    }
)
_other_record = st.fixed_dictionaries({"image": _text, "id": st.integers(0, 99)})
_values = (
    st.lists(_record | _other_record, max_size=8)
    | st.lists(_record, max_size=12)
    | st.lists(_any, max_size=8)
)
_layout = st.sampled_from(
    [{}, {"indent": 1}, {"indent": 4}, {"separators": (",", ":")}, {"separators": (" , ", " : ")}]
)
_block = st.sampled_from([16, 64, 300, 1 << 18])


def oracle(data: bytes) -> list[tuple[int, bytes]]:
    """(offset, bytes) of every element of a valid array, by Python's own decoder."""
    text = data.decode()
    decoder, space = json.JSONDecoder(), re.compile(r"[ \t\n\r]*")
    at = space.match(text, text.index("[") + 1).end()  # type: ignore[union-attr]
    found = []
    while text[at] != "]":
        _, end = decoder.raw_decode(text, at)
        found.append((len(text[:at].encode()), text[at:end].encode()))
        at = space.match(text, end).end()  # type: ignore[union-attr]
        if text[at] == ",":
            at = space.match(text, at + 1).end()  # type: ignore[union-attr]
    return found


@settings(max_examples=250, deadline=None)
@given(
    values=_values,
    layout=_layout,
    block=_block,
    ascii_only=st.booleans(),
    start=st.sampled_from(["", "\n ", "\r\n"]),
)
def test_every_record_of_a_valid_array_comes_with_its_exact_place(
    read: Read, values: list[Any], layout: dict[str, Any], block: int, ascii_only: bool, start: str
) -> None:
    data = (start + json.dumps(values, ensure_ascii=ascii_only, **layout) + "\n").encode()
    reading = read(data, block=block)
    assert [(r.start, r.data) for r in reading.good] == oracle(data)
    assert [r.index for r in reading.good] == list(range(len(values)))
    assert [json.loads(r.data) for r in reading.good] == values
    assert reading.kinds == ([] if values else ["empty"])


@settings(max_examples=150, deadline=None)
@given(
    values=st.lists(_record | _other_record, min_size=1, max_size=14),
    layout=_layout,
    n=st.integers(1, 6),
    block=_block,
)
def test_ranges_give_the_same_records_as_one_reading(
    tmp_path_factory: pytest.TempPathFactory, values: list[Any], layout: dict[str, Any], n: int, block: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "ranges.json"
    path.write_text(json.dumps(values, **layout))
    _assert_ranges_agree(str(path), n, block)


_SAMPLE = [
    {
        "id": i,
        "image": f"{i}.png",
        "conversations": [
            {"from": "human", "value": f"<image>\nWhat, {i}?"},
            {"from": "gpt", "value": "A [thing]."},
        ],
    }
    for i in range(6)
]


def mutate(data: bytes, kind: str, at: int, new: bytes) -> bytes:
    at %= len(data)
    return {
        "insert": data[:at] + new + data[at:],
        "delete": data[:at] + data[at + 1 :],
        "replace": data[:at] + new + data[at + 1 :],
        "cut": data[:at],
        "behead": data[at:],
        "drop": data[:at] + data[at + 7 :],
    }[kind]


_mutation = st.tuples(
    st.sampled_from(["insert", "delete", "replace", "drop"]),
    st.integers(0, 5000),
    st.sampled_from([bytes([c]) for c in b'{}[],:"\\ \n\0x1\xff']),
)


@settings(max_examples=300, deadline=None)
@given(layout=_layout, mutation=_mutation, block=_block)
def test_one_damaged_place_loses_its_neighbours_at_most(
    read: Read, layout: dict[str, Any], mutation: Any, block: int
) -> None:
    whole = json.dumps(_SAMPLE, **layout).encode()
    data = mutate(whole, *mutation)
    reading = read(data, block=block)
    kept = {r.data for r in reading.good}
    lost = [i for i, (_, record) in enumerate(oracle(whole)) if record not in kept]
    if data[:1] == b"[":
        assert len(lost) <= 2
        assert not lost or lost[-1] - lost[0] <= 1
    try:
        intact = isinstance(json.loads(data.decode()), list)
    except ValueError:
        intact = False
    if data[:1] == b"[":
        assert intact == (not reading.problems), reading.problems


@settings(max_examples=200, deadline=None)
@given(layout=_layout, mutations=st.lists(_mutation, max_size=3), n=st.integers(2, 5), block=_block)
def test_ranges_and_block_sizes_agree_on_damaged_files_too(
    tmp_path_factory: pytest.TempPathFactory, layout: dict[str, Any], mutations: list[Any], n: int, block: int
) -> None:
    data = json.dumps(_SAMPLE, **layout).encode()
    for mutation in mutations:
        data = mutate(data, *mutation) or b" "
    path = tmp_path_factory.getbasetemp() / "damaged.json"
    path.write_bytes(data)
    _assert_ranges_agree(str(path), n, block)
    with open_source(str(path), block_bytes=block) as small, open_source(str(path)) as large:
        assert list(small.records()) == list(large.records())


def _assert_ranges_agree(path: str, n: int, block: int) -> None:
    with open_source(path, block_bytes=block) as source:
        alone = list(source.records())
        together: list[Any] = []
        index, expected = 0, None
        for lo, hi in source.ranges(n):
            items = list(source.records_in(lo, hi))
            if expected is not None and not range_holds(expected, hi, source.first_start):
                items = list(source.records_in(expected, hi, at_record=True))
            if source.first_start is not None:
                expected = source.next_start
            elif expected is not None:
                items = []
            else:
                expected = source.next_start
            together += [
                item if not isinstance(item, RawRecord) else item._replace(index=item.index + index)
                for item in items
            ]
            index += sum(isinstance(item, RawRecord) for item in items)
        assert [_place(item) for item in together] == [_place(item) for item in alone]
        assert [i.index for i in together if isinstance(i, RawRecord)] == [
            i.index for i in alone if isinstance(i, RawRecord)
        ]


def _place(item: Any) -> Any:
    return (
        (item.start, item.data, item.problem and item.problem.kind)
        if isinstance(item, RawRecord)
        else (item.start, item.kind, item.splices)
    )


@settings(max_examples=300, deadline=None)
@given(
    data=st.binary(max_size=200) | st.text('[]{},:"\\\n \x00a1', max_size=80).map(str.encode), block=_block
)
def test_no_bytes_make_a_reader_raise_or_loop(read: Read, data: bytes, block: int) -> None:
    reading = read(data, block=block)
    for record in reading.good:
        assert data[record.start : record.start + len(record.data)] == record.data
    for problem in reading.problems:
        assert 0 <= problem.start <= problem.end <= len(data) + 3
    assert [r.index for r in reading.records] == list(range(len(reading.records)))
