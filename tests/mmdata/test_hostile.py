"""No bytes make `validate` raise, hang or lose count: whatever the file holds is findings, or a usage error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import mmdata
from mmdata.errors import UsageError

FORMATS = (
    "geopixel",
    "xcomposer",
    "xcomposer-2.0",
    "videorefer",
    "videorefer-vl3",
    "internvl",
    "internvl-meta",
    "data-txt",
)

keys = st.sampled_from(["id", "conversations", "from", "value", "image", "video", "polygons", "segmentation", "annotation", "masks", "0", "size", "counts", "height", "width", "root", "repeat_time", "length"])  # fmt: skip
leaves = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=6), st.sampled_from(["human", "gpt", "<image>\nx", "[SEG]", "<region>", "a/b.png", "\ud800"]))  # fmt: skip
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)
turns = st.lists(st.fixed_dictionaries({"from": leaves, "value": leaves}), max_size=3)
records = st.one_of(
    values,
    st.dictionaries(keys, values, max_size=5).flatmap(
        lambda r: turns.map(lambda t: {**r, "conversations": t})
    ),
)
texts = st.lists(records, max_size=4).flatmap(
    lambda rs: st.sampled_from(
        [
            json.dumps(rs),
            json.dumps(rs, indent=1),
            "\n".join(map(json.dumps, rs)),
            json.dumps(rs[0] if rs else {}),
        ]
    )
)
files = st.one_of(
    st.binary(max_size=200),
    texts.map(lambda t: t.encode("utf-8", "surrogatepass")),
    st.tuples(texts, st.integers(0, 300), st.binary(max_size=3)).map(
        lambda p: p[0].encode()[: p[1]] + p[2] + p[0].encode()[p[1] + 1 :]
    ),
)


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=files)
def test_any_bytes(name: str, data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "data.json"
    path.write_bytes(data)
    report = mmdata.validate(path, format=name, media="header", jobs=1)
    result: dict[str, Any] = report.to_dict()
    assert sum(result["summary"]["by_code"].values()) == len(result["findings"])
    lines = data.count(b"\n") + 1
    for finding in result["findings"]:
        assert finding["record"] is None or finding["record"] < max(1, result["summary"]["records"])
        assert finding["line"] is None or 1 <= finding["line"] <= lines
        assert finding["byte"] is None or 0 <= finding["byte"] <= len(data)
    json.dumps(result)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=files)
def test_detection_answers_or_says_why_not(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "data.json"
    path.write_bytes(data)
    refused = ""
    try:
        mmdata.validate(path, media="none", jobs=1)
    except UsageError as error:
        refused = str(error)
    assert "\n" not in refused
    assert not refused or str(path) in refused


def test_a_record_nested_ten_thousand_deep_is_one_finding_and_the_next_is_checked(tmp_path: Path) -> None:
    deep = '{"x": ' + "[" * 10_000 + "]" * 10_000 + ', "conversations": []}'
    good = '{"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": ""}]}'
    path = tmp_path / "a.jsonl"
    path.write_text(f"{deep}\n{good}\n")
    report = mmdata.validate(path, format="internvl", media="none", ignore=("I16",))
    assert [(f.code, f.record) for f in report] == [("C01", 0), ("C09", 1)]


@pytest.mark.parametrize("container", ["jsonl", "json"])
def test_a_record_over_the_limit_is_one_finding_and_the_next_is_checked(
    tmp_path: Path, container: str
) -> None:
    long = json.dumps(
        {"conversations": [{"from": "human", "value": "x" * 50_000}, {"from": "gpt", "value": "y"}]}
    )
    bad = '{"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": ""}]}'
    path = tmp_path / f"a.{container}"
    path.write_text(f"{bad}\n{long}\n{bad}\n" if container == "jsonl" else f"[{bad}, {long}, {bad}]")
    name = "internvl" if container == "jsonl" else "videorefer"
    report = mmdata.validate(path, format=name, media="none", max_record_bytes=10_000)
    assert [(f.code, f.record) for f in report] == [("C09", 0), ("R01", 1), ("C09", 2)]
    assert report.summary.records == 3
