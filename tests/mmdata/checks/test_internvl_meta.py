"""InternVL's meta file (M01 to M10) against what the loader makes of each entry's numbers and types."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdata.checks.registry import all_checks, get_check
from mmdata.checks.view import EntryView
from mmdata.format import get_format
from mmdata.io.edits import apply
from mmdata.options import Options

CODES = tuple(code for code in all_checks() if code.startswith("M"))
ENTRY = {"root": "", "annotation": "a.jsonl", "data_augment": False, "repeat_time": 1}


def entry(raw: Any, records: int | None = 10, **facts: Any) -> EntryView:
    options = Options(assume=facts.pop("assume", {}))
    view = EntryView(
        "m.json",
        get_format("internvl-meta"),
        options,
        index=0,
        raw=raw,
        name="mine",
        pointer="/mine",
        start=0,
        end=1,
    )
    view.records, view.exists, view.target = records, True, "a.jsonl"
    for key, value in facts.items():
        setattr(view, key, value)
    return view


def found(view: EntryView) -> dict[str, list[Any]]:
    return {code: hits for code in CODES if (hits := list(get_check(code).function(view)))}


def kept(lines: int, repeat: Any) -> list[int]:
    """The lines that the loader keeps; raises where it raises."""
    rows = list(range(lines))
    if repeat < 1:
        rows = rows[: int(len(rows) * repeat)]
    if repeat > 1:
        assert isinstance(repeat, int)
        rows = rows * repeat
    return rows


repeats = st.one_of(
    st.integers(-3, 4),
    st.booleans(),
    st.floats(-3, 4),
    st.sampled_from([2.0, 1.0, 0.05, float("inf"), float("-inf"), float("nan"), 1e300]),
    st.sampled_from([None, "1", [], {}]),
)


@settings(max_examples=800, deadline=None)
@given(repeat=repeats, lines=st.integers(1, 30))
def test_repeat_time_as_the_loader_takes_it(repeat: Any, lines: int) -> None:
    hits = found(entry({**ENTRY, "repeat_time": repeat}, lines))
    try:
        rows = kept(lines, repeat)
    except (TypeError, AssertionError, OverflowError, ValueError):
        assert set(hits) & {"M01", "M02", "M10"}
        return
    if not rows:
        assert set(hits) == {"M02"}
    elif repeat < 0:
        assert set(hits) == {"M02"}
        assert str(len(rows)) in hits["M02"][0].upstream
    elif len(rows) < lines:
        assert set(hits) == {"M03"}
        assert f"first {len(rows)} of" in hits["M03"][0].message
    else:
        assert not hits


@settings(max_examples=300, deadline=None)
@given(
    repeat=st.one_of(st.integers(1, 4), st.floats(0.1, 0.9)),
    lines=st.integers(1, 30),
    ranks=st.integers(1, 4),
    workers=st.integers(0, 8),
)
def test_m08_some_worker_gets_no_line(repeat: Any, lines: int, ranks: int, workers: int) -> None:
    view = entry({**ENTRY, "repeat_time": repeat}, lines, assume={"ranks": ranks, "workers": workers})
    rows, readers = kept(lines, repeat), ranks * (workers or 1)
    loses = [reader for reader in range(readers) if not rows[reader::readers]]
    assert ("M08" in found(view)) == (bool(rows) and bool(loses))


@pytest.mark.parametrize("missing", ["root", "annotation", "data_augment", "repeat_time"])
def test_m04_each_key_is_asked_for(missing: str) -> None:
    raw = {key: value for key, value in ENTRY.items() if key != missing}
    assert set(found(entry(raw))) == {"M04"}


@pytest.mark.parametrize("value", [True, False, 0, 1, None, 0.5])
def test_m10_data_augment_is_asked_for_its_truth(value: Any) -> None:
    assert found(entry({**ENTRY, "data_augment": value})) == {}


@pytest.mark.parametrize(
    "value, truth", [("false", "true"), ("", "false"), ([], "false"), ({"a": 1}, "true")]
)
def test_m10_what_a_text_counts_as(value: Any, truth: str) -> None:
    (hit,) = found(entry({**ENTRY, "data_augment": value}))["M10"]
    assert (hit.severity, hit.upstream) == ("warning", f"It counts as {truth}.")


@pytest.mark.parametrize(
    "key, value, wrong",
    [
        ("root", 5, True),
        ("root", None, True),
        ("annotation", ["a.jsonl"], True),
        ("max_dynamic_patch", "12", True),
        ("max_dynamic_patch", 6.0, True),
        ("max_dynamic_patch", None, True),
        ("max_dynamic_patch", 6, False),
        ("length", "many", False),
    ],
)
def test_m10_types(key: str, value: Any, wrong: bool) -> None:
    assert ("M10" in found(entry({**ENTRY, key: value}))) == wrong


@pytest.mark.parametrize("raw", ["a.jsonl", None, 5, [], ["a"]])
def test_what_is_no_entry_is_one_hit(raw: Any) -> None:
    assert set(found(entry(raw))) == {"M10"}


def test_m01_a_whole_float_is_written_as_an_integer() -> None:
    for value, edits in ((2.0, 1), (2.5, 0), (float("inf"), 0)):
        (hit,) = found(entry({**ENTRY, "repeat_time": value}))["M01"]
        assert len(hit.edits) == edits
    raw = {"mine": {**ENTRY, "repeat_time": 3.0}}
    (hit,) = found(entry(raw["mine"]))["M01"]
    assert '"repeat_time": 3}' in apply(json.dumps(raw).encode(), hit.edits).decode()


def test_m05_m06_m07_m09() -> None:
    assert set(found(entry({**ENTRY, "length": 10}))) == set()
    (hit,) = found(entry({**ENTRY, "length": 9}))["M05"]
    assert hit.edits[0].value == 10
    assert set(found(entry(ENTRY, earlier=0))) == {"M06"}
    for packed, resampling, hit_count in ((False, True, 1), (True, True, 0), (False, False, 0)):
        view = entry(ENTRY, assume={"packed": packed, "use_data_resampling": resampling})
        assert len(found(view).get("M07", [])) == hit_count
    assert found(entry(ENTRY, index=1, assume={"packed": False, "use_data_resampling": True})) == {}
    (hit,) = found(entry(ENTRY, None, exists=False, hint="/data"))["M09"]
    assert "/data" in (hit.fix or "")
