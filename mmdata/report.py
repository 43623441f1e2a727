"""`Report`: what a validation found, for Python, notebooks and reporters; `Collector`: how a run gathers it.

A collector counts every finding and keeps the first so many, "first" by file, record and byte, whatever the order in
which they come. Both are small and picklable, so that ranges of a file may be collected by several processes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from mmdata.finding import SEVERITIES, Finding, Severity

Key = tuple[str, Severity]
"""What is counted within a file: (code, severity)."""

VERSION = 1
"""Of the JSON shape of a report."""


@dataclass(slots=True)
class SourceSummary:
    """One file of a report. `format` is None where it could not be told."""

    path: str
    format: str | None
    records: int = 0
    errors: int = 0
    warnings: int = 0

    def to_dict(self) -> dict[str, Any]:
        """The public JSON shape of a source."""
        return {
            "path": self.path,
            "format": self.format,
            "records": self.records,
            "errors": self.errors,
            "warnings": self.warnings,
        }


@dataclass(slots=True)
class Summary:
    """The counts of a report; complete, also where not every finding is listed. `by_code` is in order of code."""

    records: int = 0
    errors: int = 0
    warnings: int = 0
    infos: int = 0
    by_code: dict[str, int] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The public JSON shape of the summary."""
        return {
            "records": self.records,
            "errors": self.errors,
            "warnings": self.warnings,
            "infos": self.infos,
            "by_code": dict(self.by_code),
        }


@dataclass(slots=True, repr=False)
class Report:
    """What `mmdata.validate` returns. Iterating gives the findings listed.

    Attributes:
        sources: the files, in the order they were given.
        findings: the findings listed, by file, record and byte; at most ``max_findings``.
        summary: complete counts.
        dropped: code -> how many findings are counted but not listed.
        counts: path -> (code, severity) -> how many, complete.
        fixable: how many findings ``--fix`` repairs.
        unsafe_fixable: how many more ``--unsafe-fixes`` repairs.
        left_aside: (path, reason) of files of a directory that are no data sets.
    """

    sources: list[SourceSummary] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    summary: Summary = field(default_factory=Summary)
    dropped: dict[str, int] = field(default_factory=dict)
    counts: dict[str, dict[Key, int]] = field(default_factory=dict)
    fixable: int = 0
    unsafe_fixable: int = 0
    left_aside: list[tuple[str, str]] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether there is no error."""
        return not self.summary.errors

    def exit_code(self, strict: bool = False) -> Literal[0, 1]:
        """1 if there are errors (with `strict`: or warnings), else 0."""
        return 1 if self.summary.errors or (strict and self.summary.warnings) else 0

    def by_code(self, code: str) -> list[Finding]:
        """The findings listed under a code, in any case: ``report.by_code("G05")``."""
        return [f for f in self.findings if f.code == code.upper()]

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def to_dict(self) -> dict[str, Any]:
        """The public JSON shape of a report; ``not_listed`` is there only if findings were left out."""
        result: dict[str, Any] = {
            "version": VERSION,
            "sources": [s.to_dict() for s in self.sources],
            "findings": [f.to_dict() for f in self.findings],
            "summary": self.summary.to_dict(),
        }
        if self.dropped:
            result["not_listed"] = dict(self.dropped)
        return result

    def headline(self) -> str:
        """What a person wants to know first: ``3 errors, 1 warning in 1,000 records of 2 files``."""
        s = self.summary
        counts = [
            plural(n, w) for n, w in ((s.errors, "error"), (s.warnings, "warning"), (s.infos, "info")) if n
        ]
        files = f" of {plural(len(self.sources), 'file')}" if len(self.sources) > 1 else ""
        return f"{', '.join(counts) or 'no findings'} in {plural(s.records, 'record')}{files}"

    def __repr__(self) -> str:
        return f"<Report: {self.headline()}>"

    def _repr_html_(self) -> str:
        """A small table for notebooks: the counts by code, then the first findings."""
        from html import escape

        out = [f"<p><b>{escape(self.headline())}</b></p>"]
        if self.summary.by_code:
            out.append("<table><tr><th>code</th><th>severity</th><th>count</th></tr>")
            for (code, severity), count in self.by_severity().items():
                out.append(f"<tr><td>{escape(code)}</td><td>{severity}</td><td>{count:,}</td></tr>")
            out.append("</table><table><tr><th>code</th><th>where</th><th>message</th><th>fix</th></tr>")
            for f in self.findings[:_HTML_FINDINGS]:
                cells = (f.code, where(f), f.message[:_HTML_CHARACTERS], (f.fix or "")[:_HTML_CHARACTERS])
                out.append("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>")
            out.append("</table>")
            rest = sum(self.summary.by_code.values()) - min(len(self.findings), _HTML_FINDINGS)
            out += [f"<p>… and {rest:,} more</p>"] if rest > 0 else []
        return "".join(out)

    def by_severity(self) -> dict[Key, int]:
        """(code, severity) -> complete count, errors first, then by code."""
        return dict(
            sorted(
                _summed(self.counts.values()).items(),
                key=lambda item: (SEVERITIES.index(item[0][1]), item[0][0]),
            )
        )


_HTML_FINDINGS = 10
_HTML_CHARACTERS = 500
_POINTER_CHARACTERS = 200


def plural(count: int, word: str) -> str:
    """``1 record``, ``1,000 records``."""
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def where(finding: Finding) -> str:
    """The place of a finding for a person: ``train.json:17 (record 12, /conversations/1/value)``."""
    inside = [] if finding.record is None else [f"record {finding.record}"]
    if finding.pointer:
        # The keys of a pointer are data and may have any length.
        long = len(finding.pointer) > _POINTER_CHARACTERS
        inside.append(finding.pointer[:_POINTER_CHARACTERS] + "…" * long)
    inside += [f"in {finding.related_path}"] if finding.related_path else []
    line = "" if finding.line is None else f":{finding.line}"
    place = ", ".join(inside)
    return f"{finding.path}{line} ({place})" if place else f"{finding.path}{line}"


def _summed(counts: Iterable[Mapping[Key, int]]) -> Counter[Key]:
    total: Counter[Key] = Counter()
    for one in counts:
        total.update(one)
    return total


def _of_severity(counts: Mapping[Key, int], wanted: Severity) -> int:
    return sum(count for (_, severity), count in counts.items() if severity == wanted)


class Collector:
    """Counts every finding and keeps the first `max_findings`, by (file, record, byte), in bounded memory.

    Findings of a whole file (no record) come before those of its records. Files are in the order of `paths`, others
    after them in the order in which they are first seen.

    Args:
        max_findings: how many are kept; 0 keeps all.
        paths: the order of the files, where findings may come in another one.
    """

    __slots__ = ("_files", "_findings", "_last", "counts", "fixable", "max_findings", "unsafe_fixable")

    def __init__(self, max_findings: int = 0, paths: Sequence[str] = ()) -> None:
        self.max_findings = max_findings
        self.counts: dict[str, Counter[Key]] = {}
        self.fixable = 0
        self.unsafe_fixable = 0
        self._files: dict[str, int] = {}
        self._findings: list[Finding] = []
        self._last: _Place | None = None
        for path in paths:
            self._files.setdefault(path, len(self._files))

    def add(self, finding: Finding) -> None:
        """Count a finding, and keep it if it is among the first."""
        self._files.setdefault(finding.path, len(self._files))
        self.counts.setdefault(finding.path, Counter())[finding.code, finding.severity] += 1
        if finding.fixable:
            self.fixable += not finding.unsafe
            self.unsafe_fixable += finding.unsafe
        self._keep(finding)

    def extend(self, findings: Iterable[Finding]) -> None:
        """`add` each."""
        for finding in findings:
            self.add(finding)

    def merge(self, other: Collector, *, records_before: int = 0) -> None:
        """Take over another collector's findings and counts.

        Args:
            other: a collector with the same limit or a higher one, else findings that belong to the first are missing.
            records_before: added to the record indices, where `other` counted from the start of its range.
        """
        for path, counts in other.counts.items():
            self._files.setdefault(path, len(self._files))
            self.counts.setdefault(path, Counter()).update(counts)
        self.fixable += other.fixable
        self.unsafe_fixable += other.unsafe_fixable
        for finding in other.findings:
            if records_before and finding.record is not None:
                finding = replace(finding, record=finding.record + records_before)
            self._keep(finding)

    @property
    def findings(self) -> list[Finding]:
        """The findings kept, in order."""
        self._cut()
        return list(self._findings)

    def __len__(self) -> int:
        """How many findings were counted, whether kept or not."""
        return sum(counts.total() for counts in self.counts.values())

    def __bool__(self) -> bool:
        return bool(self.counts)

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def source(self, path: str, format_name: str | None, records: int) -> SourceSummary:
        """The summary of one file, with its complete counts."""
        counts: Mapping[Key, int] = self.counts.get(path, {})
        return SourceSummary(
            path, format_name, records, _of_severity(counts, "error"), _of_severity(counts, "warning")
        )

    def report(self, sources: Iterable[SourceSummary]) -> Report:
        """The report of the run."""
        files = list(sources)
        findings = self.findings
        total = _summed(self.counts.values())
        by_code: Counter[str] = Counter()
        for (code, _), count in total.items():
            by_code[code] += count
        errors, warnings, infos = (_of_severity(total, severity) for severity in SEVERITIES)
        listed = Counter(f.code for f in findings)
        return Report(
            sources=files,
            findings=findings,
            summary=Summary(
                sum(s.records for s in files), errors, warnings, infos, dict(sorted(by_code.items()))
            ),
            dropped={code: n - listed[code] for code, n in sorted(by_code.items()) if n > listed[code]},
            counts={
                path: dict(sorted(self.counts[path].items()))
                for path in sorted(self.counts, key=self._files.__getitem__)
            },
            fixable=self.fixable,
            unsafe_fixable=self.unsafe_fixable,
        )

    def _keep(self, finding: Finding) -> None:
        if self._last is not None and self._place(finding) >= self._last:
            return
        self._findings.append(finding)
        # Cutting at twice the limit keeps memory bounded and the sorting linear in all that was added.
        if self.max_findings and len(self._findings) >= 2 * self.max_findings + 64:
            self._cut()

    def _cut(self) -> None:
        self._findings.sort(key=self._place)
        if self.max_findings and len(self._findings) >= self.max_findings:
            del self._findings[self.max_findings :]
            self._last = self._place(self._findings[-1])

    def _place(self, f: Finding) -> _Place:
        record = -1 if f.record is None else f.record
        byte = -1 if f.byte is None else f.byte
        return (self._files[f.path], record, byte, f.code, f.pointer or "", f.message)


_Place = tuple[int, int, int, str, str, str]

__all__ = ["Collector", "Report", "SourceSummary", "Summary", "plural", "where"]
