"""Sources cut into batches, batches converted by one process or several, and handed on in order.

A seekable file is cut at multiples of `BATCH_BYTES`, whatever the number of processes: a batch is the records that start in
its range, and whoever converts it reads them itself. Ranges of an array begin at a guess, which the chain of batches
proves or refutes (see `mmdata.io.read`). What can only be read from its start is cut by records and handed over.
"""

from __future__ import annotations

import multiprocessing
import os
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from mmdata.converting.batches import BatchConverter, whole
from mmdata.converting.media import SCRATCH
from mmdata.converting.parts import Batch, Part, Sink
from mmdata.converting.room import Handover, Stretch, private
from mmdata.converting.task import Task
from mmdata.io.read import open_source
from mmdata.io.record import Item, RawRecord
from mmdata.io.source import Source
from mmdata.workers import Result, Workers

BATCH_BYTES = 8 << 20

MOST_WAITING = 4
"""Batches that wait for a worker or for being written, at most."""


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
        OSError: something cannot be read or written, or a worker was killed.
    """
    if jobs == 1:
        memory = private()
        for task in tasks:
            with open_source(task.path) as source:
                _in_turn(task, source, sink, memory)
        return
    if any(task.kernels for task in tasks):
        from mmdata.converting.fast.compiled import load

        load()
    context, ahead = _context(), min(2 * jobs, jobs + MOST_WAITING)
    # Memory is shared only with processes that are forked.
    handover = Handover(ahead) if context.get_start_method() == "fork" else None
    with Workers(jobs, context, _start_worker, (handover,)) as workers:
        for task in tasks:
            with open_source(task.path) as source:
                _at_once(task, source, sink, _Team(workers, handover, ahead))


def _in_turn(task: Task, source: Source, sink: Sink, memory: memoryview) -> None:
    converter = BatchConverter(task)
    done, expected = sink.done(task)
    ranges = _ranges(source)
    if ranges is None:
        for batch in _by_records(source):
            if batch.number >= done:
                part = converter.convert(batch, memory)
                sink.append(task, part, part.outputs(memory))
        return
    for number, (lo, hi) in enumerate(ranges):
        if number < done:
            continue
        part = Part(number)
        if number == 0 or expected < hi:
            batch = Batch(number, lo if number == 0 else expected, hi, number > 0)
            part = converter.convert(batch, memory, source)
        if part.first_start is None:
            part.next_start = max(expected, part.next_start)
        expected = part.next_start
        sink.append(task, part, part.outputs(memory))


@dataclass(slots=True)
class _Team:
    """The processes that convert, and how many batches may be under way."""

    workers: Workers
    handover: Handover | None
    ahead: int

    def begin(self, task: Task, batch: Batch) -> tuple[Batch, int, Result[Part]]:
        """Have a batch converted."""
        room = self.handover.free.pop() if self.handover is not None else -1
        return batch, room, self.workers.begin(_work, task, batch, room)

    def end(self, part: Part, room: int, task: Task, sink: Sink) -> None:
        """Give a part to the sink; its room is free then."""
        if self.handover is None:
            sink.append(task, part, part.outputs(memoryview(b"")))
            return
        sink.append(task, part, part.outputs(self.handover.memory(room)))
        self.handover.free.append(room)


def _at_once(task: Task, source: Source, sink: Sink, team: _Team) -> None:
    """Batches convert side by side; a range that began at a wrong guess is converted again from the right place."""
    done, expected = sink.done(task)
    ranges = _ranges(source)
    waiting: deque[tuple[Batch, int, Result[Part]]] = deque()
    if ranges is None:
        batches: Iterator[Batch] = _by_records(source)
    else:
        batches = (Batch(number, lo, hi) for number, (lo, hi) in enumerate(ranges))

    def take() -> None:
        nonlocal expected
        batch, room, result = waiting.popleft()
        part = result.get()
        if batch.records is None and batch.number > 0:
            if expected >= batch.hi:
                _discard(task, part)
                part = Part(batch.number)
            elif part.first_start != expected:
                _discard(task, part)
                again = Batch(batch.number, expected, batch.hi, True)
                part = team.workers.begin(_work, task, again, room).get()
        if part.first_start is None:
            part.next_start = max(expected, part.next_start)
        expected = part.next_start
        team.end(part, room, task, sink)

    for batch in batches:
        if batch.number < done:
            continue
        waiting.append(team.begin(task, batch))
        if len(waiting) >= team.ahead:
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
    global _handover
    _handover = handover


@lru_cache(maxsize=2)
def _converter(task: Task) -> BatchConverter:
    return BatchConverter(task)


@lru_cache(maxsize=1)
def _private() -> memoryview:
    return private()


def _work(task: Task, batch: Batch, room: int) -> Part:
    """Convert a batch in a worker: the records go through shared memory or through files, not through the pipe."""
    memory = _handover.memory(room) if _handover is not None else _private()
    part = _converter(task).convert(batch, memory)
    if _handover is not None and all(isinstance(p, Stretch) for pieces in part.data.values() for p in pieces):
        return part
    folder = os.path.join(task.folder, SCRATCH, f"{task.number:03d}")
    os.makedirs(folder, exist_ok=True)
    for kind, pieces in part.outputs(memory).items():
        if not isinstance(pieces, str):
            path = os.path.join(folder, f"{batch.number:06d}-{os.getpid()}.{kind}")
            with open(path, "wb") as file:
                file.writelines(pieces)
            part.data[kind] = path
    return part


__all__ = ["BATCH_BYTES", "convert_all"]
