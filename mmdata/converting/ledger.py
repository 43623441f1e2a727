"""`Ledger`: what became of the records of a batch, field by field; ledgers of batches add up in order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from mmdata.converting.report import FATES, Conversion
from mmdata.encoding import Note

MOST_HOWS = 20
"""Different explanations kept for one field."""

_WORST = {fate: rank for rank, fate in enumerate(FATES)}


@dataclass(slots=True)
class Entry:
    """What became of one field: fate -> records, the explanations, and the errors of what is approximated."""

    counts: dict[str, int] = field(default_factory=dict)
    how: list[str] = field(default_factory=list)
    error_sum: float = 0.0
    error_count: int = 0
    error_max: float = 0.0


@dataclass(slots=True)
class Ledger:
    """The counts of some records; the record is the unit.

    Attributes:
        read: records read.
        rejections: code -> records.
        warnings: code -> findings against written records.
        fields: field -> what became of it.
        problems: kind -> what lay between records.
    """

    read: int = 0
    rejections: dict[str, int] = field(default_factory=dict)
    warnings: dict[str, int] = field(default_factory=dict)
    fields: dict[str, Entry] = field(default_factory=dict)
    problems: dict[str, int] = field(default_factory=dict)

    @property
    def rejected(self) -> int:
        """Records rejected."""
        return sum(self.rejections.values())

    def count(self, notes: Iterable[Note], records: int = 1) -> None:
        """So many written records share these notes: each field counts once a record, by the worst that became of it."""
        worst: dict[str, str] = {}
        for note in notes:
            if _WORST[note.fate] >= _WORST[worst.get(note.field, "kept")]:
                worst[note.field] = note.fate
            entry = self.fields.get(note.field)
            if entry is None:
                entry = self.fields[note.field] = Entry()
            if note.how and note.how not in entry.how and len(entry.how) < MOST_HOWS:
                entry.how.append(note.how)
            if note.error is not None:
                entry.error_sum += note.error * records
                entry.error_count += records
                entry.error_max = max(entry.error_max, note.error)
        for name, fate in worst.items():
            counts = self.fields[name].counts
            counts[fate] = counts.get(fate, 0) + records

    def add(self, other: Ledger) -> None:
        """The ledger of the records that follow."""
        self.read += other.read
        for mine, theirs in (
            (self.rejections, other.rejections),
            (self.warnings, other.warnings),
            (self.problems, other.problems),
        ):
            for key, number in theirs.items():
                mine[key] = mine.get(key, 0) + number
        for name, entry in other.fields.items():
            into = self.fields.setdefault(name, Entry())
            for fate, number in entry.counts.items():
                into.counts[fate] = into.counts.get(fate, 0) + number
            into.how += [how for how in entry.how if how not in into.how]
            del into.how[MOST_HOWS:]
            into.error_sum += entry.error_sum
            into.error_count += entry.error_count
            into.error_max = max(into.error_max, entry.error_max)

    def fill(self, report: Conversion) -> None:
        """Put the counts into a report."""
        report.read, report.rejected = self.read, self.rejected
        report.written = report.read - report.rejected
        report.rejections, report.warnings = dict(self.rejections), dict(sorted(self.warnings.items()))
        report.problems = dict(self.problems)
        for name, entry in self.fields.items():
            value: dict[str, Any] = {fate: entry.counts.get(fate, 0) for fate in FATES}
            value["how"] = entry.how
            if entry.error_count:
                value["mean_error"] = round(entry.error_sum / entry.error_count, 6)
                value["max_error"] = round(entry.error_max, 6)
            report.fields[name] = value
            if value["lost"]:
                report.losses[name] = value["lost"]


__all__ = ["Ledger"]
