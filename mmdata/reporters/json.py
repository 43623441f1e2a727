"""One JSON document: `mmdata.report.Report.to_dict`, indented."""

from __future__ import annotations

from collections.abc import Callable

from mmdata.report import Report
from mmdata.reporters._context import RenderContext
from mmdata.reporters._json import dumps

NAME = "json"


def render(report: Report, write: Callable[[str], object], *, context: RenderContext) -> None:
    """Write the report as one JSON document."""
    del context
    write(dumps(report.to_dict(), pretty=True) + "\n")
