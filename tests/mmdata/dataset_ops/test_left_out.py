"""Whatever a verb does not pass on is named: with its record, or where it lies between records."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from mmdata.dataset_ops.deduping import dedup
from mmdata.dataset_ops.diffing import diff_files
from mmdata.dataset_ops.filtering import filter_records
from mmdata.dataset_ops.ledger import MAX_NAMED, Ledger
from mmdata.dataset_ops.merging import merge
from mmdata.dataset_ops.select import sample, split
from mmdata.dataset_ops.stream import rejects
from mmdata.errors import UsageError
from mmdata.io.read import open_source

from .conftest import lines, record

LIMIT = 4096
HALVES = {"a": Decimal("0.5"), "b": Decimal("0.5")}
VERBS: dict[str, Callable[[str, Ledger], object]] = {
    "sample": lambda path, books: sample(path, "out.jsonl", ratio=Decimal("0.5"), ledger=books),
    "filter": lambda path, books: filter_records(path, "out.jsonl", "turns > 0", ledger=books),
    "split": lambda path, books: split(path, HALVES, ["a.jsonl", "b.jsonl"], ledger=books),
    "dedup": lambda path, books: dedup(path, "out.jsonl", ledger=books),
    "merge": lambda path, books: merge([path], "out.jsonl", ledger=books),
}


@pytest.fixture
def overlong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Five records, number 2 longer than a record may be (the limit itself would make a large file)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(open_source.__kwdefaults__, "max_record_bytes", LIMIT)
    path = tmp_path / "long.jsonl"
    texts = lines([record(i) for i in range(4)]).splitlines(keepends=True)
    with path.open("wb") as file:
        file.writelines(texts[:2])
        file.write(b'{"id": "long", "x": "' + b"y" * LIMIT + b'"}\n')
        file.writelines(texts[2:])
    return str(path)


@pytest.mark.parametrize("verb", VERBS)
def test_an_overlong_record_is_named_with_its_place(overlong: str, verb: str) -> None:
    books = Ledger(verb)
    with rejects("rejects.jsonl", books, inputs=[overlong], force=False):
        VERBS[verb](overlong, books)
    rows = [json.loads(line) for line in Path("rejects.jsonl").read_text().splitlines()]
    (row,) = [row for row in rows if row["reason"] == "broken"]
    assert (row["record"], books.exit_code, books.balanced) == (2, 1, True)
    assert "larger than" in row["detail"]
    begin, end = row["bytes"]
    text = Path(overlong).read_bytes()
    assert json.loads(text[begin:end])["id"] == "long", "its bytes can be found again"
    assert "text" not in row
    assert [d.record for d in books.named if d.reason == "broken"] == [2]


def test_diff_says_that_it_was_not_compared(overlong: str) -> None:
    found = diff_files(overlong, overlong)
    assert (found.same, len(found.broken), found.exit_code) == (4, 2, 1)
    assert "record 2" in found.broken[0]


def test_a_count_that_a_broken_record_makes_too_large_names_it(overlong: str) -> None:
    with pytest.raises(UsageError, match=r"5 records are asked for, 4 are there .*record 2: .*larger than"):
        sample(overlong, "out.jsonl", count=5)
    assert sample(overlong, "out.jsonl", count=4).written.total() == 4


def test_text_between_records_is_counted_however_often(tmp_path: Path) -> None:
    path = tmp_path / "stray.json"
    count = MAX_NAMED + 20
    path.write_text("[" + ",".join('{"id": 1} stray' for _ in range(count)) + "]")
    books = merge([str(path)], str(tmp_path / "out.jsonl"))
    assert len(books.between) + books.extra["more_between_records"] == count
    found = diff_files(str(path), str(path))
    assert len(found.broken) + found.more_broken == 2 * count
