"""One file of records under all its checks: the fast path over blocks, the check bodies on what it flags.

`FileChecker.scan` reads a byte range of a file and returns a `Scan`: everything that is known from it, small and
picklable, so that ranges may be read by several processes and merged in order.
"""

from __future__ import annotations

import gc
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from orjson import loads

from mmdata.checks.registry import Check, selected
from mmdata.checks.view import KindFacts
from mmdata.finding import Finding
from mmdata.ids import Hashes, IdTable, hash_ids, id_text
from mmdata.io.jsontext import accepts
from mmdata.io.record import Block, Item, Problem, RawRecord
from mmdata.options import Options
from mmdata.plan import DataSet
from mmdata.report import Collector
from mmdata.validating.fastpath import DECODE_ERRORS, FastPath, Layout
from mmdata.validating.fastpattern import PatternPath, look_at
from mmdata.validating.recordcheck import RecordChecker

if TYPE_CHECKING:
    from mmdata.io.source import Source


@dataclass(slots=True)
class Runs:
    """The longest run of consecutive records on which a loader fails; runs of ranges can be merged."""

    length: int = 0
    leading: int = 0
    trailing: int = 0
    longest: int = 0

    def add(self, failed: bool, count: int = 1) -> None:
        """The next `count` records failed, or did not."""
        if failed:
            self.trailing += count
            self.longest = max(self.longest, self.trailing)
            if self.leading == self.length:
                self.leading += count
        elif count:
            self.trailing = 0
        self.length += count

    def merge(self, following: Runs) -> None:
        """Append the runs of the range that follows."""
        self.longest = max(self.longest, following.longest, self.trailing + following.leading)
        if self.leading == self.length:
            self.leading += following.leading
        whole = following.trailing == following.length
        self.trailing = self.trailing + following.length if whole else following.trailing
        self.length += following.length


@dataclass(slots=True)
class Scan:
    """What one byte range of a file showed; record indices count from the start of the range.

    Attributes:
        records: how many, broken ones included.
        broken: how many are not JSON.
        first_start: offset of the first record that starts in the range, or None.
        next_start: offset of the first record after the range.
        kinds: kind -> count and first index.
        runs: consecutive records with an error.
        hashes: of the ids, in record order (see `mmdata.ids`).
        findings: those of the records and of the text between them.
    """

    records: int = 0
    broken: int = 0
    first_start: int | None = None
    next_start: int = 0
    kinds: dict[str, KindFacts] = field(default_factory=dict)
    runs: Runs = field(default_factory=Runs)
    hashes: list[Hashes] = field(default_factory=list)
    findings: Collector = field(default_factory=Collector)

    def saw(self, kind: str, index: int, count: int = 1) -> None:
        """So many records of a kind, the first at `index`."""
        facts = self.kinds.get(kind)
        if facts is None:
            self.kinds[kind] = KindFacts(count, index)
        else:
            facts.count += count

    def move_hashes(self, table: IdTable) -> None:
        """Hand the hashes over: a table keeps them in bounded memory, a scan does not."""
        for hashes in self.hashes:
            table.extend(hashes)
        self.hashes.clear()

    def merge(self, following: Scan) -> None:
        """Append the scan of the range that follows."""
        for kind, facts in following.kinds.items():
            if kind in self.kinds:
                self.kinds[kind].count += facts.count
            else:
                self.kinds[kind] = KindFacts(facts.count, facts.first + self.records)
        self.findings.merge(following.findings, records_before=self.records)
        self.records += following.records
        self.broken += following.broken
        self.runs.merge(following.runs)
        self.hashes += following.hashes
        self.next_start = following.next_start


class FileChecker:
    """The checks of one data set, made ready to run.

    Args:
        dataset: the file, its format and where its media lie.
        options: what the run may assume.
    """

    def __init__(self, dataset: DataSet, options: Options) -> None:
        self.dataset = dataset
        self.options = options
        self.checks: list[Check] = list(
            selected(dataset.format.name, select=options.select, ignore=options.ignore)
        )
        self.records = RecordChecker(dataset, self.checks, options)
        self.fast = FastPath(dataset.format, self.checks, options, load_sidecar=self.records.load_sidecar)
        # Masks and media of these levels are looked into, not only for: every record meets the check bodies.
        look_into_media = options.media in ("header", "decode")
        self.prefetch = look_into_media and bool(
            self.records.by_stage["media"] or self.records.looks_at_masks
        )
        self.look_into = self.records.looks_at_masks or (
            look_into_media and bool(self.records.by_stage["media"])
        )
        self.patterns = PatternPath(self.fast)
        self.patterns.hungry &= not self.look_into
        self.look_for = options.media == "exists" and bool(self.records.by_stage["media"])
        self.scan_state = Scan()

    @property
    def container(self) -> Any:
        """The container that the trainer reads, for `Source.blocks`; None where it takes several."""
        container = self.dataset.format.container
        return container if container in ("array", "jsonl", "object", "lines") else None

    def scan(
        self,
        source: Source,
        lo: int = 0,
        hi: int = -1,
        *,
        at_record: bool = False,
        progress: Callable[[int], None] | None = None,
        table: IdTable | None = None,
    ) -> Scan:
        """Check the records that start in ``[lo, hi)``; arguments as for `Source.blocks`.

        The hashes of the ids go to `table` block by block where there is one, else they stay in the scan.
        """
        state = self.scan_state = Scan(findings=Collector(self.options.max_findings))
        collecting = gc.isenabled()
        # Parsed JSON has no cycles; with the collector on, one record of a megabyte costs several times its parsing.
        gc.disable()
        try:
            for block in source.blocks(lo, hi, expect=self.container, at_record=at_record):
                ids: list[Any] = []
                for item in block.pending:
                    self._item(item, ids)
                self._block(source, block, ids)
                if table is not None:
                    state.move_hashes(table)
                if progress is not None:
                    progress(len(block.data))
        finally:
            if collecting:
                gc.enable()
        state.first_start, state.next_start = source.first_start, source.next_start
        return state

    def is_ordinary(self, item: RawRecord) -> bool:
        """Whether the fast path accepts a record, so that no check of records can fire on it."""
        while True:
            try:
                record = self.fast.decode(item.data)
            except DECODE_ERRORS as error:
                if self.fast.learn(error, item.data):
                    continue
                return False
            verdict = self.fast.accept(record)
            return verdict is not None and _quotes(item.data) == 2 * verdict[0] and not self.fast.always

    def findings(self, item: Item) -> list[Finding]:
        """Every finding of one record, or of one problem between records."""
        return self.records.problem(item) if isinstance(item, Problem) else self.records.check(item).findings

    def _block(self, source: Source, block: Block, ids: list[Any]) -> None:
        data, starts, ends, first = block.data, block.starts, block.ends, block.first
        decode, accept = self.fast.decode, self.fast.accept
        every, look_for = bool(self.fast.always) or self.look_into, self.look_for
        present = self.records.present
        accepted: list[tuple[int, int]] = []
        kind, since = "", first
        repaired = False
        if self.prefetch:
            self.records.prefetch(data[start:end] for start, end in zip(starts, ends, strict=True))
        one_line = source.container == "jsonl"
        facts = look_at(
            data, one_line=one_line, lines=len(starts) - (not data.endswith(b"\n")) if one_line else None
        )
        matching = facts.matchable
        i, count = 0, len(starts)
        while i < count:
            if matching and self.patterns.patterns:
                media: list[bytes] = []
                known = len(ids)
                after, layout_of_run = self.patterns.run(data, starts, ends, i, facts, ids, media)
                if layout_of_run is not None:
                    if not look_for or all(present(loads(path)) for path in media):
                        if layout_of_run.kind != kind:
                            self._saw(kind, since, first + i - since)
                            kind, since = layout_of_run.kind, first + i
                        i = after
                        continue
                    # Some file is missing: which record names it, the other path finds out.
                    del ids[known:]
                    matching = False
            piece = data[starts[i] : ends[i]]
            try:
                record = decode(piece)
                verdict = accept(record)
            except DECODE_ERRORS as error:
                if self.fast.learn(error, piece):
                    decode, accept = self.fast.decode, self.fast.accept
                    self.patterns.forget()
                    continue
                verdict = None
            accepts_all = False
            if verdict is not None:
                strings, layout = verdict
                if not every and (
                    not (look_for and (layout.media or layout.inline))
                    or (not layout.inline and all(present(path) for path in _paths(record, layout)))
                    or all(present(ref.path) for ref in self.dataset.format.media(loads(piece)))
                ):
                    if layout.kind != kind:
                        self._saw(kind, since, first + i - since)
                        kind, since = layout.kind, first + i
                    accepted.append((i, strings))
                    ids.append(id_text(record.id))
                    if self.patterns.hungry and _quotes(piece) == 2 * strings:
                        self.patterns.learn(piece, layout)
                    i += 1
                    continue
                accepts_all = _quotes(piece) == 2 * strings
            self._saw(kind, since, first + i - since)
            kind, since = "", first + i
            if accepts_all or (piece and accepts(piece)):
                raw = RawRecord(first + i, block.base + starts[i], piece, None)
                self._record(raw, ids, accepted=accepts_all)
                i += 1
            else:
                items, i = source.repair(block, i)
                data, starts, ends, first, repaired = block.data, block.starts, block.ends, block.first, True
                count = len(starts)
                for item in items:
                    self._item(item, ids)
            since = first + i
        self._saw(kind, since, first + i - since)
        self._close(block, accepted, ids, repaired)

    def _close(self, block: Block, accepted: list[tuple[int, int]], ids: list[Any], repaired: bool) -> None:
        """Look for duplicate keys among the accepted records of a block, and take note of the ids."""
        state = self.scan_state
        state.records += len(ids)
        state.hashes.append(hash_ids(ids))
        if accepted and (
            repaired
            or len(accepted) != len(block.starts)
            or _quotes(block.data) != 2 * sum(n for _, n in accepted)
        ):
            for i, strings in accepted:
                piece = block.data[block.starts[i] : block.ends[i]]
                if _quotes(piece) != 2 * strings:
                    raw = RawRecord(block.first + i, block.base + block.starts[i], piece, None)
                    state.findings.extend(self.records.oddities(raw))

    def _saw(self, kind: str, since: int, count: int) -> None:
        """`count` accepted records of a kind, from index `since` on."""
        if count > 0 and kind:
            self.scan_state.saw(kind, since, count)
            self.scan_state.runs.add(False, count)

    def _item(self, item: Item, ids: list[Any]) -> None:
        if isinstance(item, Problem):
            self.scan_state.findings.extend(self.records.problem(item))
        else:
            self._record(item, ids)

    def _record(self, raw: RawRecord, ids: list[Any], *, accepted: bool = False) -> None:
        """A record that the fast path does not settle; where it accepted the record, what lies beside it is looked at."""
        state = self.scan_state
        result = self.records.check_accepted(raw) if accepted else self.records.check(raw)
        state.findings.extend(result.findings)
        state.broken += result.kind is None
        if result.kind is not None:
            state.saw(result.kind, raw.index)
        state.runs.add(any(f.severity == "error" for f in result.findings))
        ids.append(id_text(result.id))


def _paths(record: Any, layout: Layout) -> Iterator[str]:
    """The media paths of an accepted record."""
    for name in layout.media:
        value = getattr(record, name)
        if type(value) is str:
            yield value
        else:
            yield from value


_ESCAPE = re.compile(rb"\\.", re.DOTALL)


def _quotes(data: bytes) -> int:
    """How many quotation marks open or close a key or a string: all but the escaped ones."""
    large = len(data) > 4096
    marks = int(np.count_nonzero(np.frombuffer(data, np.uint8) == 34)) if large else data.count(b'"')
    if b"\\" not in data:
        return marks
    if b"\\\\" not in data:
        return marks - data.count(b'\\"')
    return marks - _ESCAPE.findall(data).count(b'\\"')
