"""SARIF 2.1.0, for code scanning services and editors."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from mmdata.finding import Finding, Severity
from mmdata.report import Report
from mmdata.reporters._context import RenderContext, RuleInfo
from mmdata.reporters._json import dumps

NAME = "sarif"

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

_LEVELS: dict[Severity, str] = {"error": "error", "warning": "warning", "info": "note"}
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_SAFE = "/-._~!$&'()*+,;=@"
"""What a path segment of a URI may hold besides letters and digits; a colon could be taken for the end of a scheme."""


def render(report: Report, write: Callable[[str], object], *, context: RenderContext) -> None:
    """Write the report as one SARIF log with one run."""
    from mmdata import __version__

    codes = sorted({*report.summary.by_code, *(f.code for f in report)})
    index = {code: number for number, code in enumerate(codes)}
    run: dict[str, Any] = {
        "tool": {
            "driver": {
                "name": "mmdata",
                "semanticVersion": __version__,
                "rules": [_rule(context.rule(code)) for code in codes],
            }
        },
        "invocations": [{"executionSuccessful": True}],
        "columnKind": "unicodeCodePoints",
        "results": [_result(finding, index[finding.code]) for finding in report],
        "properties": {key: value for key, value in report.to_dict().items() if key != "findings"},
    }
    write(dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, pretty=True) + "\n")


def _rule(rule: RuleInfo) -> dict[str, Any]:
    # Code scanning of GitHub asks for all three texts, so each has one.
    title = rule.title or rule.code
    return {
        "id": rule.code,
        "name": rule.name or rule.code,
        "shortDescription": {"text": title},
        "fullDescription": {"text": title},
        "help": {"text": rule.explanation or title},
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
    }


def _result(f: Finding, rule: int) -> dict[str, Any]:
    text = f"{f.message}\n\nUpstream: {f.upstream}" + (f"\nFix: {f.fix}" if f.fix else "")
    location: dict[str, Any] = {"physicalLocation": _physical(f.path, f.line)}
    if f.record is not None:
        name = {
            "name": f"record {f.record}",
            "fullyQualifiedName": f"{f.record}{f.pointer or ''}",
            "kind": "value",
        }
        location["logicalLocations"] = [name]
    result: dict[str, Any] = {
        "ruleId": f.code,
        "ruleIndex": rule,
        "level": _LEVELS[f.severity],
        "message": {"text": text},
        "locations": [location],
    }
    if f.related_path is not None:
        result["relatedLocations"] = [{"physicalLocation": _physical(f.related_path, None)}]
    facts = f.to_dict()
    result["properties"] = {key: facts[key] for key in ("record", "pointer", "byte", "upstream", "fix")}
    return result


def _physical(path: str, line: int | None) -> dict[str, Any]:
    result: dict[str, Any] = {"artifactLocation": {"uri": uri(path)}}
    if line is not None:
        result["region"] = {"startLine": line}
    return result


def uri(path: str) -> str:
    """A path or URL as the user gave it -> a URI reference: relative stays relative, absolute becomes ``file:``."""
    try:
        raw = path.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raw = path.encode("utf-8", "backslashreplace")
    if _URL.match(path):
        return quote(raw, safe=f"{_SAFE}:?#[]%")
    if os.sep != "/":
        raw = raw.replace(os.sep.encode(), b"/")
        if re.match(rb"[A-Za-z]:/", raw):
            return "file:///" + quote(raw, safe=f"{_SAFE}:")
    return ("file://" if raw.startswith(b"/") else "") + quote(raw, safe=_SAFE)
