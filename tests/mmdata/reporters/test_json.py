from __future__ import annotations

import json
from collections.abc import Callable

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmdata.errors import UnknownName
from mmdata.finding import Finding
from mmdata.report import Collector, Report
from mmdata.reporters import RenderContext, get_reporter

Rendered = Callable[..., str]
hostile = st.text(st.characters(codec=None), max_size=20)


def report(*findings: Finding, max_findings: int = 0) -> Report:
    run = Collector(max_findings)
    run.extend(findings)
    return run.report([run.source(path, None, 2) for path in dict.fromkeys(f.path for f in findings)])


def test_json_is_the_report(small: Report, rendered: Rendered) -> None:
    text = rendered("json", small)
    assert json.loads(text) == small.to_dict()
    assert text.endswith("\n}\n")
    assert text.startswith('{\n  "version": 1,\n  "sources": [\n')
    assert list(json.loads(text)) == ["version", "sources", "findings", "summary"]


def test_jsonl_is_a_line_for_each_finding_and_a_last_one(small: Report, rendered: Rendered) -> None:
    lines = [json.loads(line) for line in rendered("jsonl", small).splitlines()]
    *findings, last = lines
    assert findings == [{"type": "finding", **f.to_dict()} for f in small]
    assert last == {
        "type": "summary",
        "version": 1,
        "sources": small.to_dict()["sources"],
        "summary": small.to_dict()["summary"],
    }


def test_jsonl_says_what_it_leaves_out(rendered: Rendered) -> None:
    capped = report(
        *(Finding("G05", "error", "w", "a.json", "u", record=i) for i in range(5)), max_findings=2
    )
    lines = rendered("jsonl", capped).splitlines()
    assert len(lines) == 3
    assert json.loads(lines[-1])["not_listed"] == {"G05": 3}
    assert json.loads(rendered("json", capped))["not_listed"] == {"G05": 3}


@given(hostile, hostile, st.none() | hostile)
def test_every_parser_takes_the_output_whatever_the_data_held(
    message: str, path: str, pointer: str | None
) -> None:
    result = report(Finding("G05", "error", message, path, "u", pointer=pointer))
    for name in ("json", "jsonl"):
        out: list[str] = []
        get_reporter(name).render(result, out.append, context=RenderContext())
        text = "".join(out)
        text.encode("utf-8")
        first = text if name == "json" else text.split("\n")[0]
        shape = orjson.loads(first)
        found = shape["findings"][0] if name == "json" else shape
        assert json.loads(first) == shape
        assert found["message"] == message.encode("utf-8", "backslashreplace").decode()
        if name == "jsonl":
            assert text.count("\n") == 2


def test_an_unknown_output_format_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match="unknown output format 'sarf'; did you mean 'sarif'"):
        get_reporter("sarf")


@pytest.mark.parametrize("name", ["text", "json", "jsonl", "github", "sarif"])
def test_every_reporter_ends_its_output_with_a_line_end(name: str, small: Report, rendered: Rendered) -> None:
    assert name == get_reporter(name).NAME
    assert rendered(name, small).endswith("\n")
    assert rendered(name, Report()).endswith("\n")
