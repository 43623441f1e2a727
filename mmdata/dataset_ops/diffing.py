"""`diff`: which records of two files were added, removed or changed, and where in them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import IO, Any, Literal

import numpy as np
from numpy.typing import NDArray

from mmdata.dataset_ops.fields import canonical
from mmdata.dataset_ops.ledger import Ledger
from mmdata.dataset_ops.repeats import Buckets, Rows, digest
from mmdata.dataset_ops.stream import read_records, read_values, twice_readable, value_of
from mmdata.errors import UsageError
from mmdata.progress import Progress

MAX_CHANGES = 100
"""Places of one record that are listed."""


@dataclass(frozen=True, slots=True)
class Change:
    """A place in which two records differ.

    Attributes:
        pointer: JSON pointer.
        op: ``add``, ``remove`` or ``replace``.
        before: the value in A; None for ``add``.
        after: the value in B; None for ``remove``.
    """

    pointer: str
    op: Literal["add", "remove", "replace"]
    before: Any = None
    after: Any = None


@dataclass(slots=True)
class RecordChange:
    """A record that was changed.

    Attributes:
        id: its id.
        a: index in A.
        b: index in B.
        changes: the places, at most `MAX_CHANGES`.
        complete: whether these are all.
    """

    id: Any
    a: int
    b: int
    changes: list[Change]
    complete: bool = True


@dataclass(slots=True)
class Diff:
    """The differences of two files.

    Attributes:
        a: the first file.
        b: the second file.
        by: ``id`` or ``content``.
        same: records equal in both.
        added: how many records only B has.
        removed: how many records only A has.
        changed: how many have the same id and another content.
        same_order: whether the files hold equal records in the same order.
        added_records: (index, id) in B, the first of them.
        removed_records: (index, id) in A, the first of them.
        changed_records: the first of them.
        broken: what could not be compared: broken records, and text between records, named; of each file at most
            `mmdata.dataset_ops.ledger.MAX_NAMED` of both.
        more_broken: how many beyond these.
    """

    a: str
    b: str
    by: str
    same: int = 0
    added: int = 0
    removed: int = 0
    changed: int = 0
    same_order: bool = False
    added_records: list[tuple[int, Any]] = field(default_factory=list)
    removed_records: list[tuple[int, Any]] = field(default_factory=list)
    changed_records: list[RecordChange] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    more_broken: int = 0

    @property
    def exit_code(self) -> int:
        """0 for the same records, in any order; else 1."""
        return 1 if self.added or self.removed or self.changed or self.broken else 0

    def to_dict(self) -> dict[str, Any]:
        """For ``--output-format json``."""
        return {
            "a": self.a,
            "b": self.b,
            "by": self.by,
            "same": self.same,
            "added": self.added,
            "removed": self.removed,
            "changed": self.changed,
            "same_order": self.same_order,
            "added_records": [{"record": i, "id": v} for i, v in self.added_records],
            "removed_records": [{"record": i, "id": v} for i, v in self.removed_records],
            "changed_records": [
                {
                    "id": r.id,
                    "a": r.a,
                    "b": r.b,
                    "complete": r.complete,
                    "changes": [
                        {"op": c.op, "pointer": c.pointer, "before": c.before, "after": c.after}
                        for c in r.changes
                    ],
                }
                for r in self.changed_records
            ],
            "broken": self.broken,
            "more_broken": self.more_broken,
        }


def diff_files(a: str, b: str, *, by: str = "id", limit: int = 100, progress: Progress | None = None) -> Diff:
    """Compare two files of records, whatever their containers and the order of their records.

    By id, the k-th record of an id in A is compared with the k-th of that id in B; records without an id go by content. Spacing
    and the order of keys make no difference. Bounded memory: hashes go to bucket files, contents to a file of 16 bytes a record.

    Args:
        a: the first file.
        b: the second file.
        by: ``id`` or ``content``.
        limit: records listed of each sort; 0 lists all.
        progress: told how far it is.

    Raises:
        UsageError: a file that cannot be read twice, or an unknown way to compare.
    """
    if by not in ("id", "content"):
        raise UsageError(f"--by is id or content, got {by!r}")
    if limit < 0:
        raise UsageError(f"the limit of listed records must not be negative, got {limit}")
    for path in (a, b):
        twice_readable(path, "diff")
    result = Diff(a, b, by)
    with tempfile.TemporaryDirectory(prefix="mmdata-diff-") as folder:
        sides = [
            _Side(path, by, os.path.join(folder, name), result, progress)
            for path, name in ((a, "a"), (b, "b"))
        ]
        result.same_order = len(sides[0].contents) == len(sides[1].contents) and all(
            bool((sides[0].contents[i : i + 65536] == sides[1].contents[i : i + 65536]).all())
            for i in range(0, len(sides[0].contents), 65536)
        )
        removed, added = _First(limit), _First(limit)
        changed = _First(limit)
        for (_, rows_a), (_, rows_b) in zip(sides[0].keys.sorted(), sides[1].keys.sorted(), strict=True):
            only_a, only_b, pairs = _join(rows_a, rows_b)
            differ = (sides[0].contents[pairs[:, 0]] != sides[1].contents[pairs[:, 1]]).any(axis=1)
            result.removed += len(only_a)
            result.added += len(only_b)
            result.changed += int(differ.sum())
            result.same += len(pairs) - int(differ.sum())
            removed.extend([(int(i), -1) for i in only_a])
            added.extend([(-1, int(i)) for i in only_b])
            changed.extend([(int(x), int(y)) for x, y in pairs[differ]])
        del sides
    _look_up(result, removed.items, added.items, changed.items)
    return result


class _First:
    """The smallest so many pairs."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.items: list[tuple[int, int]] = []

    def extend(self, items: Sequence[tuple[int, int]]) -> None:
        self.items = sorted([*self.items, *items])
        if self._limit:
            del self.items[self._limit :]


class _Side:
    """One file's keys, and the hash of each record's content by index, on disk."""

    def __init__(self, path: str, by: str, scratch: str, result: Diff, progress: Progress | None) -> None:
        self.keys = Buckets()
        ledger = Ledger("diff")
        with open(scratch, "wb") as file:
            count = 0
            for raw, value in read_values(path, ledger, progress):
                _fill(file, raw.index - count)
                content = digest(canonical(value))
                found = value.get("id") if by == "id" and isinstance(value, dict) else None
                self.keys.add(content if found is None else digest(b"id\0" + canonical(found)), raw.index)
                file.write(content)
                count = raw.index + 1
        result.broken += [f"{d.path}: record {d.record}: {d.detail}" for d in ledger.named] + ledger.between
        result.more_broken += ledger.dropped.total() - len(ledger.named)
        result.more_broken += ledger.extra.get("more_between_records", 0)
        self.contents: NDArray[np.uint64] = (
            np.memmap(scratch, np.uint64, "r").reshape(-1, 2) if count else np.empty((0, 2), np.uint64)
        )


def _fill(file: IO[bytes], records: int) -> None:
    """Room for broken records, so that a record's place is its index."""
    if records:
        file.write(bytes(16 * records))


def _join(a: Rows, b: Rows) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """(positions only in A, positions only in B, (n, 2) pairs): equal hashes paired in order of occurrence."""
    both = np.concatenate([a, b])
    side = np.repeat(np.array([0, 1], dtype=np.uint64), [len(a), len(b)])
    turn = np.concatenate([_occurrence(a), _occurrence(b)])
    order = np.lexsort((side, turn, both[:, 1], both[:, 0]))
    both, side, turn = both[order], side[order], turn[order]
    paired = np.zeros(len(both), dtype=bool)
    if len(both) > 1:
        same = (both[1:, :2] == both[:-1, :2]).all(axis=1) & (turn[1:] == turn[:-1])
        paired[:-1] |= same
        paired[1:] |= same
    positions = both[:, 2].astype(np.int64)
    pairs = positions[paired].reshape(-1, 2)
    return positions[~paired & (side == 0)], positions[~paired & (side == 1)], pairs


def _occurrence(rows: Rows) -> NDArray[np.int64]:
    """How many earlier rows have the same hash; the rows are sorted."""
    if not len(rows):
        return np.empty(0, np.int64)
    new = np.r_[True, (rows[1:, :2] != rows[:-1, :2]).any(axis=1)]
    number = np.arange(len(rows), dtype=np.int64)
    return number - np.maximum.accumulate(np.where(new, number, 0))


def _look_up(
    result: Diff, removed: list[tuple[int, int]], added: list[tuple[int, int]], changed: list[tuple[int, int]]
) -> None:
    """Read the listed records again and say what changed."""
    before = _values(result.a, {x for x, _ in [*removed, *changed]})
    after = _values(result.b, {y for _, y in [*added, *changed]})
    result.removed_records = [(x, _id(before.get(x))) for x, _ in removed]
    result.added_records = [(y, _id(after.get(y))) for _, y in added]
    for x, y in changed:
        one, other = before.get(x), after.get(y)
        found = list(islice(differences(one, other), MAX_CHANGES + 1))
        result.changed_records.append(
            RecordChange(_id(other), x, y, found[:MAX_CHANGES], len(found) <= MAX_CHANGES)
        )


def _values(path: str, wanted: set[int]) -> dict[int, Any]:
    found: dict[int, Any] = {}
    if wanted:
        last = max(wanted)
        for raw in read_records(path):
            if raw.index in wanted:
                found[raw.index] = value_of(raw)
            if raw.index >= last:
                break
    return found


def _id(value: Any) -> Any:
    return value.get("id") if isinstance(value, dict) else None


def differences(before: Any, after: Any) -> Iterator[Change]:
    """The places in which two JSON values differ, in document order; lists are compared place by place."""
    stack: list[tuple[str, Any, Any]] = [("", before, after)]
    while stack:
        pointer, a, b = stack.pop()
        if isinstance(a, dict) and isinstance(b, dict):
            keys = [*a, *(k for k in b if k not in a)]
            stack += [(f"{pointer}/{_token(k)}", a.get(k, _NONE), b.get(k, _NONE)) for k in reversed(keys)]
        elif isinstance(a, list) and isinstance(b, list):
            longest = max(len(a), len(b))
            stack += [
                (f"{pointer}/{i}", a[i] if i < len(a) else _NONE, b[i] if i < len(b) else _NONE)
                for i in reversed(range(longest))
            ]
        elif a is _NONE:
            yield Change(pointer, "add", None, b)
        elif b is _NONE:
            yield Change(pointer, "remove", a, None)
        elif canonical(a) != canonical(b):
            yield Change(pointer, "replace", a, b)


_NONE: Any = object()


def _token(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


__all__ = ["Change", "Diff", "RecordChange", "diff_files", "differences"]
