"""Which records share an ``id``: exact, in bounded memory, at 10⁸ records.

Every id becomes a 64-bit hash. Up to `SPILL_AT` hashes stay in memory (8 bytes each); beyond, (hash, index) pairs go
to 64 bucket files by their leading bits, and each bucket is sorted alone. Equal hashes are only *candidates*: the
caller looks the few records up again and compares the values.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

Hashes = NDArray[np.int64]

SPILL_AT = 500_000
BUCKETS = 64
MAX_GROUPS = 200
"""Groups of equal ids that are listed; the number of records concerned is always complete."""

NO_ID = 0
"""Hash of a record without an id; never a candidate."""


def id_text(value: Any) -> bytes | None:
    """An id as JSON text, which stands for it; None for "no id" (absent or null)."""
    if value is None or value is UNSET:
        return None
    return (
        b"%d" % value
        if type(value) is int
        else json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")
    )


def hash_ids(texts: Sequence[bytes | None]) -> Hashes:
    """64-bit hashes of ids, 0 for "no id".

    They depend on the process's hash seed: compare only hashes of one process or of its forks.

    Args:
        texts: ids as JSON text, see `id_text`.

    Returns:
        int64 array, one hash an id.
    """
    if None not in texts and b"\\" not in b"".join(texts):  # type: ignore[arg-type]  # None was just ruled out
        return np.fromiter(map(hash, texts), np.int64, len(texts))
    # A string with escapes has several spellings.
    plain = (t if t is None or b"\\" not in t else id_text(json.loads(t)) for t in texts)
    return np.fromiter((NO_ID if t is None else hash(t) for t in plain), np.int64, len(texts))


class IdTable:
    """Collects the hashes of a file's ids in record order and names the candidates for duplicates."""

    def __init__(self, spill_at: int = SPILL_AT) -> None:
        self.spill_at = spill_at
        self.count = 0
        self._held: list[Hashes] = []
        self._held_from = 0
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def extend(self, hashes: Hashes) -> None:
        """Append the hashes of the next records."""
        self._held.append(hashes)
        self.count += len(hashes)
        if self.count - self._held_from >= self.spill_at:
            self._spill()

    def _spill(self) -> None:
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="mmdata-ids-")
        hashes = np.concatenate(self._held)
        pairs = np.stack([hashes, np.arange(self._held_from, self.count, dtype=np.int64)], axis=1)
        pairs = pairs[hashes != NO_ID]
        bucket = (pairs[:, 0].view(np.uint64) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(58)
        order = np.argsort(bucket, kind="stable")
        bounds = np.searchsorted(bucket[order], np.arange(BUCKETS + 1, dtype=np.uint64))
        for number in range(BUCKETS):
            part = pairs[order[bounds[number] : bounds[number + 1]]]
            if len(part):
                with open(os.path.join(self._folder.name, f"{number:02}"), "ab") as file:
                    part.tofile(file)
        self._held, self._held_from = [], self.count

    def candidates(self) -> tuple[list[list[int]], int]:
        """Groups of record indices with equal hashes, and how many records repeat an earlier hash.

        Returns:
            (groups, total): at most `MAX_GROUPS` groups, ascending by first index, each ascending; the number of
            records whose hash an earlier record has, over all groups.
        """
        if self._folder is None:
            hashes = np.concatenate(self._held) if self._held else np.empty(0, np.int64)
            index = np.flatnonzero(hashes != NO_ID)
            parts: Iterable[tuple[Hashes, Hashes]] = [(hashes[index], index.astype(np.int64))]
        else:
            if self._held:
                self._spill()
            parts = self._buckets()
        groups: list[list[int]] = []
        total = 0
        for hashes, index in parts:
            found, repeats = _groups(hashes, index)
            groups = sorted(groups + found)[:MAX_GROUPS]
            total += repeats
        self.close()
        return groups, total

    def _buckets(self) -> Iterable[tuple[Hashes, Hashes]]:
        assert self._folder is not None
        for name in sorted(os.listdir(self._folder.name)):
            pairs = np.fromfile(os.path.join(self._folder.name, name), np.int64).reshape(-1, 2)
            yield pairs[:, 0], pairs[:, 1]

    def close(self) -> None:
        """Remove the bucket files."""
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None


def _groups(hashes: Hashes, index: Hashes) -> tuple[list[list[int]], int]:
    in_order = np.sort(hashes)
    if not (in_order[1:] == in_order[:-1]).any():
        return [], 0
    order = np.lexsort((index, hashes))
    hashes, index = hashes[order], index[order]
    same = np.flatnonzero(hashes[1:] == hashes[:-1])
    if len(same) == 0:
        return [], 0
    starts = same[np.r_[True, np.diff(same) > 1]]
    groups = []
    for start in starts[np.argsort(index[starts], kind="stable")][:MAX_GROUPS]:
        end = start + 1
        while end < len(hashes) and hashes[end] == hashes[start]:
            end += 1
        groups.append([int(i) for i in index[start:end]])
    return groups, len(same)
