from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmdata.errors import UsageError
from mmdata.finding import Finding
from mmdata.report import Collector, Report
from mmdata.validating import baseline


def finding(message: str = "wrong", path: str = "data/train.json", **other: object) -> Finding:
    return Finding("G05", "error", message, path, "crashes", **other)  # type: ignore[arg-type]


def report(*findings: Finding, max_findings: int = 0) -> Report:
    run = Collector(max_findings)
    run.extend(findings)
    return run.report([])


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_known_findings_are_left_out_and_new_ones_are_not(here: Path) -> None:
    old = [finding(record=1), finding("other", record=1), finding(record=2, pointer="/image")]
    baseline.write("base.json", report(*old))
    known = baseline.load("base.json")
    new = [
        replace(old[0], code="G06"),
        replace(old[0], pointer="/x"),
        replace(old[0], message="!"),
        replace(old[0], path="b.json"),
    ]
    assert list(known.filter([*old, *new])) == new
    assert list(known.filter(old)) == []


def test_a_second_equal_finding_is_new(here: Path) -> None:
    baseline.write("base.json", report(finding(record=1), finding(record=2)))
    found = list(baseline.load("base.json").filter(finding(record=i) for i in range(1, 5)))
    assert [f.record for f in found] == [3, 4]


def test_findings_stay_known_when_records_are_inserted_above(here: Path) -> None:
    before = finding(
        "id 'a' of record 7 was used by records 3, 4 and 1,005 before", record=7, line=9, byte=700
    )
    after = finding(
        "id 'a' of record 8 was used by records 4, 5 and 1,006 before", record=8, line=12, byte=950
    )
    other = finding(
        "id 'b' of record 8 was used by records 4, 5 and 1,006 before", record=8, line=12, byte=950
    )
    baseline.write("base.json", report(before))
    assert list(baseline.load("base.json").filter([after, other])) == [other]


def test_numbers_that_are_not_places_count(here: Path) -> None:
    baseline.write("base.json", report(finding("2 [SEG], 1 polygon")))
    assert list(baseline.load("base.json").filter([finding("2 [SEG], 3 polygons")]))


def test_a_baseline_works_from_any_directory(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "data").mkdir()
    baseline.write("base.json", report(finding(), finding(path="-"), finding(path="s3://bucket/x.json")))
    monkeypatch.chdir(here / "data")
    known = baseline.load("../base.json")
    seen = [finding(path="./train.json"), finding(path="-"), finding(path="s3://bucket/x.json")]
    assert list(known.filter(seen)) == []
    assert list(known.filter([finding(path=str(here / "data" / "train.json"))])) == []


def test_the_file_is_sorted_and_stable(here: Path) -> None:
    findings = [finding(), finding("b"), finding(path="a.json"), finding()]
    baseline.write("one.json", report(*findings))
    baseline.write("two.json", report(*reversed(findings)))
    data = (here / "one.json").read_bytes()
    assert data == (here / "two.json").read_bytes()
    assert data.endswith(b"}\n")
    shape = orjson.loads(data)
    assert shape["version"] == 1
    assert list(shape["files"]) == ["a.json", "data/train.json"]
    marks = shape["files"]["data/train.json"]["G05"]
    assert list(marks) == sorted(marks)
    assert sorted(marks.values()) == [1, 2]


def test_fingerprints_never_change() -> None:
    # The files that people keep depend on this value.
    assert baseline.fingerprint(finding("at line 3", pointer="/image")) == "354b2eb4a9528671"


def test_a_capped_report_is_no_baseline(here: Path) -> None:
    with pytest.raises(UsageError, match="1 are not listed"):
        baseline.write("base.json", report(finding(record=1), finding(record=2), max_findings=1))
    assert os.listdir(here) == []


@pytest.mark.parametrize(
    "content, message",
    [
        (None, "cannot be read: No such file"),
        (b"", "is not JSON"),
        (b"\xff\xfe", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"[]", "is no baseline"),
        (b'{"version": 1}', "is no baseline"),
        (b'{"version": 2, "files": {}}', "has version 2, expected 1"),
        (b'{"version": 1, "files": {"a": []}}', "not a table"),
        (b'{"version": 1, "files": {"a": {"G05": 3}}}', "not a table"),
        (b'{"version": 1, "files": {"a": {"G05": {"00": "1"}}}}', "not a table"),
        (b'{"version": 1, "files": {"a": {"G05": {"00": true}}}}', "not a table"),
        (b'{"version": 1, "files": {"a": {"G05": {"00": 0}}}}', "not a table"),
    ],
)
def test_a_bad_baseline_is_told_in_one_line(here: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        (here / "base.json").write_bytes(content)
    with pytest.raises(UsageError, match=message) as caught:
        baseline.load("base.json")
    assert "\n" not in str(caught.value)


def test_a_place_that_cannot_be_written_is_told_in_one_line(here: Path) -> None:
    with pytest.raises(UsageError, match=r"base\.json"):
        baseline.write("no/such/folder/base.json", report(finding()))


anything = st.text(st.characters(codec=None), max_size=12)


@given(
    st.lists(
        st.builds(
            finding, anything, anything, pointer=st.none() | anything, related_path=st.none() | anything
        )
    )
)
def test_whatever_the_data_holds_a_baseline_knows_its_findings(
    tmp_path_factory: pytest.TempPathFactory, findings: list[Finding]
) -> None:
    path = str(tmp_path_factory.getbasetemp() / "any.json")
    baseline.write(path, report(*findings))
    known = baseline.load(path)
    assert list(known.filter(findings)) == []
    if findings:
        assert list(known.filter([*findings, findings[0]])) == [findings[0]]
