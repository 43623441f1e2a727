"""`BatchConverter`: the records of one batch, translated by the fast path where it knows them, else one by one."""

from __future__ import annotations

import gc

from mmdata.converting.fast import FastConvert, Known
from mmdata.converting.fast.look import View
from mmdata.converting.parts import Batch, Part, Reject
from mmdata.converting.recordconvert import RecordConverter
from mmdata.converting.room import Room, Written
from mmdata.converting.task import Task
from mmdata.io.jsontext import accepts
from mmdata.io.read import open_source
from mmdata.io.record import Item, Problem, RawRecord
from mmdata.io.source import Source


class BatchConverter:
    """Converts batches of one source."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.records = RecordConverter(task)
        self.between = task.between
        self.by_kind = task.by_kind
        self.fast = FastConvert(self.records)
        self.used: list[Known] = []

    def convert(self, batch: Batch, memory: memoryview, source: Source | None = None) -> Part:
        """Convert a batch; records that cannot be converted are rejects, never exceptions.

        Args:
            batch: its records, or where they are.
            memory: takes the output, as much as it holds.
            source: the open file, if it is.
        """
        part, room = Part(batch.number), Room(memory, self.between)
        collecting = gc.isenabled()
        # Parsed JSON has no cycles; with the collector on, one record of a megabyte costs several times its parsing.
        gc.disable()
        try:
            if batch.records is not None:
                part.first = next((one.index for one in batch.records if isinstance(one, RawRecord)), 0)
                for item in batch.records:
                    self._read(item, part, room)
            elif source is not None:
                self._range(source, batch, part, room)
            else:
                with open_source(self.task.path) as opened:
                    self._range(opened, batch, part, room)
        finally:
            if collecting:
                gc.enable()
        self._end(part, room)
        part.files, self.records.files = self.records.files, []
        return part

    def _range(self, source: Source, batch: Batch, part: Part, room: Room) -> None:
        fast, one_line = self.fast, source.container == "jsonl"

        def begin(known: Known) -> None:
            self._begin(known, part, room)

        for block in source.blocks(batch.lo, batch.hi, at_record=batch.at_record):
            for item in block.pending:
                self._item(item, part, room, source)
            view = View(block, one_line=one_line)
            i = 0
            while i < len(block.starts):
                i = fast.run(view, i, begin, room)
                if i == len(block.starts):
                    break
                start, end = block.starts[i], block.ends[i]
                data = block.data[start:end]
                if data and accepts(data):
                    self._converted(
                        RawRecord(block.first + i, block.base + start, data, None), part, room, view
                    )
                    i += 1
                else:
                    items, i = source.repair(block, i)
                    for item in items:
                        self._item(item, part, room, source)
                    view.corrected()
            room.flush()
        part.first_start, part.next_start = source.first_start, source.next_start

    def _item(self, item: Item, part: Part, room: Room, source: Source | None = None) -> None:
        ledger = part.ledger
        if isinstance(item, Problem):
            if item.kind != "container":
                ledger.problems[item.kind] = ledger.problems.get(item.kind, 0) + 1
            return
        if source is not None:
            item = whole(item, source)
        self._converted(item, part, room, learn=False)

    def _read(self, item: Item, part: Part, room: Room) -> None:
        """A record, or what lies between records, of a source that is read in sequence."""
        if isinstance(item, Problem) or item.problem is not None:
            self._item(item, part, room)
        elif not self.fast.translate(item.data, lambda known: self._begin(known, part, room)):
            self._converted(item, part, room)

    def _converted(
        self,
        raw: RawRecord,
        part: Part,
        room: Room,
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
            self._place(outcome.kind, room).records.append(outcome.data)
            ledger.count(outcome.notes)
            for code in outcome.warnings:
                ledger.warnings[code] = ledger.warnings.get(code, 0) + 1
            if learn:
                self.fast.learn(raw, outcome, view)

    def _begin(self, known: Known, part: Part, room: Room) -> None:
        """The first record of a batch that the fast path translates in this way: its fields take their places."""
        known.written = self._place(known.kind, room).records
        self.used.append(known)
        part.ledger.count(known.notes, 0)

    def _place(self, kind: str, room: Room) -> Written:
        """Where records of a kind go."""
        return room.place(kind if self.by_kind else "all")

    def _end(self, part: Part, room: Room) -> None:
        """Count what was translated, and say where it is."""
        for known in self.used:
            part.ledger.count(known.notes, known.records)
            known.records = 0
            known.written = None
        self.used.clear()
        for kind, pieces, count in room.outputs():
            part.data[kind], part.counts[kind] = pieces, count
        part.ledger.read = len(part.rejects) + sum(part.counts.values())


def whole(item: RawRecord, source: Source) -> RawRecord:
    """The record with its bytes, where it was skipped for its size."""
    if item.problem is None or item.problem.kind != "too-large" or not source.seekable:
        return item
    return item._replace(data=source.read_at(item.problem.start, item.problem.end))


__all__ = ["BatchConverter", "whole"]
