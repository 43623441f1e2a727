"""The report for people: findings by file, each with its place, the offending text, what upstream does and the fix.

Of one code in one file the first three findings are shown and the others counted. A table by code and one line with
the totals close the report.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from mmdata.finding import SEVERITIES, Finding, Severity
from mmdata.report import Key, Report, SourceSummary, plural, where
from mmdata.reporters._context import RenderContext
from mmdata.reporters._excerpt import shorten
from mmdata.reporters._style import Style
from mmdata.reporters._visible import cells, visible, wrapped

NAME = "text"

SHOWN = 3
"""Findings of one code in one file that are shown in full."""

_MIN_WIDTH = 40


def render(report: Report, write: Callable[[str], object], *, context: RenderContext) -> None:
    """Write the report for a terminal, or for a file that a person reads."""
    style = Style(context.color)
    if not context.statistics:
        sources = {source.path: source for source in report.sources}
        for path, findings in _by_file(report).items():
            for line in _file(sources.get(path), report.counts.get(path, {}), path, findings, context, style):
                write(line + "\n")
    if report.counts:
        for line in _table(report, context, style):
            write(line + "\n")
        write("\n")
    write(_closing(report, style) + "\n")


def _by_file(report: Report) -> dict[str, list[Finding]]:
    """Path -> the findings listed; also files of which none is listed, in the order of the report."""
    files: dict[str, list[Finding]] = {path: [] for path in report.counts}
    for finding in report:
        files.setdefault(finding.path, []).append(finding)
    return files


def _file(
    source: SourceSummary | None,
    counts: Mapping[Key, int],
    path: str,
    findings: list[Finding],
    context: RenderContext,
    style: Style,
) -> Iterator[str]:
    yield _header(path, source, counts, style)
    yield ""
    shown: Counter[str] = Counter()
    for finding in findings:
        if shown[finding.code] < SHOWN:
            shown[finding.code] += 1
            yield from _finding(finding, context, style)
            yield ""
    total: Counter[str] = Counter()
    for (code, _), count in counts.items():
        total[code] += count
    folded = [(code, count - shown[code]) for code, count in sorted(total.items()) if count > shown[code]]
    for code, rest in folded:
        yield style("faint", f"… and {rest:,} more {visible(code)} in this file")
    if folded:
        yield ""


def _header(path: str, source: SourceSummary | None, counts: Mapping[Key, int], style: Style) -> str:
    facts = [source.format] if source is not None and source.format else []
    facts += [plural(source.records, "record")] if source is not None else []
    by_severity: Counter[Severity] = Counter()
    for (_, severity), count in counts.items():
        by_severity[severity] += count
    totals = ", ".join(plural(by_severity[word], word) for word in SEVERITIES if by_severity[word])
    inside = f" ({', '.join(facts)})" if facts else ""
    return f"{style('bold', visible(path))}{inside}: {totals}"


def _finding(f: Finding, context: RenderContext, style: Style) -> Iterator[str]:
    width = max(context.width, _MIN_WIDTH)
    title = f"{f.severity} {visible(f.code)}  "
    first, *more = wrapped(visible(f.message), width - len(title))
    yield f"{style(f.severity, f'{f.severity} {visible(f.code)}')}  {style('bold', first)}"
    yield from (" " * len(title) + style("bold", line) for line in more)
    excerpt = context.excerpt(f)
    gutter = str(f.line) if f.line is not None and excerpt is not None else ""
    margin = " " * len(gutter)
    yield f"{margin} {style('frame', '-->')} {visible(where(f))}"
    if excerpt is not None:
        bar = style("frame", "|")
        # Two spaces, the gutter and the bar stand before the text.
        shown = shorten(excerpt, width - len(gutter) - 3)
        carets = style(f.severity, "^" * shown.length)
        yield f"{style('frame', gutter)} {bar} {shown.line}"
        yield f"{margin} {bar} {' ' * shown.offset}{carets}"
    yield from _labelled("upstream", f.upstream, margin, width, style)
    if f.fix:
        yield from _labelled("fix", f.fix, margin, width, style)


def _labelled(label: str, text: str, margin: str, width: int, style: Style) -> Iterator[str]:
    lead = f"{margin} {style('frame', '=')} "
    room = width - len(margin) - len(label) - 5
    first, *more = wrapped(visible(text), max(room, 1))
    yield f"{lead}{style('good' if label == 'fix' else 'faint', f'{label}:')} {first}"
    yield from (" " * (len(margin) + len(label) + 5) + line for line in more)


def _table(report: Report, context: RenderContext, style: Style) -> Iterator[str]:
    rows = [
        (visible(code), severity, f"{count:,}", visible(context.rule(code).title))
        for (code, severity), count in report.by_severity().items()
    ]
    head = ("code", "severity", "count", "what")
    widths = [max(cells(row[column]) for row in (head, *rows)) for column in range(3)]

    def padded(row: tuple[str, str, str, str]) -> list[str]:
        code, severity, count, title = row
        return [
            code + " " * (widths[0] - cells(code)),
            severity.ljust(widths[1]),
            count.rjust(widths[2]),
            title,
        ]

    yield style("faint", "  ".join(padded(head)))
    room = max(context.width, _MIN_WIDTH) - sum(widths) - 6
    for row in rows:
        code, severity, count, title = padded(row)
        first, *more = wrapped(title, max(room, 1))
        yield f"{style('bold', code)}  {style(row[1], severity)}  {count}  {first}".rstrip()
        yield from (" " * (sum(widths) + 6) + line for line in more)


def _closing(report: Report, style: Style) -> str:
    headline = report.headline()
    if not report.counts:
        return style("good", headline)
    parts = [headline]
    if report.fixable:
        parts.append(f"{report.fixable:,} fixable with --fix")
    if report.unsafe_fixable:
        parts.append(
            f"{report.unsafe_fixable:,} {'more ' if report.fixable else ''}with --fix --unsafe-fixes"
        )
    parts.append("`mmdata explain CODE` tells more")
    return f"{style('bold', parts[0])}; {'; '.join(parts[1:])}"
