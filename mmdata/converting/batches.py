"""Sources cut into batches, batches converted, by one process or several, and handed on in order.

A seekable file is cut at multiples of `BATCH_BYTES`, whatever the number of processes: a batch is the records that start in
its range, and whoever converts it reads them itself. Ranges of an array begin at a guess, which the chain of batches
proves or refutes (see `mmdata.io.read`). What can only be read from its start is cut by records and handed over.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

from mmdata.converting.fast import FastConvert, Known
from mmdata.converting.fast.look import View
from mmdata.converting.handover import Handover, Piece, Stretch
from mmdata.converting.ledger import Ledger
from mmdata.converting.media import SCRATCH
from mmdata.converting.recordconvert import RecordConverter
from mmdata.converting.task import Task
from mmdata.io.jsontext import accepts
from mmdata.io.read import Source, open_source
from mmdata.io.record import Item, Problem, RawRecord

if TYPE_CHECKING:
    from multiprocessing.pool import Pool

BATCH_BYTES = 8 << 20

MOST_WAITING = 4
"""Batches that wait for a worker or for being written, at most."""


@dataclass(frozen=True, slots=True)
class Batch:
    """A piece of one source: a byte range of a seekable file, or records that were read already.

    Attributes:
        number: of the batch, from 0 in each source.
        lo: first byte of the range.
        hi: one past the last; -1 for the end of the file.
        at_record: a record is known to start at `lo`.
        records: the records and what lies between them, instead of a range.
    """

    number: int
    lo: int = 0
    hi: int = -1
    at_record: bool = False
    records: tuple[Item, ...] | None = None


@dataclass(frozen=True, slots=True)
class Reject:
    """A record that is not written: its place (`index` counts from the start of the batch), why, and its bytes."""

    index: int
    start: int
    code: str
    reason: str
    data: bytes


@dataclass(slots=True)
class Part:
    """A converted batch.

    Attributes:
        number: of the batch.
        data: kind -> the written records with the separator between them, in pieces; or where in the memory of the
            handover or in which file they lie. The kind is ``all`` where one file has every kind.
        counts: kind -> records.
        rejects: in order.
        ledger: what became of the records.
        first: index that the reader gave the batch's first record.
        first_start: offset of the first record of the range, or None.
        next_start: offset of the first record after it.
        files: what was written beside the records, relative to the growing output.
    """

    number: int
    data: dict[str, list[Piece] | Stretch | str] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    rejects: list[Reject] = field(default_factory=list)
    ledger: Ledger = field(default_factory=Ledger)
    first: int = 0
    first_start: int | None = None
    next_start: int = 0
    files: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Written:
    """Records of one kind: those of the block at hand, the text of those before, and how many these are."""

    records: list[bytes] = field(default_factory=list)
    chunks: list[bytes] = field(default_factory=list)
    count: int = 0

    def add(self, text: bytes, count: int) -> None:
        """Add so many records with what stands between them."""
        self.records.append(text)
        self.count += count - 1

    def flush(self, between: bytes) -> None:
        """Make text of the records: a block's worth of memory is used again, and stays in the processor's cache."""
        if self.records:
            self.chunks.append(between.join(self.records))
            self.count += len(self.records)
            self.records.clear()


class Sink(Protocol):
    """What takes the parts, in order."""

    def done(self, task: Task) -> tuple[int, int]:
        """How many batches of a source an interrupted run has left, and where the record after them starts."""

    def append(self, task: Task, part: Part) -> None:
        """The next part of a source."""


class BatchConverter:
    """Converts batches of one source."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.records = RecordConverter(task)
        self.between = task.between
        self.by_kind = task.by_kind
        self.fast = FastConvert(self.records)
        self.used: list[Known] = []

    def convert(self, batch: Batch, source: Source | None = None) -> Part:
        """Convert a batch; records that cannot be converted are rejects, never exceptions."""
        part = Part(batch.number)
        written: dict[str, Written] = {}
        collecting = gc.isenabled()
        # Parsed JSON has no cycles; with the collector on, one record of a megabyte costs several times its parsing.
        gc.disable()
        try:
            if batch.records is not None:
                part.first = next((one.index for one in batch.records if isinstance(one, RawRecord)), 0)
                for item in batch.records:
                    self._read(item, part, written)
            elif source is not None:
                self._range(source, batch, part, written)
            else:
                with open_source(self.task.path) as opened:
                    self._range(opened, batch, part, written)
        finally:
            if collecting:
                gc.enable()
        self._end(part, written)
        for kind, one in written.items():
            pieces: list[Piece] = [piece for chunk in one.chunks for piece in (self.between, chunk)]
            part.data[kind] = pieces[1:]
            part.counts[kind] = one.count
        part.files, self.records.files = self.records.files, []
        return part

    def _range(self, source: Source, batch: Batch, part: Part, written: dict[str, Written]) -> None:
        fast, one_line = self.fast, source.container == "jsonl"

        def begin(known: Known) -> None:
            self._begin(known, part, written)

        for block in source.blocks(batch.lo, batch.hi, at_record=batch.at_record):
            for item in block.pending:
                self._item(item, part, written, source)
            view = View(block, one_line=one_line)
            i = 0
            while i < len(block.starts):
                i = fast.run(view, i, begin)
                if i == len(block.starts):
                    break
                start, end = block.starts[i], block.ends[i]
                data = block.data[start:end]
                if data and accepts(data):
                    self._converted(
                        RawRecord(block.first + i, block.base + start, data, None), part, written, view
                    )
                    i += 1
                else:
                    items, i = source.repair(block, i)
                    for item in items:
                        self._item(item, part, written, source)
                    view.corrected()
            for one in written.values():
                one.flush(self.between)
        part.first_start, part.next_start = source.first_start, source.next_start

    def _item(
        self, item: Item, part: Part, written: dict[str, Written], source: Source | None = None
    ) -> None:
        ledger = part.ledger
        if isinstance(item, Problem):
            if item.kind != "container":
                ledger.problems[item.kind] = ledger.problems.get(item.kind, 0) + 1
            return
        if source is not None:
            item = whole(item, source)
        self._converted(item, part, written, learn=False)

    def _read(self, item: Item, part: Part, written: dict[str, Written]) -> None:
        """A record, or what lies between records, of a source that is read in sequence."""
        if isinstance(item, Problem) or item.problem is not None:
            self._item(item, part, written)
        elif not self.fast.translate(item.data, lambda known: self._begin(known, part, written)):
            self._converted(item, part, written)

    def _converted(
        self,
        raw: RawRecord,
        part: Part,
        written: dict[str, Written],
        view: View | None = None,
        *,
        learn: bool = True,
    ) -> None:
        """A record that goes the ordinary way; the fast path learns from it, with the block that it lies in."""
        outcome, ledger = self.records.convert(raw), part.ledger
        if outcome.code:
            part.rejects.append(
                Reject(raw.index - part.first, raw.start, outcome.code, outcome.reason, raw.data)
            )
            ledger.rejections[outcome.code] = ledger.rejections.get(outcome.code, 0) + 1
        else:
            self._place(outcome.kind, written).records.append(outcome.data)
            ledger.count(outcome.notes)
            for code in outcome.warnings:
                ledger.warnings[code] = ledger.warnings.get(code, 0) + 1
            if learn:
                self.fast.learn(raw, outcome, view)

    def _begin(self, known: Known, part: Part, written: dict[str, Written]) -> None:
        """The first record of a batch that the fast path translates in this way: its fields take their places."""
        known.goes_to(self._place(known.kind, written))
        self.used.append(known)
        part.ledger.count(known.notes, 0)

    def _place(self, kind: str, written: dict[str, Written]) -> Written:
        """Where records of a kind go."""
        name = kind if self.by_kind else "all"
        if name not in written:
            written[name] = Written()
        return written[name]

    def _end(self, part: Part, written: dict[str, Written]) -> None:
        """Count what the fast path has translated."""
        for known in self.used:
            part.ledger.count(known.notes, known.records)
            known.records = 0
            known.goes_to(None)
        self.used.clear()
        for one in written.values():
            one.flush(self.between)
        part.ledger.read = len(part.rejects) + sum(one.count for one in written.values())


def whole(item: RawRecord, source: Source) -> RawRecord:
    """The record with its bytes, where it was skipped for its size."""
    if item.problem is None or item.problem.kind != "too-large" or not source.seekable:
        return item
    return item._replace(data=source.read_at(item.problem.start, item.problem.end))


# --- cutting -------------------------------------------------------------------------------------------------------------


def _ranges(source: Source) -> list[tuple[int, int]] | None:
    """The byte ranges of a source; None where it is cut by records."""
    if not source.seekable or source.size is None or source.container not in ("array", "jsonl"):
        return None
    edges = range(0, source.size, BATCH_BYTES)
    return [(lo, min(lo + BATCH_BYTES, source.size)) for lo in edges] or [(0, -1)]


def _by_records(source: Source) -> Iterator[Batch]:
    batch: list[Item] = []
    size = number = 0
    for item in source.records():
        batch.append(whole(item, source) if isinstance(item, RawRecord) else item)
        size += len(item.data) if isinstance(item, RawRecord) else 0
        if size >= BATCH_BYTES:
            yield Batch(number, records=tuple(batch))
            batch, size, number = [], 0, number + 1
    if batch:
        yield Batch(number, records=tuple(batch))


# --- converting ----------------------------------------------------------------------------------------------------------


def convert_all(tasks: list[Task], sink: Sink, jobs: int) -> None:
    """Convert every source and hand the parts to `sink`, those that it has already left out.

    Raises:
        OSError: something cannot be read or written.
    """
    if jobs == 1:
        for task in tasks:
            with open_source(task.path) as source:
                _in_turn(task, source, sink)
        return
    if any(task.kernels for task in tasks):
        from mmdata.converting.fast.compiled import load

        load()
    context, ahead = _context(), min(2 * jobs, jobs + MOST_WAITING)
    # Memory is shared only with processes that are forked.
    handover = Handover(ahead) if context.get_start_method() == "fork" else None
    with context.Pool(jobs, initializer=_start_worker, initargs=(handover,)) as pool:
        for task in tasks:
            with open_source(task.path) as source:
                _at_once(task, source, sink, _Workers(pool, handover, ahead))


def _in_turn(task: Task, source: Source, sink: Sink) -> None:
    converter = BatchConverter(task)
    done, expected = sink.done(task)
    ranges = _ranges(source)
    if ranges is None:
        for batch in _by_records(source):
            if batch.number >= done:
                sink.append(task, converter.convert(batch))
        return
    for number, (lo, hi) in enumerate(ranges):
        if number < done:
            continue
        part = Part(number)
        if number == 0 or expected < hi:
            part = converter.convert(Batch(number, lo if number == 0 else expected, hi, number > 0), source)
        if part.first_start is None:
            part.next_start = max(expected, part.next_start)
        expected = part.next_start
        sink.append(task, part)


@dataclass(slots=True)
class _Workers:
    """The processes that convert, and how many batches may be under way."""

    pool: Pool
    handover: Handover | None
    ahead: int

    def begin(self, task: Task, batch: Batch) -> tuple[Batch, int, Any]:
        """Have a batch converted."""
        slot = self.handover.free.pop() if self.handover is not None else -1
        return batch, slot, self.pool.apply_async(_work, (task, batch, slot))

    def end(self, part: Part, slot: int, task: Task, sink: Sink) -> None:
        """Give a part to the sink; its slot is free then."""
        if self.handover is not None:
            for kind, data in part.data.items():
                if isinstance(data, Stretch):
                    part.data[kind] = [self.handover.view(data)]
        sink.append(task, part)
        part.data.clear()
        if self.handover is not None:
            self.handover.free.append(slot)


def _at_once(task: Task, source: Source, sink: Sink, workers: _Workers) -> None:
    """Batches convert side by side; a range that began at a wrong guess is converted again from the right place."""
    done, expected = sink.done(task)
    ranges = _ranges(source)
    waiting: deque[tuple[Batch, int, Any]] = deque()
    if ranges is None:
        batches: Iterator[Batch] = _by_records(source)
    else:
        batches = (Batch(number, lo, hi) for number, (lo, hi) in enumerate(ranges))

    def take() -> None:
        nonlocal expected
        batch, slot, result = waiting.popleft()
        part: Part = result.get()
        if batch.records is None and batch.number > 0:
            if expected >= batch.hi:
                _discard(task, part)
                part = Part(batch.number)
            elif part.first_start != expected:
                _discard(task, part)
                again = Batch(batch.number, expected, batch.hi, True)
                part = workers.pool.apply(_work, (task, again, slot))
        if part.first_start is None:
            part.next_start = max(expected, part.next_start)
        expected = part.next_start
        workers.end(part, slot, task, sink)

    for batch in batches:
        if batch.number < done:
            continue
        waiting.append(workers.begin(task, batch))
        if len(waiting) >= workers.ahead:
            take()
    while waiting:
        take()


def _discard(task: Task, part: Part) -> None:
    """Remove the files of a part whose records were none."""
    written = [data for data in part.data.values() if isinstance(data, str)]
    for name in (*(os.path.join(task.folder, file) for file in part.files), *written):
        with suppress(OSError):
            os.unlink(name)


def _context() -> Any:
    methods = multiprocessing.get_all_start_methods()
    return multiprocessing.get_context("fork" if "fork" in methods else "spawn")


_handover: Handover | None = None
"""Of a worker: what it shares with the process that started it."""


def _start_worker(handover: Handover | None) -> None:
    import signal

    global _handover
    _handover = handover
    # Ctrl-C goes to the whole process group; the parent alone says so.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@lru_cache(maxsize=2)
def _converter(task: Task) -> BatchConverter:
    return BatchConverter(task)


def _work(task: Task, batch: Batch, slot: int) -> Part:
    """Convert a batch in a worker: the records go through shared memory or through files, not through the pipe."""
    part = _converter(task).convert(batch)
    outputs = {kind: data for kind, data in part.data.items() if isinstance(data, list)}
    stretches = _handover.put(slot, outputs) if _handover is not None else None
    if stretches is not None:
        part.data.update(stretches)
        return part
    folder = os.path.join(task.folder, SCRATCH, f"{task.number:03d}")
    os.makedirs(folder, exist_ok=True)
    for kind, pieces in outputs.items():
        path = os.path.join(folder, f"{batch.number:06d}-{os.getpid()}.{kind}")
        with open(path, "wb") as file:
            file.writelines(pieces)
        part.data[kind] = path
    return part


__all__ = ["BATCH_BYTES", "Batch", "BatchConverter", "Part", "Reject", "Sink", "convert_all"]
