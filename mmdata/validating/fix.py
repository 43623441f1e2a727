"""`--fix` and `--diff`: repair what can be repaired without guessing, byte for byte where it need not be touched.

A file is read once, record by record. A record with repairs is repaired, checked again and repaired again until no
repair is left, so that fixing twice changes nothing. Everything between is copied as it lies (see `mmdata.validating.splice`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from mmdata.errors import DataError, UsageError
from mmdata.finding import Edit, Finding, Splice
from mmdata.io.edits import apply
from mmdata.io.read import open_source
from mmdata.io.record import Problem, RawRecord
from mmdata.io.streams import open_stream
from mmdata.io.writer import atomic_writer
from mmdata.options import Options
from mmdata.plan import DataSet, MixtureFile, make_plan
from mmdata.validating.filecheck import FileChecker
from mmdata.validating.splice import Change, copy_with

MAX_ROUNDS = 32
"""Repairs of one record that may follow from each other."""


def fix_files(
    paths: Sequence[str], *, format: str | None, options: Options, unsafe: bool, write: bool
) -> Iterator[Change]:
    """Repair files in place (`write`), or say what would change.

    Args:
        paths: files, globs, directories; a mixture file is repaired together with the data sets it names.
        format: the format of all of them, or None to detect it.
        options: what the run may assume.
        unsafe: also repairs that may change what the author meant.
        write: write the files; each appears complete or not at all.

    Raises:
        UsageError: a source that cannot be rewritten (stdin, a remote URL), or no such file.
    """
    plan = make_plan(paths, format=format, options=options)
    for item in plan.items:
        if not os.path.isfile(item.path):
            raise UsageError(f"{item.path}: --fix rewrites local files; this source cannot be written")
    readable_now = False
    for item in sorted(plan.items, key=lambda item: isinstance(item, MixtureFile)):
        # Mixtures last: their repairs (the length of a data set, say) depend on the repaired data sets.
        if isinstance(item, MixtureFile):
            change = _fix_mixture(item, options, unsafe=unsafe, write=write)
            readable_now |= item.problem is not None and change.written
            yield change
        else:
            change = Change(item.path)
            _rewrite(item.path, _record_splices(item, options, unsafe, change), change, write=write)
            yield change
    if readable_now:
        # Only now is it known which data sets the mixture names.
        yield from fix_files(paths, format=format, options=options, unsafe=unsafe, write=write)


def _wanted(findings: Sequence[Finding], unsafe: bool) -> list[Finding]:
    return [f for f in findings if f.fixable and (unsafe or not f.unsafe)]


def _record_splices(dataset: DataSet, options: Options, unsafe: bool, change: Change) -> Iterator[Splice]:
    """The replacements in a file of records, ascending."""
    checker = FileChecker(dataset, options)
    with open_source(dataset.path, max_record_bytes=options.max_record_bytes) as source:
        for item in source.records(expect=checker.container):
            if isinstance(item, Problem) or item.problem is not None:
                for finding in _wanted(checker.findings(item), unsafe):
                    if finding.splices:
                        change.codes[finding.code] += 1
                        yield from finding.splices
            elif not checker.is_ordinary(item):
                data = _fixed_record(checker, item, unsafe, change)
                if data != item.data:
                    yield Splice(item.start, item.start + len(item.data), data)


def _fixed_record(checker: FileChecker, item: RawRecord, unsafe: bool, change: Change) -> bytes:
    """The record with every repair made, one finding at a time: a repair may move or mend what the next is about."""
    data, tried = item.data, set()
    for _ in range(MAX_ROUNDS):
        repair = next(
            (
                (finding, repaired)
                for finding in _wanted(checker.findings(item._replace(data=data)), unsafe)
                if finding.edits
                and (repaired := _applied(data, finding.edits)) != data
                and repaired not in tried
            ),
            None,
        )
        if repair is None:
            break
        tried.add(data)
        change.codes[repair[0].code] += 1
        data = repair[1]
    return data


def _applied(data: bytes, edits: Sequence[Edit]) -> bytes:
    """The record after the edits, or as it was when they do not fit (another repair has moved their place)."""
    try:
        return apply(data, edits)
    except DataError:
        return data


def _fix_mixture(mixture: MixtureFile, options: Options, *, unsafe: bool, write: bool) -> Change:
    """Repair a ``data.txt`` or a meta file; these are short, so the text is held in memory."""
    from mmdata.validating.validation import mixture_findings

    change = Change(mixture.path)
    with open_source(mixture.path) as source:
        data = before = source.head(1 << 30)
    for _ in range(MAX_ROUNDS):
        wanted = _wanted(mixture_findings(mixture.path, mixture.format, data, options), unsafe)
        spliced = [f for f in wanted if f.splices]
        if spliced:
            repaired, used = _spliced(data, [s for f in spliced for s in f.splices]), spliced
        else:
            used = next(([f] for f in wanted if _applied(data, f.edits) != data), [])
            repaired = _applied(data, used[0].edits) if used else data
        if repaired == data:
            break
        data = repaired
        change.codes.update(f.code for f in used)
    if data != before:
        _rewrite(mixture.path, iter([Splice(0, len(before), data)]), change, write=write)
    return change


def _spliced(data: bytes, splices: Sequence[Splice]) -> bytes:
    out, place = [], 0
    for s in sorted(set(splices), key=lambda s: (s.start, s.end)):
        if s.start >= place:
            out += [data[place : s.start], s.replacement]
            place = s.end
    return b"".join([*out, data[place:]])


def _rewrite(path: str, splices: Iterator[Splice], change: Change, *, write: bool) -> None:
    """Copy a file with the splices made; the old file stays until the new one is complete."""
    first = next(splices, None)
    if first is None:
        return
    stream, _, _ = open_stream(path)
    try:
        if write:
            with atomic_writer(path) as out:
                copy_with(stream, first, splices, change, out.write)
            change.written = True
        else:
            copy_with(stream, first, splices, change, len)
    finally:
        stream.close()
