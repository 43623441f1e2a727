"""Sizes of samples, measured by all ranks together: each rank a part of every window, told to all.

Which samples share a sequence must be known to every rank, but nobody has to measure them all: tokenising ten million
records and opening their pictures takes hours on one rank, minutes on 128. Position p is measured by rank p % ranks, ahead
of time in a thread; the sizes are exchanged where the window is packed, in the training loop's own thread and in the same
place on every rank, so that no exchange can overtake another. Who measured what changes nothing in the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, TypeAlias

from mmdata.errors import DataError
from mmtrain.data.ahead import Ahead
from mmtrain.data.encode import Size
from mmtrain.data.sources import BadSample

Found: TypeAlias = Size | BadSample


class Exchange(Protocol):
    """Gives every rank what each of them has; all ranks call it in the same order."""

    def __call__(self, own: Any) -> list[Any]:
        """What each rank handed in, by rank."""
        ...


def alone(own: Any) -> list[Any]:
    """The exchange of a single rank."""
    return [own]


def over(group: Any) -> Exchange:
    """The exchange over a process group of ``torch.distributed`` (gloo: nothing of it goes through a GPU)."""

    def exchange(own: Any) -> list[Any]:
        import torch.distributed as dist

        gathered: list[Any] = [None] * dist.get_world_size(group)
        dist.all_gather_object(gathered, own, group)
        return gathered

    return exchange


def one_by_one(measure: Callable[[int], Found]) -> Callable[[Sequence[int]], list[Found]]:
    """Measures every position itself."""
    return lambda positions: [measure(p) for p in positions]


class Measuring:
    """Sizes of positions, a window at a time; new positions must come in order, without gaps.

    Args:
        measure: one position's size, or why it cannot be used.
        rank: of this process.
        world: number of ranks.
        exchange: between them.
        start: the first new position; those before it are asked for only when a run goes on.
        end: there are no positions from here on; None: endless.
        ahead: positions of its own that this rank measures ahead in a thread; 0: none.

    Attributes:
        measured: positions that this rank has measured for a window.
    """

    def __init__(
        self,
        measure: Callable[[int], Found],
        *,
        rank: int = 0,
        world: int = 1,
        exchange: Exchange = alone,
        start: int = 0,
        end: int | None = None,
        ahead: int = 0,
    ) -> None:
        self.measure, self.rank, self.world, self.exchange = measure, rank, world, exchange
        self.start, self.end = start, end
        self.measured = 0
        fresh = _Fresh(self)
        self._fresh = iter(Ahead(fresh, ahead)) if ahead else iter(fresh)

    def __call__(self, positions: Sequence[int]) -> list[Found]:
        """Sizes in the order of the positions; the same on every rank.

        Raises:
            DataError: a rank failed otherwise than by a bad sample; every rank raises.
        """
        own: list[Found] = []
        problem = ""
        try:
            own = [self._one(p) for p in positions if p % self.world == self.rank]
        except Exception as error:  # the other ranks wait: they must hear of it before anything is raised
            problem = f"rank {self.rank}: measuring failed: {type(error).__name__}: {error}"
            if self.world == 1:
                raise
        gathered = self.exchange((own, problem))
        problems = [told for _, told in gathered if told]
        if problems:
            raise DataError("; ".join(problems))
        parts = [iter(part) for part, _ in gathered]
        return [next(parts[p % self.world]) for p in positions]

    def _one(self, position: int) -> Found:
        self.measured += 1
        if position < self.start:
            return self.measure(position)
        at, found = next(self._fresh)
        if at != position:
            raise ValueError(f"position {position} is asked for, {at} comes next")
        return found


class _Fresh:
    """(position, size) of a rank's new positions, one after the other."""

    def __init__(self, owner: Measuring) -> None:
        self.measure, self.end, self.step = owner.measure, owner.end, owner.world
        self.first = owner.start + (owner.rank - owner.start) % owner.world

    def __iter__(self) -> Iterator[tuple[int, Found]]:
        position = self.first
        while self.end is None or position < self.end:
            yield position, self.measure(position)
            position += self.step
