"""From a report to the terminal or a file."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mmdata.finding import Finding
    from mmdata.report import Report
    from mmdata.reporters import Excerpt, RuleInfo


def render_report(report: Report, *, output_format: str, output: str | None, statistics: bool) -> None:
    """Write a report to stdout, or to a file that appears complete or not at all.

    Raises:
        UnknownName: there is no such output format.
        UsageError: the file is one that was checked.
    """
    from mmdata.plan import left_aside_lines
    from mmdata.reporters import RenderContext, get_reporter
    from mmdata.validating.run import refuse_source

    reporter = get_reporter(output_format)
    if output is not None:
        refuse_source(output, report)
    to_terminal = output is None and sys.stdout.isatty()
    context = RenderContext(
        color=to_terminal and not os.environ.get("NO_COLOR"),
        width=min(shutil.get_terminal_size((100, 24)).columns, 160) if to_terminal else 100,
        statistics=statistics,
        excerpt=_excerpt,
        rule=_rule,
    )
    for line in left_aside_lines(report.left_aside):
        print(f"mmdata: left aside: {line}", file=sys.stderr)
    if output is None:
        reporter.render(report, sys.stdout.write, context=context)
        return
    from mmdata.io.writer import atomic_writer

    with atomic_writer(output) as out:
        reporter.render(
            report, lambda text: out.write(text.encode("utf-8", "backslashreplace")), context=context
        )


def _excerpt(finding: Finding) -> Excerpt | None:
    from mmdata.reporters import Excerpt

    return Excerpt(*finding.excerpt) if finding.excerpt else None


def _rule(code: str) -> RuleInfo:
    from mmdata.checks.docs import as_text
    from mmdata.checks.registry import all_checks
    from mmdata.reporters import RuleInfo

    check = all_checks().get(code)
    if check is None:
        return RuleInfo(code)
    return RuleInfo(code, check.name, check.doc.title, as_text(check), check.severity)
