"""Reading with values and without gives the same records, whatever lies in the file; nothing goes unnamed."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmdata.dataset_ops.ledger import Ledger
from mmdata.dataset_ops.stream import read_records, read_values, value_of

PIECES = st.sampled_from(
    [
        '{"id": 1}',
        '{"id": 2, "x": [1, {"y": "é\\n"}]}',
        '{"n": 123456789012345678901234567890}',
        '{"v": NaN}',
        '{"broken": ',
        "{'single': 1}",
        '"text"',
        '{"a": 1, "a": 2}',
        '{"deep": ' + "[" * 950 + "]" * 950 + "}",
        "",
    ]
)


@given(st.lists(PIECES, max_size=8), st.booleans())
@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_with_and_without_values(tmp_path: Path, pieces: list[str], array: bool) -> None:
    pieces = ['{"id": 0}', *pieces]  # what the file is, its first record says
    path = tmp_path / ("in.json" if array else "in.jsonl")
    path.write_text("[" + ",\n".join(pieces) + "]" if array else "\n".join(pieces))
    plain, valued = Ledger("a"), Ledger("b")
    records = list(read_records(str(path), plain))
    values = list(read_values(str(path), valued))
    assert [r for r, _ in values] == records
    assert [repr(v) for _, v in values] == [repr(value_of(r)) for r in records]
    assert (plain.read, plain.dropped, plain.between) == (valued.read, valued.dropped, valued.between)
    assert plain.read.total() == len(records) + plain.dropped.total()


def test_what_is_whole_is_read_whatever_lies_between(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    whole = [json.dumps({"id": i, "n": "x" * i}) for i in range(2000)]
    path.write_text("\n".join(line if i % 7 else line + "\n{oops" for i, line in enumerate(whole)))
    ledger = Ledger("a")
    assert [v["id"] for _, v in read_values(str(path), ledger)] == list(range(2000))
    assert ledger.dropped["broken"] == 286
