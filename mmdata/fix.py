"""`--fix` and `--diff`: repair what can be repaired without guessing, byte for byte where it need not be touched.

A file is read once, record by record. A record with repairs is repaired, checked again and repaired again until no
repair is left, so that fixing twice changes nothing. Everything between is copied as it lies.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from mmdata.errors import DataError, UsageError
from mmdata.filecheck import DataSet, FileChecker
from mmdata.finding import Edit, Finding, Splice
from mmdata.io.edits import apply
from mmdata.io.read import open_source
from mmdata.io.record import Problem, RawRecord
from mmdata.io.writer import atomic_writer
from mmdata.options import Options
from mmdata.plan import MixtureFile, make_plan

MAX_ROUNDS = 12
"""Repairs of one record that may follow from each other."""


@dataclass(slots=True)
class Change:
    """What was (or would be) changed in one file.

    Attributes:
        path: the file.
        replaced: the stretches of bytes replaced, in file order, with the text before.
        codes: how many repairs of each code.
        written: whether the file was written.
    """

    path: str
    replaced: list[Replacement] = field(default_factory=list)
    codes: Counter[str] = field(default_factory=Counter)
    written: bool = False

    def summary(self) -> str:
        """One line for a person."""
        if not self.codes:
            return f"{self.path}: nothing to fix"
        parts = ", ".join(f"{code} x{count}" for code, count in sorted(self.codes.items()))
        return f"{self.path}: {'fixed' if self.written else 'would fix'} {parts}"

    def diff(self) -> Iterator[str]:
        """The change as a unified diff, whole lines, without context."""
        if not self.replaced:
            return
        yield f"--- {self.path}\n"
        yield f"+++ {self.path}\n"
        shift = 0
        for item in self.replaced:
            before, after = item.before.splitlines(keepends=True), item.after.splitlines(keepends=True)
            for tag, a0, a1, b0, b1 in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
                if tag != "equal":
                    yield f"@@ {_range(item.line + a0, a1 - a0)} {_range(item.line + b0 + shift, b1 - b0, '+')} @@\n"
                    yield from (_line("-", text) for text in before[a0:a1])
                    yield from (_line("+", text) for text in after[b0:b1])
            shift += len(after) - len(before)


def _range(line: int, count: int, sign: str = "-") -> str:
    return f"{sign}{line if count else line - 1},{count}"


def _line(sign: str, text: str) -> str:
    return f"{sign}{text}" if text.endswith("\n") else f"{sign}{text}\n\\ No newline at end of file\n"


@dataclass(frozen=True, slots=True)
class Replacement:
    """A stretch of whole lines, before and after, from a 1-based line number on."""

    line: int
    before: str
    after: str


def fix_files(
    paths: Sequence[str], *, format: str | None, options: Options, unsafe: bool, write: bool
) -> Iterator[Change]:
    """Repair files in place (`write`), or say what would change.

    Args:
        paths: files, globs, directories; mixture files are repaired together with the data sets they name.
        format: the format of all of them, or None to detect it.
        options: what the run may assume.
        unsafe: also repairs that may change what the author meant.
        write: write the files; each appears complete or not at all.

    Raises:
        UsageError: a source that cannot be rewritten (stdin, a remote URL), or no such file.
    """
    plan = make_plan(paths, format=format, options=options)
    for item in plan.items:
        if isinstance(item, MixtureFile):
            yield _fix_mixture(item, options, unsafe, write)
        else:
            yield _fix_records(item, options, unsafe, write)


def _wanted(findings: Sequence[Finding], unsafe: bool) -> list[Finding]:
    return [f for f in findings if f.fixable and (unsafe or not f.unsafe)]


def _fix_records(dataset: DataSet, options: Options, unsafe: bool, write: bool) -> Change:
    change = Change(dataset.path)
    splices = _record_splices(dataset, options, unsafe, change)
    _rewrite(dataset.path, splices, change, write)
    return change


def _record_splices(dataset: DataSet, options: Options, unsafe: bool, change: Change) -> Iterator[Splice]:
    """The replacements of a file of records, ascending."""
    checker = FileChecker(dataset, options)
    with open_source(dataset.path, max_record_bytes=options.max_record_bytes) as source:
        _refuse_unwritable(source.path, source.rewritable)
        for item in source.records(expect=checker.expected_container):
            if isinstance(item, Problem) or item.problem is not None:
                found = checker.check_item(item)
                for finding in _wanted(found, unsafe):
                    if finding.splices:
                        change.codes[finding.code] += 1
                        yield from finding.splices
            elif not checker.is_ordinary(item):
                data = _fixed_record(checker, item, unsafe, change)
                if data != item.data:
                    yield Splice(item.start, item.start + len(item.data), data)


def _fixed_record(checker: FileChecker, item: RawRecord, unsafe: bool, change: Change) -> bytes:
    data = item.data
    for _ in range(MAX_ROUNDS):
        findings = [f for f in _wanted(checker.check_item(item._replace(data=data)), unsafe) if f.edits]
        if not findings:
            break
        before = data
        # One finding a round: an edit may move what the next one points at, and may repair it as well.
        for finding in findings:
            try:
                data = apply(data, finding.edits)
            except DataError:
                continue
            change.codes[finding.code] += 1
            break
        if data == before:
            break
    return data


def _fix_mixture(mixture: MixtureFile, options: Options, unsafe: bool, write: bool) -> Change:
    """Repair a ``data.txt`` or a meta file; short, so it is held in memory."""
    from mmdata.validation import mixture_findings

    change = Change(mixture.path)
    with open_source(mixture.path) as source:
        _refuse_unwritable(source.path, source.rewritable)
        data = before = source.read_all()
    for _ in range(MAX_ROUNDS):
        wanted = _wanted(mixture_findings(mixture.path, mixture.format, data, options), unsafe)
        splices = [s for f in wanted for s in f.splices]
        edits: list[Edit] = [] if splices else [e for f in wanted[:1] for e in f.edits]
        if not splices and not edits:
            break
        data = _spliced(data, splices) if splices else apply(data, edits)
        change.codes.update(f.code for f in (wanted if splices else wanted[:1]) if f.splices or f.edits)
    if data != before:
        _rewrite(mixture.path, iter([Splice(0, len(before), data)]), change, write)
    return change


def _spliced(data: bytes, splices: Sequence[Splice]) -> bytes:
    out, place = [], 0
    for s in sorted(set(splices), key=lambda s: (s.start, s.end)):
        if s.start >= place:
            out += [data[place : s.start], s.replacement]
            place = s.end
    return b"".join([*out, data[place:]])


def _refuse_unwritable(path: str, rewritable: bool) -> None:
    if not rewritable:
        raise UsageError(f"{path}: --fix rewrites local files; this source cannot be written")


def _rewrite(path: str, splices: Iterator[Splice], change: Change, write: bool) -> None:
    """Copy the file with the splices applied; the old file stays until the new one is complete."""
    first = next(splices, None)
    if first is None:
        return
    with open_source(path) as original:
        if write:
            with atomic_writer(path) as out:
                for piece in _pieces(original.reader(), first, splices, change):
                    out.write(piece)
            change.written = True
        else:
            for _ in _pieces(original.reader(), first, splices, change):
                pass


def _pieces(reader: LineReader, first: Splice, rest: Iterator[Splice], change: Change) -> Iterator[bytes]:
    raise DataError
