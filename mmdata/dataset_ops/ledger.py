"""`Ledger`: what became of every record. records read = records written + records dropped, or the verb has a bug."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmdata.io.record import Problem

MAX_NAMED = 1000
"""Dropped records named in the report; their number is always complete, and a rejects file names all."""

BROKEN = "broken"
"""Reason for a record that is not JSON: no verb passes it on."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """A record that was not written.

    Attributes:
        path: its file.
        record: 0-based index in it.
        reason: a short word, the key of the counts.
        detail: what about it, or "".
        span: its first byte and one past its last, where it was too long to be held; its text is given nowhere else.
    """

    path: str
    record: int
    reason: str
    detail: str = ""
    span: tuple[int, int] | None = None

    def to_dict(self) -> dict[str, Any]:
        """For the ledger as JSON and the rejects file."""
        row: dict[str, Any] = {
            "path": self.path,
            "record": self.record,
            "reason": self.reason,
            "detail": self.detail,
        }
        return row if self.span is None else {**row, "bytes": list(self.span)}


@dataclass(slots=True)
class Ledger:
    """Counts of one run of a verb.

    Attributes:
        verb: its name.
        read: records per input file.
        written: records per output file.
        dropped: records per reason.
        named: the first dropped records of reasons that are faults of the data, then of others.
        notes: what else a person should know; each makes the exit code 1.
        between: text between records that is no record: named, and never written.
        extra: what the verb alone has to say.
    """

    verb: str
    read: Counter[str] = field(default_factory=Counter)
    written: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    named: list[Dropped] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    between: list[str] = field(default_factory=list)
    extra: dict[str, Any] = field(default_factory=dict)
    on_drop: Callable[[Dropped, bytes], None] | None = None

    def drop(
        self,
        path: str,
        record: int,
        reason: str,
        detail: str = "",
        data: bytes = b"",
        span: tuple[int, int] | None = None,
    ) -> None:
        """A record is not written."""
        self.dropped[reason] += 1
        wanted = self.dropped[reason] <= MAX_NAMED
        if not wanted and self.on_drop is None:
            return
        entry = Dropped(path, record, reason, detail, span)
        if wanted:
            self.named.append(entry)
        if self.on_drop is not None:
            self.on_drop(entry, data)

    def note(self, message: str) -> None:
        """Something a person should know; at most `MAX_NAMED` are kept, their number in `extra`."""
        if len(self.notes) < MAX_NAMED:
            self.notes.append(message)
        else:
            self.extra["more_notes"] = self.extra.get("more_notes", 0) + 1

    def drop_broken(self, path: str, record: int, problem: Problem, data: bytes) -> None:
        """A record that is not JSON, or is too long to be held."""
        span = (problem.start, problem.end) if problem.kind == "too-large" else None
        self.drop(path, record, BROKEN, " ".join(problem.message.split()), data, span)

    def text_between(self, path: str, start: int, message: str) -> None:
        """Text at byte `start` between records; at most `MAX_NAMED` are kept, the number of the others in `extra`."""
        if len(self.between) < MAX_NAMED:
            self.between.append(f"{path}: byte {start}: {' '.join(message.split())}")
        else:
            self.extra["more_between_records"] = self.extra.get("more_between_records", 0) + 1

    @property
    def balanced(self) -> bool:
        """Whether every record read is written or dropped."""
        return self.read.total() == self.written.total() + self.dropped.total()

    @property
    def exit_code(self) -> int:
        """1 if anything is wrong with the data itself, else 0; what was asked to be dropped is no fault."""
        return 1 if self.dropped[BROKEN] or self.between or self.notes else 0

    def to_dict(self) -> dict[str, Any]:
        """For ``--output-format json`` and ``--report``."""
        return {
            "verb": self.verb,
            "read": self.read.total(),
            "written": self.written.total(),
            "dropped": dict(sorted(self.dropped.items())),
            "balanced": self.balanced,
            "inputs": dict(self.read),
            "outputs": dict(self.written),
            "dropped_records": [d.to_dict() for d in self.named],
            "notes": self.notes,
            "between_records": self.between,
            **self.extra,
        }


__all__ = ["BROKEN", "MAX_NAMED", "Dropped", "Ledger"]
