from __future__ import annotations

import pickle
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmdata.finding import Edit, Finding, Severity
from mmdata.report import Collector, Report, where


def finding(
    code: str = "G05", severity: Severity = "error", path: str = "a.json", **other: object
) -> Finding:
    return Finding(code, severity, "wrong", path, "crashes", **other)  # type: ignore[arg-type]


def report(*findings: Finding, max_findings: int = 0, records: int = 10) -> Report:
    run = Collector(max_findings)
    run.extend(findings)
    paths = list(dict.fromkeys(f.path for f in findings)) or ["a.json"]
    return run.report([run.source(path, "internvl", records) for path in paths])


def test_json_shape() -> None:
    f = finding(
        fix="repair it", record=3, pointer="/image", line=4, byte=99, edits=(Edit("set", "/image", "b.jpg"),)
    )
    assert report(f, finding("C09", "warning"), finding("C30", "info")).to_dict() == {
        "version": 1,
        "sources": [{"path": "a.json", "format": "internvl", "records": 10, "errors": 1, "warnings": 1}],
        "findings": [
            {**finding("C09", "warning").to_dict()},
            {**finding("C30", "info").to_dict()},
            {
                "code": "G05",
                "severity": "error",
                "message": "wrong",
                "path": "a.json",
                "related_path": None,
                "record": 3,
                "pointer": "/image",
                "line": 4,
                "byte": 99,
                "upstream": "crashes",
                "fix": "repair it",
            },
        ],
        "summary": {
            "records": 10,
            "errors": 1,
            "warnings": 1,
            "infos": 1,
            "by_code": {"C09": 1, "C30": 1, "G05": 1},
        },
    }


def test_counts_stay_complete_when_findings_are_capped() -> None:
    many = [finding("Z01", record=i) for i in range(50)] + [
        finding("A01", "warning", record=i) for i in range(7)
    ]
    result = report(*many, max_findings=10)
    assert len(result.findings) == 10
    assert result.summary.by_code == {"A01": 7, "Z01": 50}
    assert list(result.summary.by_code) == ["A01", "Z01"]
    assert result.summary.errors == 50
    assert result.sources[0].warnings == 7
    assert result.dropped == {"A01": 2, "Z01": 45}
    assert result.to_dict()["not_listed"] == {"A01": 2, "Z01": 45}
    assert sum(result.dropped.values()) + len(result.findings) == 57
    assert "not_listed" not in report(*many, max_findings=57).to_dict()
    assert "not_listed" not in report(*many, max_findings=0).to_dict()


places = st.tuples(
    st.sampled_from(["b.json", "a.json", "c.json"]),
    st.none() | st.integers(0, 300),
    st.none() | st.integers(0, 9),
    st.sampled_from(["G05", "C09"]),
)


@given(st.lists(places, max_size=300), st.integers(1, 40), st.randoms(use_true_random=False))
def test_the_first_findings_are_kept_in_whatever_order_they_come(
    items: list[tuple[str, int | None, int | None, str]], limit: int, random: object
) -> None:
    order = ["b.json", "a.json", "c.json"]
    findings = [finding(code, path=path, record=record, byte=byte) for path, record, byte, code in items]

    def place(f: Finding) -> tuple[object, ...]:
        return (
            order.index(f.path),
            f.record is not None,
            f.record or 0,
            f.byte is not None,
            f.byte or 0,
            f.code,
        )

    expected = sorted(findings, key=place)[:limit]
    shuffled = list(findings)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    run = Collector(limit, order)
    run.extend(shuffled)
    assert run.findings == expected
    assert len(run) == len(findings)


@given(
    st.lists(st.tuples(st.integers(0, 99), st.sampled_from(["G05", "C09"])), max_size=200), st.integers(0, 30)
)
def test_ranges_merge_into_what_one_pass_finds(items: list[tuple[int, str]], limit: int) -> None:
    whole = Collector(limit)
    whole.extend(finding(code, record=record) for record, code in items)
    first, second, run = Collector(limit), Collector(limit), Collector(limit)
    for record, code in items:
        if record < 40:
            first.add(finding(code, record=record))
        else:
            second.add(finding(code, record=record - 40))
    run.merge(pickle.loads(pickle.dumps(first)))
    run.merge(pickle.loads(pickle.dumps(second)), records_before=40)
    sources = [whole.source("a.json", "internvl", 100)]
    assert run.report(sources) == whole.report(sources)


def test_merging_leaves_the_other_collector_alone() -> None:
    part = Collector()
    part.add(finding(record=1))
    run = Collector()
    run.merge(part, records_before=10)
    assert [f.record for f in part] == [1]
    assert [f.record for f in run] == [11]


def test_memory_is_bounded_by_the_limit() -> None:
    run = Collector(10)
    for i in range(10_000, 0, -1):
        run.add(finding(record=i))
        assert len(run._findings) <= 2 * 10 + 64
    assert [f.record for f in run] == list(range(1, 11))


def test_files_keep_the_order_of_the_run_not_of_the_alphabet() -> None:
    result = report(
        finding(path="z.json", record=5), finding(path="a.json", record=0), finding(path="z.json")
    )
    assert [(f.path, f.record) for f in result] == [("z.json", None), ("z.json", 5), ("a.json", 0)]
    assert list(result.counts) == ["z.json", "a.json"]


@pytest.mark.parametrize(
    "severities, plain, strict",
    [((), 0, 0), (("info",), 0, 0), (("warning",), 0, 1), (("error",), 1, 1), (("error", "warning"), 1, 1)],
)
def test_exit_code(severities: tuple[Severity, ...], plain: int, strict: int) -> None:
    result = report(*(finding(severity=s) for s in severities))
    assert (result.exit_code(), result.exit_code(strict=True)) == (plain, strict)
    assert result.ok is (plain == 0)


def test_the_exit_code_does_not_depend_on_what_is_listed() -> None:
    result = report(finding("C09", "warning", record=0), finding(record=1), max_findings=1)
    assert [f.code for f in result] == ["C09"]
    assert result.exit_code() == 1


def test_fixable_findings_are_counted_beyond_the_limit() -> None:
    edit = (Edit("remove", "/x"),)
    result = report(
        *(finding(record=i, edits=edit, unsafe=i == 2) for i in range(5)), finding(), max_findings=1
    )
    assert (result.fixable, result.unsafe_fixable) == (4, 1)


def test_repr_is_one_line() -> None:
    assert repr(report()) == "<Report: no findings in 10 records>"
    two = report(
        finding(), finding(path="b.json"), finding("C09", "warning"), finding("C1", "info"), records=1000
    )
    assert repr(two) == "<Report: 2 errors, 1 warning, 1 info in 2,000 records of 2 files>"


def test_by_code_takes_any_case() -> None:
    result = report(finding(record=1), finding("C09"), finding(record=2))
    assert [f.record for f in result.by_code("g05")] == [1, 2]
    assert result.by_code("X01") == []


def test_a_report_survives_pickling() -> None:
    result = report(*(finding(record=i) for i in range(5)), max_findings=2)
    assert pickle.loads(pickle.dumps(result)) == result


def test_the_notebook_view_escapes_data_and_stays_small() -> None:
    evil = replace(finding(), message="<script>alert(1)</script>", fix="a & b", path="<b>.json")
    html = report(evil, *(finding(record=i) for i in range(1000)))._repr_html_()
    assert "<script>" not in html
    assert "<b>.json" not in html
    assert "&lt;script&gt;" in html
    assert "1,001" in html
    assert "… and 991 more" in html
    assert len(html) < 10_000
    assert "<table>" not in report()._repr_html_()


def test_where() -> None:
    assert where(finding()) == "a.json"
    assert where(finding(line=17, record=12, pointer="/image")) == "a.json:17 (record 12, /image)"
    assert where(finding(record=0, pointer="", related_path="s.json")) == "a.json (record 0, in s.json)"
    assert len(where(finding(pointer="/" + "x" * 10**6))) < 300
