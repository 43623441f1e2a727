"""What only the whole file shows: C15."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import mmdata
from mmdata.checks.registry import get_check
from mmdata.checks.view import Duplicate, FileView
from mmdata.format import get_format
from mmdata.options import Options


def found(tmp_path: Path, ids: list[Any]) -> list[Any]:
    turns = [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]
    path = tmp_path / "data.jsonl"
    records = ({"conversations": turns} if i is None else {"id": i, "conversations": turns} for i in ids)
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return list(mmdata.validate(str(path), format="internvl", jobs=1).findings)


def test_c15_names_the_records(tmp_path: Path) -> None:
    (finding,) = found(tmp_path, ["a", 1, "a", 2, "a"])
    assert (finding.code, finding.severity, finding.record, finding.pointer) == ("C15", "info", 2, "/id")
    assert finding.message == "the id 'a' of record 0 comes again in records 2, 4"
    assert finding.line == 3


@pytest.mark.parametrize("ids", [[1, "1", 2], [None, None], [1, True], [0, False], ["a", "A", "a "]])
def test_c15_ids_that_differ(tmp_path: Path, ids: list[Any]) -> None:
    assert found(tmp_path, ids) == []


def test_c15_counts_what_is_not_listed() -> None:
    view = FileView("data.json", get_format("internvl"), Options(), "jsonl")
    view.duplicates, view.duplicate_total = [Duplicate("x" * 100, [0, *range(5, 20)])], 1000
    first, rest = get_check("C15").function(view)
    assert first.record == 5
    assert first.message.endswith("comes again in records 5, 6, 7, 8, 9, ...")
    assert len(first.message) < 150
    assert rest.message == "985 more records have an id that came before"
