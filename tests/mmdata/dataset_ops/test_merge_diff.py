"""merge and diff: nothing lost, equal ids named, differences with their places; `diff` against a plain comparison."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmdata.dataset_ops.diffing import diff_files, differences
from mmdata.dataset_ops.fields import lookup
from mmdata.dataset_ops.merging import merge
from mmdata.errors import UsageError

from .conftest import lines, raw_records, record


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("a.jsonl").write_bytes(lines([record(i) for i in range(5)]))
    Path("b.json").write_text(json.dumps([record(i) for i in range(4, 8)], indent=2))
    return tmp_path


@pytest.mark.usefixtures("folder")
def test_merge_keeps_order_and_names_equal_ids() -> None:
    ledger = merge(["a.jsonl", "b.json"], "out.json")
    assert [r["id"] for r in json.loads(Path("out.json").read_text())] == [0, 1, 2, 3, 4, 4, 5, 6, 7]
    for raw in raw_records(Path("a.jsonl")):
        assert raw in Path("out.json").read_bytes()
    assert json.dumps(record(5), indent=2).replace("\n", "\n  ").encode() in Path("out.json").read_bytes()
    assert ledger.extra["duplicate_ids"] == 1
    assert ledger.exit_code == 1
    assert "b.json: record 0" in ledger.notes[0]


@pytest.mark.usefixtures("folder")
def test_to_json_lines_only_line_breaks_between_tokens_go() -> None:
    ledger = merge(["b.json"], "out.jsonl")
    assert [json.loads(r) for r in raw_records(Path("out.jsonl"))] == json.loads(Path("b.json").read_text())
    assert ledger.extra["reflowed"] == 4


@pytest.mark.usefixtures("folder")
def test_later_ones_are_renamed() -> None:
    ledger = merge(["a.jsonl", "b.json", "a.jsonl"], "out.jsonl", duplicate_ids="rename")
    found = [json.loads(r)["id"] for r in raw_records(Path("out.jsonl"))]
    assert found[:5] == [0, 1, 2, 3, 4]
    assert found[5:9] == ["4~b:0", 5, 6, 7]
    assert len({json.dumps(i) for i in found}) == len(found) == 14
    assert (ledger.extra["renamed"], ledger.exit_code) == (6, 0)
    assert len(ledger.extra["renamed_records"]) == 6


@pytest.mark.usefixtures("folder")
def test_a_taken_new_id_or_a_refusal_writes_nothing() -> None:
    Path("c.jsonl").write_bytes(lines([record(9, id="4~b:0")]))
    with pytest.raises(UsageError, match="taken"):
        merge(["a.jsonl", "b.json", "c.jsonl"], "out.jsonl", duplicate_ids="rename")
    with pytest.raises(UsageError, match="has the id"):
        merge(["a.jsonl", "b.json"], "out.jsonl", duplicate_ids="error")
    assert not Path("out.jsonl").exists()


@pytest.mark.usefixtures("folder")
def test_sorts_and_formats_that_do_not_go_together() -> None:
    turns = [{"from": "human", "value": "<ImageHere> Where?"}, {"from": "bot", "value": "<p> x </p> [SEG]"}]
    Path("g.json").write_text(json.dumps([{"image": "a", "polygons": "b", "conversations": turns}]))
    rle = {"size": [2, 2], "counts": "04"}
    Path("h.json").write_text(json.dumps([{"image": "a", "segmentation": [rle], "conversations": turns}]))
    with pytest.raises(UsageError, match="different formats"):
        merge(["a.jsonl", "g.json"], "out.json")
    with pytest.raises(UsageError, match="different sorts"):
        merge(["g.json", "h.json"], "out.json")
    merge(["g.json", "h.json"], "out.json", mixed=True)
    assert len(json.loads(Path("out.json").read_text())) == 2


def text_of(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


RECORDS = st.lists(
    st.fixed_dictionaries({"id": st.none() | st.integers(0, 4), "v": st.integers(0, 2)}), max_size=12
)


@given(RECORDS, RECORDS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
def test_diff_by_content_is_a_difference_of_multisets(tmp_path: Path, a: list[Any], b: list[Any]) -> None:
    (tmp_path / "a.jsonl").write_bytes(lines(a))
    (tmp_path / "b.json").write_text(json.dumps(b, indent=1))
    found = diff_files(str(tmp_path / "a.jsonl"), str(tmp_path / "b.json"), by="content", limit=0)
    one, other = (Counter(text_of(r) for r in side) for side in (a, b))
    assert found.same == (one & other).total()
    assert Counter(text_of(a[i]) for i, _ in found.removed_records) == one - other
    assert Counter(text_of(b[i]) for i, _ in found.added_records) == other - one
    assert found.same_order == (a == b)


@given(RECORDS, RECORDS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
def test_diff_by_id_pairs_the_k_th_with_the_k_th(tmp_path: Path, a: list[Any], b: list[Any]) -> None:
    (tmp_path / "a.jsonl").write_bytes(lines(a))
    (tmp_path / "b.jsonl").write_bytes(lines(b))
    found = diff_files(str(tmp_path / "a.jsonl"), str(tmp_path / "b.jsonl"), limit=0)
    pairs, same = set(), 0
    for key in range(5):
        mine, theirs = ([i for i, r in enumerate(side) if r["id"] == key] for side in (a, b))
        pairs |= {(i, j) for i, j in zip(mine, theirs, strict=False) if a[i] != b[j]}
        same += sum(a[i] == b[j] for i, j in zip(mine, theirs, strict=False))
    without = [Counter(text_of(r) for r in side if r["id"] is None) for side in (a, b)]
    assert {(r.a, r.b) for r in found.changed_records} == pairs
    assert found.same == same + (without[0] & without[1]).total()
    assert found.removed == len(a) - found.same - found.changed
    assert found.added == len(b) - found.same - found.changed


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text("a/~", max_size=2),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("a/~", max_size=2), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(JSON, JSON)
def test_every_change_is_where_its_pointer_says(a: Any, b: Any) -> None:
    changes = list(differences({"x": a}, {"x": b}))
    assert bool(changes) == (json.dumps(a, sort_keys=True) != json.dumps(b, sort_keys=True))
    for change in changes:
        if change.op != "add":
            assert lookup({"x": a}, change.pointer) == change.before
        if change.op != "remove":
            assert lookup({"x": b}, change.pointer) == change.after


@pytest.mark.usefixtures("folder")
def test_broken_records_are_named_and_indices_stay() -> None:
    Path("a.jsonl").write_bytes(b"{broken\n" + lines([record(1), record(2)]))
    Path("b.jsonl").write_bytes(lines([record(1), record(2, new=1)]))
    found = diff_files("a.jsonl", "b.jsonl")
    assert [(r.a, r.b, r.changes[0].pointer) for r in found.changed_records] == [(2, 1, "/new")]
    assert (found.same, len(found.broken), found.exit_code) == (1, 1, 1)


@pytest.mark.usefixtures("folder")
def test_the_same_records_in_another_order_are_no_difference() -> None:
    Path("b.jsonl").write_bytes(
        b"".join(reversed(lines([record(i) for i in range(5)]).splitlines(keepends=True)))
    )
    found = diff_files("a.jsonl", "b.jsonl")
    assert (found.same, found.exit_code, found.same_order) == (5, 0, False)
