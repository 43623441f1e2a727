"""`validate`: data sets and mixture files under their checks, file by file, by one process or several."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mmdata.checks.registry import Check, Hit, selected
from mmdata.checks.view import Duplicate, EntryView, FileView
from mmdata.finding import Finding
from mmdata.ids import IdTable
from mmdata.io.jsontext import JSONProblem, locate
from mmdata.io.read import open_source
from mmdata.io.record import RawRecord
from mmdata.io.source import range_holds
from mmdata.options import Options
from mmdata.plan import DataSet, MixtureFile, make_plan, read_mixture
from mmdata.progress import Progress, Silent
from mmdata.report import Collector, Report, SourceSummary
from mmdata.validating.filecheck import FileChecker, Scan
from mmdata.validating.recordcheck import RecordChecker, excerpt
from mmdata.workers import Workers

if TYPE_CHECKING:
    from mmdata.format import Format
    from mmdata.io.source import Source
    from mmdata.validating.baseline import Baseline

PARALLEL_FROM = 8 << 20
"""Smaller files are not worth a second process."""

RANGE_BYTES = 32 << 20
"""Bytes of one piece of work; several a process, so that the processes end together."""

MAX_RANGE_BYTES = 256 << 20
"""A piece of work is not larger: what it hands over is held in memory."""


def default_jobs() -> int:
    """One process a core that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def validate(
    paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    format: str | None = None,
    jobs: int | None = None,
    **options: Any,
) -> Report:
    """Say what the trainer would crash on, silently drop, swap or train wrongly.

    Args:
        paths: one or more data files, globs, directories, ``data.txt`` or InternVL meta files.
        format: the format of all of them; None judges each by its content.
        jobs: processes; None takes one a core.
        options: the fields of `Options`, for example ``media="none"`` or ``assume={"max_length": 4096}``.

    Returns:
        The report: the same content as ``mmdata validate --output-format json``.

    Raises:
        UsageError: no such file, no known or no single format, or a bad option.
    """
    given = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
    settings = Options(jobs=jobs or default_jobs(), **options)
    return validate_with([os.fspath(p) for p in given], format=format, options=settings)


def validate_with(
    paths: Sequence[str],
    *,
    format: str | None,
    options: Options,
    progress: Progress | None = None,
    baseline: Baseline | None = None,
) -> Report:
    """`validate` with ready options; `baseline` leaves out known findings. Arguments as for the command line."""
    plan = make_plan(paths, format=format, options=options)
    collector = Collector(options.max_findings, [item.path for item in plan.items])
    if baseline is not None:
        # What is known is told from what is new by counting, which needs every finding of a file.
        options = replace(options, max_findings=0)
    sources: list[SourceSummary] = []
    scans: dict[str, Scan] = {}
    for item in plan.items:
        if isinstance(item, DataSet):
            found = Collector(options.max_findings)
            scans[os.path.realpath(item.path)] = scan = _check_file(
                item, options, progress or Silent(), found
            )
            _collect(collector, found, baseline)
            sources.append(SourceSummary(item.path, item.format.name, scan.records))
    for item in plan.items:
        if isinstance(item, MixtureFile):
            found = Collector(options.max_findings)
            _check_mixture(item, scans, options, found)
            _collect(collector, found, baseline)
            sources.append(SourceSummary(item.path, item.format.name, len(item.targets)))
    place = {item.path: number for number, item in enumerate(plan.items)}
    sources.sort(key=lambda s: place[s.path])
    report = collector.report([collector.source(s.path, s.format, s.records) for s in sources])
    report.left_aside = plan.left_aside
    return report


def _collect(collector: Collector, found: Collector, baseline: Baseline | None) -> None:
    if baseline is None:
        collector.merge(found)
    else:
        collector.extend(baseline.filter(found.findings))


# --- a file of records ---------------------------------------------------------------------------------------------------


def _check_file(dataset: DataSet, options: Options, progress: Progress, found: Collector) -> Scan:
    """Check one data set; the findings go to `found`, with their lines."""
    with open_source(dataset.path, max_record_bytes=options.max_record_bytes) as source:
        progress.start(os.path.basename(dataset.path), source.size)
        table = IdTable()
        scan = _scan(dataset, source, options, progress, table)
        found.merge(scan.findings)
        checker = RecordChecker(
            dataset,
            list(selected(dataset.format.name, select=options.select, ignore=options.ignore)),
            options,
        )
        view = _file_view(dataset, source, scan, options, table, repeatable=source.seekable)
        for item in checker.by_stage["file"]:
            for hit in item.function(view):
                found.add(_located(checker.finding(item, hit, None), hit, source))
        set_lines(source, found)
    return scan


def _scan(dataset: DataSet, source: Source, options: Options, progress: Progress, table: IdTable) -> Scan:
    size = source.size or 0
    few = min(size // RANGE_BYTES + options.jobs, 8 * options.jobs)
    parts = source.ranges(max(1, few, size // MAX_RANGE_BYTES))
    if options.jobs == 1 or size < PARALLEL_FROM or len(parts) == 1:
        return FileChecker(dataset, options).scan(source, progress=progress.advance, table=table)
    return _scan_parallel(dataset, parts, options, progress, table)


def _scan_parallel(
    dataset: DataSet, parts: list[tuple[int, int]], options: Options, progress: Progress, table: IdTable
) -> Scan:
    """Read byte ranges by several processes; a range that began at a wrong guess is read again from the right place."""
    total: Scan | None = None
    context = _context()
    FileChecker(dataset, options)  # imports what the forks then have already
    with Workers(min(options.jobs, len(parts)), context, _start_worker, (dataset, options)) as workers:
        for (lo, hi), scan in zip(parts, workers.map(_work, parts), strict=True):
            if total is None:
                total = scan
            else:
                if not range_holds(total.next_start, hi, scan.first_start):
                    scan = workers.begin(_work_again, total.next_start, hi).get()
                if scan.first_start is None:
                    scan.next_start = max(total.next_start, scan.next_start)
                total.merge(scan)
            total.move_hashes(table)
            progress.advance(hi - lo)
    assert total is not None
    return total


def _context() -> Any:
    """Forked where that works: hashes of ids are comparable only among forks, and forks start at once."""
    methods = multiprocessing.get_all_start_methods()
    if "fork" in methods and os.name == "posix":
        return multiprocessing.get_context("fork")
    os.environ.setdefault("PYTHONHASHSEED", "0")
    return multiprocessing.get_context("spawn")


_worker: tuple[FileChecker, Options] | None = None


def _start_worker(dataset: DataSet, options: Options) -> None:
    global _worker
    _worker = (FileChecker(dataset, options), options)


def _work(part: tuple[int, int]) -> Scan:
    return _work_at(*part, at_record=False)


def _work_again(lo: int, hi: int) -> Scan:
    return _work_at(lo, hi, at_record=True)


def _work_at(lo: int, hi: int, *, at_record: bool) -> Scan:
    assert _worker is not None
    checker, options = _worker
    with open_source(checker.dataset.path, max_record_bytes=options.max_record_bytes) as source:
        return checker.scan(source, lo, hi, at_record=at_record)


# --- the whole file ------------------------------------------------------------------------------------------------------


def _file_view(
    dataset: DataSet, source: Source, scan: Scan, options: Options, table: IdTable, *, repeatable: bool
) -> FileView:
    groups, total = table.candidates()
    duplicates = (
        _confirmed(dataset, groups, options)
        if repeatable and groups
        else [Duplicate(None, g) for g in groups]
    )
    if repeatable and total == sum(len(g) - 1 for g in groups):
        total = sum(len(d.records) - 1 for d in duplicates)
    return FileView(
        path=dataset.path,
        format=dataset.format,
        options=options,
        container=source.container,
        records=scan.records,
        broken=scan.broken,
        kinds=dict(sorted(scan.kinds.items(), key=lambda item: item[1].first)),
        duplicates=duplicates,
        duplicate_total=total,
        longest_failing_run=scan.runs.longest,
        listed=dataset.listed_in is not None,
    )


def _confirmed(dataset: DataSet, groups: list[list[int]], options: Options) -> list[Duplicate]:
    """The groups of records whose ids are really equal: equal hashes are read again."""
    wanted = {index for group in groups for index in group}
    values: dict[int, Any] = {}
    last = max(wanted)
    with open_source(dataset.path, max_record_bytes=options.max_record_bytes) as source:
        for item in source.records():
            if isinstance(item, RawRecord) and item.index in wanted:
                values[item.index] = _id_of(item)
                if item.index == last:
                    break
    confirmed: list[Duplicate] = []
    for group in groups:
        by_value: dict[str, list[int]] = {}
        for index in group:
            by_value.setdefault(repr(values.get(index)), []).append(index)
        confirmed += [Duplicate(values.get(same[0]), same) for same in by_value.values() if len(same) > 1]
    return confirmed


def _id_of(item: RawRecord) -> Any:
    from mmdata.io.jsontext import parse

    try:
        value = parse(item.data)
    except JSONProblem:
        return None
    return value.get("id") if isinstance(value, dict) else None


def _located(finding: Finding, hit: Hit, source: Source) -> Finding:
    """A file check's finding, placed at the record it names if the file can be read again."""
    finding.record = hit.record
    if hit.record is not None and finding.byte is None and source.seekable:
        with open_source(source.path) as again:
            for item in again.records():
                if isinstance(item, RawRecord) and item.index == hit.record:
                    start, end = locate(item.data, hit.pointer or "") or (0, 1)
                    finding.byte, finding.span = item.start + start, (item.start + start, item.start + end)
                    finding.excerpt = excerpt(item.data, start, end)
                    break
    return finding


def set_lines(source: Source, found: Collector) -> None:
    """Give every finding with a byte its line, in one pass over the file."""
    placed = [f for f in found.findings if f.byte is not None and f.line is None]
    for finding, line in zip(placed, source.line_of([f.byte or 0 for f in placed]), strict=True):
        finding.line = line or None


# --- mixtures --------------------------------------------------------------------------------------------------------------


def _check_mixture(mixture: MixtureFile, scans: dict[str, Scan], options: Options, found: Collector) -> None:
    with open_source(mixture.path) as source:
        data = source.head(1 << 30)
        found.extend(_mixture_hits(mixture, data, scans, options))
        set_lines(source, found)


def mixture_findings(path: str, format: Format, data: bytes, options: Options) -> list[Finding]:
    """The findings of a mixture's text alone, as `fix` needs them: the data sets that it names are read again."""
    mixture = read_mixture(path, format, options, data)
    scans: dict[str, Scan] = {}
    for target in mixture.targets:
        if target.dataset is not None:
            key = os.path.realpath(target.dataset.path)
            if key not in scans:
                with open_source(target.dataset.path, max_record_bytes=options.max_record_bytes) as source:
                    scans[key] = FileChecker(target.dataset, options).scan(source)
    return list(_mixture_hits(mixture, data, scans, options))


def _mixture_hits(
    mixture: MixtureFile, data: bytes, scans: dict[str, Scan], options: Options
) -> Iterator[Finding]:
    checks = list(selected(mixture.format.name, select=options.select, ignore=options.ignore))
    checker = RecordChecker(DataSet(mixture.path, mixture.format), checks, options)
    if mixture.problem is not None:
        for finding in checker.problem(mixture.problem.as_problem(0, None), RawRecord(0, 0, data, None)):
            finding.record = None
            yield finding
        return
    later = {t.entry.earlier: i for i, t in enumerate(mixture.targets) if t.entry.earlier is not None}
    for index, target in enumerate(mixture.targets):
        entry, scan = target.entry, None
        if target.dataset is not None:
            scan = scans.get(os.path.realpath(target.dataset.path))
        first = next((kind for kind, facts in scan.kinds.items() if facts.first == 0), None) if scan else None
        view = EntryView(
            path=mixture.path,
            format=mixture.format,
            options=options,
            index=index,
            raw=entry.raw,
            name=entry.name,
            pointer=_pointer(entry.name) if mixture.format.container == "object" else None,
            start=entry.start,
            end=entry.end,
            target=target.path,
            exists=target.dataset is not None,
            hint=_hint(target.path, mixture.path) if target.path and target.dataset is None else None,
            records=scan.records if scan else None,
            kind=first,
            earlier=entry.earlier,
            later=later.get(index),
            entries=len(mixture.targets),
        )
        for item in checker.by_stage["entry"]:
            for hit in item.function(view):
                yield _entry_finding(checker, item, hit, view, data)


def _entry_finding(checker: RecordChecker, item: Check, hit: Hit, view: EntryView, data: bytes) -> Finding:
    finding = checker.finding(item, hit, None)
    start, end = view.start, view.end
    if view.pointer is None:
        finding.record = view.index
        end = max(start, end - 1)
    elif hit.pointer is not None:
        start, end = locate(data, hit.pointer) or (start, end)
    finding.byte = start if hit.byte is None else hit.byte
    finding.span = (start, end)
    finding.excerpt = excerpt(data, start, end)
    return finding


def _pointer(name: str) -> str:
    return "/" + name.replace("~", "~0").replace("/", "~1")


def _hint(path: str, mixture: str) -> str | None:
    from mmdata.media.paths import find_elsewhere

    return find_elsewhere(path, mixture)
