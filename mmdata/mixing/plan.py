"""Epoch plans: which record of which data set comes at which position, computed and never stored.

A plan is a pure function of (mixture, seed, epoch): every rank and every worker computes the same one, any position
costs the same, and a slice or a rank's share is a view. Nothing grows with the number of records.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from mmdata.errors import UsageError
from mmdata.mixing.permutation import Indices, Permutation, draw, key_of

CHUNK = 1 << 15
"""Positions computed at a time when a plan is iterated."""


class Draw(NamedTuple):
    """One position of a plan.

    Attributes:
        source: index of the data set in the mixture.
        record: 0-based index of the record in its file.
    """

    source: int
    record: int


class EpochPlan(Sequence[Draw]):
    """The draws of one epoch: ``plan[i]``, ``len(plan)``, ``plan[i:j]``, iteration, and whole arrays by `take`."""

    @abstractmethod
    def take(self, positions: Indices) -> tuple[NDArray[np.int32], Indices]:
        """The draws at many positions.

        Args:
            positions: int64 array of numbers in [0, len(plan)), one axis.

        Returns:
            (sources, records): int32 and int64 arrays of the same length.
        """

    @overload
    def __getitem__(self, i: int) -> Draw: ...
    @overload
    def __getitem__(self, i: slice) -> PlanView: ...
    def __getitem__(self, i: int | slice) -> Draw | PlanView:
        """The draw at a position, or a lazy view of a slice.

        Raises:
            IndexError: there is no such position.
        """
        if isinstance(i, slice):
            return PlanView(self, range(*i.indices(len(self))))
        position = i + len(self) if i < 0 else i
        if not 0 <= position < len(self):
            raise IndexError(f"position {i} of {len(self)}")
        source, record = self.take(np.array([position], dtype=np.int64))
        return Draw(int(source[0]), int(record[0]))

    def __iter__(self) -> Iterator[Draw]:
        for start in range(0, len(self), CHUNK):
            positions = np.arange(start, min(start + CHUNK, len(self)), dtype=np.int64)
            source, record = self.take(positions)
            yield from map(Draw._make, zip(source.tolist(), record.tolist(), strict=True))

    def shard(self, rank: int, world: int) -> PlanView:
        """Every `world`-th draw, from `rank` on: the shares of all ranks are disjoint and together the whole plan.

        Nothing is padded or dropped: lengths of ranks differ by at most one.

        Raises:
            UsageError: there is no such rank.
        """
        if not 0 <= rank < world:
            raise UsageError(f"rank {rank} of {world}: ranks are 0 to {world - 1}")
        return PlanView(self, range(rank, len(self), world))

    def counts(self) -> NDArray[np.int64]:
        """Draws of each data set, counted over the whole plan in constant memory."""
        total: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        for start in range(0, len(self), CHUNK):
            found = np.bincount(self.take(np.arange(start, min(start + CHUNK, len(self)), dtype=np.int64))[0])
            if len(found) > len(total):
                total = np.pad(total, (0, len(found) - len(total)))
            total[: len(found)] += found
        return total


class PlanView(EpochPlan):
    """Some positions of a plan, evenly spaced.

    Attributes:
        plan: the plan.
        positions: which of its positions.
    """

    def __init__(self, plan: EpochPlan, positions: range) -> None:
        self.plan: EpochPlan = plan.plan if isinstance(plan, PlanView) else plan
        self.positions: range = (
            _compose(plan.positions, positions) if isinstance(plan, PlanView) else positions
        )

    def __len__(self) -> int:
        return len(self.positions)

    def take(self, positions: Indices) -> tuple[NDArray[np.int32], Indices]:
        """See `EpochPlan.take`."""
        return self.plan.take(positions * self.positions.step + self.positions.start)


def _compose(inner: range, positions: range) -> range:
    """The numbers ``inner[i]`` for every `i` of `positions`."""
    if not positions:
        return range(0)
    step = inner.step * positions.step
    return range(inner[positions[0]], inner[positions[-1]] + (1 if step > 0 else -1), step)


class QuotaPlan(EpochPlan):
    """Exact quotas: a data set gives so many draws, each of its records as often as any other, in one random order.

    Args:
        sizes: records of each data set that may be drawn, from its first on.
        quotas: draws of each in an epoch.
        key: chooses the order.
        epoch: passes over a data set go on from epoch to epoch: with a quota of a quarter of the records, every record
            has come once after four epochs.
        rolling: whether they do; otherwise every epoch begins at the first record.
        shuffle: False leaves the draws in the order of data sets and records.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        quotas: Sequence[int],
        *,
        key: int,
        epoch: int = 0,
        rolling: bool = True,
        shuffle: bool = True,
    ) -> None:
        self._sizes = list(sizes)
        self._quotas = list(quotas)
        self._bounds = np.concatenate([[0], np.cumsum(np.array(quotas, dtype=np.int64))]).astype(np.int64)
        self._order = Permutation(int(self._bounds[-1]), key_of(key, "order", epoch)) if shuffle else None
        self._key = key
        self._starts = [epoch * quota if rolling else 0 for quota in quotas]
        self._passes: dict[tuple[int, int], Permutation] = {}

    def __len__(self) -> int:
        return int(self._bounds[-1])

    def take(self, positions: Indices) -> tuple[NDArray[np.int32], Indices]:
        """See `EpochPlan.take`."""
        slots = positions if self._order is None else self._order.take(positions)
        source = (np.searchsorted(self._bounds, slots, side="right") - 1).astype(np.int32)
        record = slots - self._bounds[source]
        if len(self._sizes) == 1:
            return source, self._records(0, record)
        # Grouped by data set in one sort: data sets may be many.
        order = np.argsort(source, kind="stable")
        edges = np.flatnonzero(np.diff(source[order])) + 1
        for group in np.split(order, edges):
            if len(group):
                record[group] = self._records(int(source[group[0]]), record[group])
        return source, record

    def _records(self, source: int, number: Indices) -> Indices:
        """The records of the draws `number`, counted within the data set's quota."""
        size, quota, start = self._sizes[source], self._quotas[source], self._starts[source]
        if quota % size == 0 and start % size == 0:
            return number % size  # whole passes: every record, and the order of all draws is random already
        turn = start % size + number
        lap, at = turn // size + start // size, turn % size
        # A lap that lies wholly inside the epoch needs no order of its own; the first and the last one do.
        for edge in {start // size, (start + quota - 1) // size}:
            whole = edge * size >= start and (edge + 1) * size <= start + quota
            if not whole:
                here = np.flatnonzero(lap == edge)
                at[here] = self._pass(source, edge).take(at[here])
        return at

    def _pass(self, source: int, lap: int) -> Permutation:
        known = self._passes.get((source, lap))
        if known is None:
            known = Permutation(self._sizes[source], key_of(self._key, "pass", source, lap))
            self._passes[source, lap] = known
        return known


class CyclePlan(EpochPlan):
    """The draws of GeoPixel's and XComposer's loader: sorts of files in a cycle, then chance.

    A call picks a file of the sort whose turn it is, with a chance proportional to its samples, then `batch_size` samples
    of that file with replacement. Of text only the first of the call is trained on and stands in the plan.

    Args:
        records: length of each file.
        samples: how many samples the loader took of each (see `mmdata.mixing.data_txt.samples`).
        kinds: sort of each file.
        calls: consecutive calls for each sort, in the cycle's order.
        kept: records of a call that stand in the plan, by sort.
        total_calls: calls of the epoch.
        batch_size: samples a call draws.
        seed: chooses the samples of each file, the same in every epoch as upstream reads the files once.
        epoch: chooses the draws.
    """

    def __init__(
        self,
        records: Sequence[int],
        samples: Sequence[int],
        kinds: Sequence[str],
        *,
        calls: Mapping[str, int],
        kept: Mapping[str, int],
        total_calls: int,
        batch_size: int,
        seed: int,
        epoch: int,
    ) -> None:
        self._records, self._samples, self._batch = list(records), list(samples), batch_size
        self._files: list[Indices] = []
        self._bounds: list[Indices] = []
        for kind in calls:
            files = np.array([i for i, k in enumerate(kinds) if k == kind], dtype=np.int64)
            self._files.append(files)
            self._bounds.append(np.cumsum(np.array([samples[i] for i in files], dtype=np.int64)))
        self._calls = np.array(list(calls.values()), dtype=np.int64)
        self._kept = np.array([kept[kind] for kind in calls], dtype=np.int64)
        self._first_call = np.concatenate([[0], np.cumsum(self._calls)]).astype(np.int64)
        self._first_slot = np.concatenate([[0], np.cumsum(self._calls * self._kept)]).astype(np.int64)
        whole, rest = divmod(total_calls, int(self._first_call[-1])) if total_calls else (0, 0)
        tail = np.clip(rest - self._first_call[:-1], 0, self._calls)
        self._length = whole * int(self._first_slot[-1]) + int((tail * self._kept).sum())
        self._file_key, self._record_key = key_of(seed, "file", epoch), key_of(seed, "record", epoch)
        self._seed = seed
        self._chosen: dict[int, Permutation] = {}

    def __len__(self) -> int:
        return self._length

    def take(self, positions: Indices) -> tuple[NDArray[np.int32], Indices]:
        """See `EpochPlan.take`."""
        turn, offset = np.divmod(positions, self._first_slot[-1])
        sort = np.searchsorted(self._first_slot, offset, side="right") - 1
        call, slot = np.divmod(offset - self._first_slot[sort], self._kept[sort])
        call += turn * self._first_call[-1] + self._first_call[sort]
        source = np.empty(len(positions), dtype=np.int32)
        for number, (files, bounds) in enumerate(zip(self._files, self._bounds, strict=True)):
            here = np.flatnonzero(sort == number)
            pick = draw(self._file_key, call[here], int(bounds[-1]))
            source[here] = files[np.searchsorted(bounds, pick, side="right")]
        sizes = np.array(self._samples, dtype=np.int64)[source]
        sample = draw(self._record_key, call * self._batch + slot, sizes)
        for file in np.unique(source).tolist():
            here = np.flatnonzero(source == file)
            sample[here] = self._chosen_records(file, sample[here])
        return source, sample

    def _chosen_records(self, file: int, sample: Indices) -> Indices:
        """The records that the samples of a file stand for."""
        records, samples = self._records[file], self._samples[file]
        if samples < records:
            known = self._chosen.get(file)
            if known is None:
                known = self._chosen[file] = Permutation(records, key_of(self._seed, "chosen", file))
            return known.take(sample)
        extra = np.flatnonzero(sample >= records)
        result = sample.copy()
        result[extra] = draw(key_of(self._seed, "extra", file), sample[extra], records)
        return result


__all__ = ["CyclePlan", "Draw", "EpochPlan", "PlanView", "QuotaPlan"]
