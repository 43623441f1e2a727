"""Which samples share a packed sequence: bins of tokens and tiles, filled from the data order.

Samples are taken from the order a window at a time, so that a long one finds short ones to go with; what would leave a
sequence badly filled waits for the next window, where it comes first. The rows depend on the order, the sizes and the
limits alone, not on ranks or workers, and `State` is all it takes to go on after a restart.
"""

from __future__ import annotations

import random
from bisect import bisect_left, insort
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from mmdata.errors import DataError
from mmtrain.data.encode import Size
from mmtrain.data.order import Order
from mmtrain.data.sources import BadSample

GOOD = 0.98
"""A sequence this full in tokens or tiles goes out; a less full one may wait."""

WAITING = 0.1
"""At most this share of a window's sequences waits, the emptiest ones."""


@dataclass(slots=True)
class State:
    """Where the rows stand.

    Attributes:
        next: position in the order of the first sample not yet looked at.
        window: number of the next window.
        waiting: positions of samples that wait for the next window.
        rows: packed rows not yet trained on.
    """

    next: int = 0
    window: int = 0
    waiting: list[int] = field(default_factory=list)
    rows: list[list[int]] = field(default_factory=list)

    @property
    def taken(self) -> int:
        """Samples given out or refused so far; what was only looked at ahead does not count."""
        return self.next - len(self.waiting) - sum(map(len, self.rows))

    def to_json(self) -> dict[str, Any]:
        """For a checkpoint."""
        return asdict(self)


def pack(sizes: Sequence[Size], capacity: Size) -> list[list[int]]:
    """Indices into `sizes`, a list for each sequence: best fit, the largest first.

    A sample larger than `capacity` gets a sequence of its own.
    """

    def share(size: Size) -> float:
        return max(size.tokens / capacity.tokens, size.tiles / capacity.tiles if capacity.tiles else 0.0)

    bins: list[list[int]] = []
    tiles_left: list[int] = []
    open_bins: list[
        tuple[int, int]
    ] = []  # (tokens left, number of the bin), ascending: the first that fits is best
    for i in sorted(range(len(sizes)), key=lambda i: (-share(sizes[i]), i)):
        tokens, tiles = sizes[i]
        at = bisect_left(open_bins, (tokens, -1))
        while at < len(open_bins) and tiles_left[open_bins[at][1]] < tiles:
            at += 1
        if at == len(open_bins):
            free, best = capacity.tokens, len(bins)
            bins.append([])
            tiles_left.append(capacity.tiles)
        else:
            free, best = open_bins.pop(at)
        bins[best].append(i)
        tiles_left[best] -= tiles
        insort(open_bins, (free - tokens, best))
    return bins


class Rows:
    """Rows of positions, in the order in which they are trained on.

    Args:
        order: the data order.
        measure: sizes of positions, or why they cannot be used; each is asked for once, in order, but for those that
            waited when a run was interrupted. None: every row is one sample.
        group: rows of one sample, that many neighbours of about one length: for padded batches. 0 packs.
        capacity: most tokens and tiles of a row.
        window: samples looked at together.
        seed: of the order of the rows within a window.
        state: to go on from.
        stop: a sample that cannot be used is an error.

    Attributes:
        bad: samples that could not be used, as they turn up.
    """

    def __init__(
        self,
        order: Order,
        measure: Callable[[Sequence[int]], Sequence[Size | BadSample]] | None = None,
        *,
        group: int = 0,
        capacity: Size,
        window: int = 1024,
        seed: int = 0,
        state: State | None = None,
        stop: bool = False,
    ) -> None:
        self.order = order
        self.measure = measure
        self.group = group
        self.capacity = capacity
        self.window = window
        self.seed = seed
        self.state = state or State()
        self.stop = stop
        self.bad: list[BadSample] = []
        self._barren = 0
        self._waiting: dict[int, Size | BadSample] = {}

    def take(self, n: int) -> list[list[int]]:
        """The next `n` rows; fewer at the end.

        Raises:
            DataError: a sample cannot be used and `stop` is set, or none of a whole epoch can.
        """
        while len(self.state.rows) < n and self._fill(n):
            pass
        taken, self.state.rows = self.state.rows[:n], self.state.rows[n:]
        return taken

    def __iter__(self) -> Iterator[list[int]]:
        while rows := self.take(1):
            yield rows[0]

    def snapshot(self) -> State:
        """A copy of the state."""
        s = self.state
        return State(s.next, s.window, list(s.waiting), [list(row) for row in s.rows])

    def _fill(self, n: int) -> bool:
        s = self.state
        ahead = self.window if self.measure is not None else n
        end = s.next + ahead if self.order.length is None else min(s.next + ahead, self.order.length)
        fresh = range(s.next, end)
        if not fresh and not s.waiting:
            return False
        s.next = end
        s.window += 1
        if self.measure is None:
            s.rows += [[p] for p in fresh]
            return True
        positions, sizes = [], []
        known = self._waiting
        new = [p for p in [*s.waiting, *fresh] if p not in known]
        known |= zip(new, self.measure(new), strict=True)
        for p in [*s.waiting, *fresh]:
            size = known[p]
            if isinstance(size, BadSample):
                self._refuse(size)
            else:
                self._barren = 0
                positions.append(p)
                sizes.append(size)
        if self.group:
            s.waiting, self._waiting = [], {}
            s.rows += self._grouped(positions, sizes)
            return True
        bins = pack(sizes, self.capacity)
        done = not fresh or (self.order.length is not None and end >= self.order.length)
        late = set() if done else self._late(bins, sizes)
        s.waiting = sorted(positions[i] for b in late for i in bins[b])
        self._waiting = {p: known[p] for p in s.waiting}
        rows = [sorted(positions[i] for i in one) for b, one in enumerate(bins) if b not in late]
        random.Random(f"{self.seed}/{s.window}").shuffle(rows)  # noqa: S311 - an order, not a secret
        s.rows += rows
        return True

    def _refuse(self, bad: BadSample) -> None:
        self._barren += 1
        if self.stop:
            raise DataError(f"{bad} (on_bad_sample: quarantine leaves such samples out and lists them)")
        if self._barren >= self.order.epoch_length:  # an endless order would be searched for ever
            raise DataError(f"not one sample of a whole epoch can be used; the last: {bad}")
        self.bad.append(bad)

    def _grouped(self, positions: list[int], sizes: list[Size]) -> list[list[int]]:
        ranked = [positions[i] for i in sorted(range(len(sizes)), key=lambda i: (-sizes[i].tokens, i))]
        groups = [ranked[at : at + self.group] for at in range(0, len(ranked), self.group)]
        tail = groups.pop() if groups and len(groups[-1]) < self.group else []
        random.Random(f"{self.seed}/{self.state.window}").shuffle(groups)  # noqa: S311
        return [[p] for group in [*groups, tail] for p in group]

    def _late(self, bins: list[list[int]], sizes: list[Size]) -> set[int]:
        """Bins that had better wait: the emptiest, none of which holds a sample that waited before."""
        fill = [
            max(
                sum(sizes[i].tokens for i in one) / self.capacity.tokens,
                sum(sizes[i].tiles for i in one) / self.capacity.tiles if self.capacity.tiles else 0.0,
            )
            for one in bins
        ]
        emptiest = sorted(range(len(bins)), key=lambda b: fill[b])[: int(max(1, len(bins) * WAITING))]
        waited = len(self.state.waiting)
        return {b for b in emptiest if fill[b] < GOOD and min(bins[b]) >= waited and len(bins) > 1}
