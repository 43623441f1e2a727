"""Workflow commands of GitHub Actions: each finding becomes an annotation of the line it is about.

GitHub shows ten errors, ten warnings and ten notices of a step beside the code, the rest in the log. The last line is
the headline, for the log.
"""

from __future__ import annotations

from collections.abc import Callable

from mmdata.finding import Finding, Severity
from mmdata.report import Report
from mmdata.reporters._context import RenderContext
from mmdata.reporters._visible import visible

NAME = "github"

_PATH_LIMIT = 8192
"""Over any path that a system opens: a path that is cut points nowhere."""

_COMMANDS: dict[Severity, str] = {"error": "error", "warning": "warning", "info": "notice"}


def render(report: Report, write: Callable[[str], object], *, context: RenderContext) -> None:
    """Write an annotation for each finding listed, then the headline."""
    del context
    for finding in report:
        write(_annotation(finding))
    write(f"{report.headline()}\n")


def _annotation(f: Finding) -> str:
    properties = [("file", f.path)]
    properties += [] if f.line is None else [("line", str(f.line))]
    properties += [("title", f.code)]
    place = [] if f.record is None else [f"record {f.record}"]
    place += [f.pointer] if f.pointer else []
    lines = [f"{f.message} ({', '.join(place)})" if place else f.message, f"upstream: {f.upstream}"]
    lines += [f"fix: {f.fix}"] if f.fix else []
    written = ",".join(f"{key}={_property(value)}" for key, value in properties)
    return f"::{_COMMANDS[f.severity]} {written}::{_data(lines)}\n"


def _data(lines: list[str]) -> str:
    """The message of a command: percent signs and line ends are escaped, other control characters made visible."""
    return "%0A".join(visible(line).replace("%", "%25") for line in lines)


def _property(value: str) -> str:
    return visible(value, _PATH_LIMIT).replace("%", "%25").replace(":", "%3A").replace(",", "%2C")
