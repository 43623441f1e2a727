"""`sample` and `split`: records chosen by number, in the file's order, exactly as many as asked for, the same every time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import numpy as np

from mmdata.dataset_ops.fields import canonical, lookup
from mmdata.dataset_ops.groups import MediaGroups, media_key
from mmdata.dataset_ops.ledger import Ledger
from mmdata.dataset_ops.repeats import digest
from mmdata.dataset_ops.stream import Outputs, read_records, twice_readable, value_of
from mmdata.errors import UsageError
from mmdata.mixing.permutation import Permutation, key_of
from mmdata.progress import Progress

_CHUNK = 1 << 14
_NAMED = 3


class _Ranks:
    """The rank of each number below `n`, in order, in a random order of them: computed a chunk at a time."""

    def __init__(self, n: int, *key: int | str) -> None:
        self._order = Permutation(n, key_of(*key))
        self._next = 0
        self._chunk: list[int] = []

    def next(self) -> int:
        at = self._next % _CHUNK
        if at == 0:
            stop = min(self._next + _CHUNK, self._order.n)
            self._chunk = self._order.take(np.arange(self._next, stop, dtype=np.int64)).tolist()
        self._next += 1
        return self._chunk[at]


def part_of(ratio: Decimal, total: int) -> int:
    """``total * ratio`` rounded half up: what a share of records means in whole records."""
    return int((ratio * total).quantize(Decimal(1), ROUND_HALF_UP))


def sample(
    path: str,
    output: str,
    *,
    count: int | None = None,
    ratio: Decimal | None = None,
    seed: int = 0,
    force: bool = False,
    progress: Progress | None = None,
    ledger: Ledger | None = None,
) -> Ledger:
    """Write so many records of a file, chosen at random, in the file's order.

    Two passes, constant memory: the records are counted, then each is kept if its rank in a random order is small.

    Args:
        path: the file.
        output: file to write.
        count: how many; or
        ratio: which part, rounded half up.
        seed: chooses them; a larger sample of the same seed contains the smaller one.
        force: replace the output.
        progress: told how far it is.
        ledger: to fill in; a new one if None.

    Raises:
        UsageError: more records are asked for than there are, or the file cannot be read twice.
    """
    books = ledger or Ledger("sample")
    if (count is None) == (ratio is None):
        raise UsageError("say how many records (--count) or which part (--ratio), not both")
    if count is not None and count < 0:
        raise UsageError(f"--count must not be negative, got {count}")
    if ratio is not None and not 0 <= ratio <= 1:
        raise UsageError(f"--ratio must lie between 0 and 1, got {ratio}")
    twice_readable(path, "sample")
    with Outputs([output], inputs=[path], force=force, ledger=books) as out:
        seen = Ledger("sample")
        total = sum(1 for _ in read_records(path, seen, progress))
        wanted = count if count is not None else part_of(ratio or Decimal(0), total)
        if wanted > total:
            raise UsageError(
                f"{path}: {wanted} records are asked for, {total} are there{_left_out(seen)}; say a smaller number, or --ratio"
            )
        ranks = _Ranks(total, "sample", seed)
        for raw in read_records(path, books, progress):
            if ranks.next() < wanted:
                out.writers[0].write(raw.data)
            else:
                books.drop(path, raw.index, "not-sampled", data=raw.data)
    return books


def _left_out(seen: Ledger) -> str:
    """What a count of whole records leaves out, named."""
    faults = [f"record {d.record}: {d.detail}" for d in seen.named] + seen.between
    more = seen.dropped.total() - len(seen.named) + seen.extra.get("more_between_records", 0)
    more += len(faults[_NAMED:])
    if not faults:
        return ""
    return f" besides what is broken ({'; '.join(faults[:_NAMED])}{f'; and {more} more' if more else ''})"


def split(
    path: str,
    parts: Mapping[str, Decimal],
    outputs: Sequence[str],
    *,
    by: str = "record",
    stratify: str | None = None,
    seed: int = 0,
    force: bool = False,
    progress: Progress | None = None,
    ledger: Ledger | None = None,
) -> Ledger:
    """Deal the records of a file out to several files; every record goes to exactly one.

    Args:
        path: the file.
        parts: name -> share; the shares add up to 1.
        outputs: a file for each part.
        by: ``record`` (exact shares), ``id`` (by a hash of the id: the same id always falls on the same side, in any file),
            or ``media`` (records that name the same picture or video, directly or through records in between, stay
            together). With ``id`` and ``media`` the shares are as near as chance brings them.
        stratify: a field (name or JSON pointer): exact shares within the records of each value; with ``by="record"``.
        seed: chooses the sides.
        force: replace the outputs.
        progress: told how far it is.
        ledger: to fill in; a new one if None.

    Raises:
        UsageError: shares that do not add up, an unknown way to split, a file that cannot be read twice.
    """
    books = ledger or Ledger("split")
    shares = list(parts.values())
    if len(parts) < 2 or any(s <= 0 for s in shares) or sum(shares) != 1:
        raise UsageError(
            f"the shares of a split are positive and add up to 1, got {', '.join(map(str, shares))}"
        )
    if by not in ("record", "id", "media"):
        raise UsageError(f"--by is record, id or media, got {by!r}")
    if stratify is not None and by != "record":
        raise UsageError(
            "--stratify gives exact shares by record; with --by id or media, sides are fixed by the hash"
        )
    twice_readable(path, "split")
    with Outputs(outputs, inputs=[path], force=force, ledger=books) as out:
        side = (
            _by_rank(path, shares, stratify, seed, books, progress)
            if by == "record"
            else _by_key(path, shares, by, seed, books, progress)
        )
        sides: Counter[str] = Counter()
        names = list(parts)
        for raw in read_records(path, books, progress):
            number = side(raw)
            out.writers[number].write(raw.data)
            sides[names[number]] += 1
    books.extra["parts"] = {name: sides[name] for name in names}
    return books


def _by_rank(
    path: str,
    shares: Sequence[Decimal],
    field: str | None,
    seed: int,
    books: Ledger,
    progress: Progress | None,
) -> Callable[[Any], int]:
    """Sides by rank within the stratum."""

    def stratum(raw: Any) -> bytes:
        return b"" if field is None else digest(canonical(lookup(value_of(raw), field)))

    sizes = Counter(stratum(raw) for raw in read_records(path, None, progress))
    if field is not None:
        books.extra["strata"] = len(sizes)
    ranks = {key: _Ranks(n, "split", seed, key.hex()) for key, n in sizes.items()}
    edges = {
        key: [part_of(sum(shares[: i + 1], Decimal(0)), n) for i in range(len(shares))]
        for key, n in sizes.items()
    }

    def side(raw: Any) -> int:
        key = stratum(raw)
        rank = ranks[key].next()
        return next(i for i, edge in enumerate(edges[key]) if rank < edge)

    return side


def _by_key(
    path: str, shares: Sequence[Decimal], by: str, seed: int, books: Ledger, progress: Progress | None
) -> Callable[[Any], int]:
    """Sides by the hash of a key."""
    edges = [int(sum(shares[: i + 1], Decimal(0)) * (1 << 64)) for i in range(len(shares))]
    groups = MediaGroups(path, progress) if by == "media" else None
    without = 0

    def side(raw: Any) -> int:
        nonlocal without
        value = value_of(raw)
        key = groups.key(value) if groups is not None else None
        if groups is None and isinstance(value, dict) and value.get("id") is not None:
            key = canonical(value["id"])
        if key is None:
            # Nothing to keep together: the record itself decides.
            without += 1
            books.extra["without_" + by] = without
            key = raw.data
        number = int.from_bytes(digest(f"{seed}\0".encode() + key)[:8], "big")
        return next(i for i, edge in enumerate(edges) if number < edge)

    return side


__all__ = ["media_key", "part_of", "sample", "split"]
