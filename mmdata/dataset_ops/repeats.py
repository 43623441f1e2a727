"""`Repeats`: which keys repeat an earlier one, exact and in bounded memory.

A key is hashed to 128 bits (two different keys of one run share a hash with a chance below 10⁻²⁰ at 10⁹ keys). Rows of
(hash, position) go to bucket files once they are many; each bucket is sorted alone.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

SPILL_AT = 1_000_000
BUCKETS = 64

Rows = NDArray[np.uint64]
"""Rows of (upper half of the hash, lower half, position)."""


def digest(data: bytes) -> bytes:
    """A key's 128-bit hash, the same in every process."""
    return blake2b(data, digest_size=16).digest()


class Buckets:
    """Rows of (hash, position), gathered in order and given back bucket by bucket, sorted by hash, then position."""

    def __init__(self, spill_at: int = SPILL_AT) -> None:
        self._spill_at = spill_at
        self._keys = bytearray()
        self._positions: list[int] = []
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def add(self, key: bytes, position: int) -> None:
        """Append a row; `key` is a `digest`."""
        self._keys += key
        self._positions.append(position)
        if len(self._positions) >= self._spill_at:
            self._spill()

    def _rows(self) -> Rows:
        rows = np.empty((len(self._positions), 3), dtype=np.uint64)
        rows[:, :2] = np.frombuffer(bytes(self._keys), dtype=">u8").reshape(-1, 2)
        rows[:, 2] = self._positions
        self._keys.clear()
        self._positions.clear()
        return rows

    def _spill(self) -> None:
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="mmdata-keys-")
        rows = self._rows()
        bucket = rows[:, 0] >> np.uint64(58)
        rows = rows[np.argsort(bucket, kind="stable")]
        bounds = np.searchsorted(rows[:, 0] >> np.uint64(58), np.arange(BUCKETS + 1, dtype=np.uint64))
        for number in range(BUCKETS):
            part = rows[bounds[number] : bounds[number + 1]]
            if len(part):
                with open(os.path.join(self._folder.name, f"{number:02}"), "ab") as file:
                    part.tofile(file)

    def sorted(self) -> Iterator[tuple[int, Rows]]:
        """(bucket number, rows) in order of hash; the object is empty afterwards."""
        try:
            if self._folder is None:
                rows = _sort(self._rows())
                bounds = np.searchsorted(rows[:, 0] >> np.uint64(58), np.arange(BUCKETS + 1, dtype=np.uint64))
                for number in range(BUCKETS):
                    yield number, rows[bounds[number] : bounds[number + 1]]
                return
            if self._positions:
                self._spill()
            for number in range(BUCKETS):
                path = os.path.join(self._folder.name, f"{number:02}")
                found = (
                    np.fromfile(path, np.uint64).reshape(-1, 3)
                    if os.path.exists(path)
                    else np.empty((0, 3), np.uint64)
                )
                yield number, _sort(found)
        finally:
            if self._folder is not None:
                self._folder.cleanup()
                self._folder = None


def _sort(rows: Rows) -> Rows:
    return rows[np.lexsort((rows[:, 2], rows[:, 1], rows[:, 0]))]


class Repeats:
    """The positions whose key an earlier position has.

    Usage: `add` in order, then `found`.
    """

    def __init__(self, spill_at: int = SPILL_AT) -> None:
        self._buckets = Buckets(spill_at)

    def add(self, key: bytes, position: int) -> None:
        """The key at a position; positions ascend."""
        self._buckets.add(digest(key), position)

    def found(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(positions, firsts): positions that repeat a key, ascending, and the first position of that key.

        16 bytes a repetition; nothing for keys that stand once.
        """
        later, first = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        for _, rows in self._buckets.sorted():
            if len(rows) < 2:
                continue
            same = (rows[1:, 0] == rows[:-1, 0]) & (rows[1:, 1] == rows[:-1, 1])
            if not same.any():
                continue
            starts = np.flatnonzero(np.r_[True, ~same])
            group = np.cumsum(np.r_[True, ~same]) - 1
            here = np.flatnonzero(same) + 1
            later.append(rows[here, 2].astype(np.int64))
            first.append(rows[starts[group[here]], 2].astype(np.int64))
        positions, firsts = np.concatenate(later), np.concatenate(first)
        order = np.argsort(positions, kind="stable")
        return positions[order], firsts[order]


class Members:
    """Whether ascending positions are in a sorted array, without a set."""

    def __init__(self, positions: NDArray[np.int64], firsts: NDArray[np.int64]) -> None:
        self._positions, self._firsts, self._next = positions, firsts, 0

    def first_of(self, position: int) -> int | None:
        """The first position of the key that `position` repeats, or None; ask for ascending positions alone."""
        while self._next < len(self._positions) and self._positions[self._next] < position:
            self._next += 1
        if self._next < len(self._positions) and self._positions[self._next] == position:
            return int(self._firsts[self._next])
        return None


__all__ = ["Buckets", "Members", "Repeats", "Rows", "digest"]
