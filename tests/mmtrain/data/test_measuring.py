"""Ranks share the measuring: each measures its part once, and all get the same rows as one alone."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from mmdata import Mixture
from mmdata.errors import DataError
from mmdata.mixing.mixture import Member
from mmtrain.data.encode import Size
from mmtrain.data.measuring import Exchange, Measuring, one_by_one
from mmtrain.data.order import Order
from mmtrain.data.packing import Rows, State
from mmtrain.data.sources import BadSample


class Ranks:
    """Ranks as threads; their exchange waits for all, as that of processes does."""

    def __init__(self, world: int) -> None:
        self.world = world
        self.barrier = threading.Barrier(world, timeout=30)
        self.slots: list[Any] = [None] * world

    def exchange(self, rank: int) -> Exchange:
        def exchange(own: Any) -> list[Any]:
            self.slots[rank] = own
            self.barrier.wait()
            found = list(self.slots)
            self.barrier.wait()
            return found

        return exchange

    def run(self, work: Callable[[int], Any]) -> list[Any]:
        results: list[Any] = [None] * self.world

        def one(rank: int) -> None:
            try:
                results[rank] = work(rank)
            except Exception as error:
                results[rank] = error

        threads = [threading.Thread(target=one, args=(rank,)) for rank in range(self.world)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        return results


LENGTH = 300


def order() -> Order:
    mixture = Mixture.of([Member("a", "a", records=LENGTH)])
    return Order(lambda epoch: mixture.plan(epoch, seed=7), 1.0)


def size(position: int) -> Size | BadSample:
    if position % 41 == 5:
        return BadSample("a", position, "broken")
    return Size(1 + position * 37 % 90, position % 5)


def rows(measure: Any, state: State | None = None) -> Rows:
    return Rows(order(), measure, capacity=Size(100, 8), window=32, state=state)


@pytest.mark.parametrize("ahead", [0, 1, 50])
@pytest.mark.parametrize("world", [1, 2, 5])
def test_every_rank_measures_its_part_and_has_the_rows_of_one(world: int, ahead: int) -> None:
    expected = rows(one_by_one(size))
    alone = list(expected)
    ranks = Ranks(world)
    asked: list[Counter[int]] = [Counter() for _ in range(world)]

    def work(rank: int) -> Any:
        def measure(position: int) -> Size | BadSample:
            asked[rank][position] += 1
            return size(position)

        shared = Measuring(
            measure, rank=rank, world=world, exchange=ranks.exchange(rank), end=LENGTH, ahead=ahead
        )
        made = rows(shared)
        return list(made), made.bad, shared.measured

    for rank, (found, bad, measured) in enumerate(ranks.run(work)):
        assert found == alone
        assert bad == expected.bad
        assert asked[rank] == Counter(
            range(rank, LENGTH, world)
        )  # its own, each once: what waits is not measured again
        assert measured == len(asked[rank])


@pytest.mark.parametrize("at", [1, 7, 20])
def test_ranks_go_on_where_a_run_was_interrupted_also_with_other_ranks(at: int) -> None:
    whole = list(rows(one_by_one(size)))
    begun = rows(one_by_one(size))
    first = begun.take(at)
    state = begun.snapshot()
    ranks = Ranks(3)

    def work(rank: int) -> Any:
        own = State(**state.to_json())
        shared = Measuring(
            size, rank=rank, world=3, exchange=ranks.exchange(rank), start=own.next, end=LENGTH, ahead=9
        )
        return list(rows(shared, own))

    for found in ranks.run(work):
        assert first + found == whole


def test_a_rank_that_fails_stops_all_with_its_reason() -> None:
    ranks = Ranks(2)

    def work(rank: int) -> Any:
        def measure(position: int) -> Size | BadSample:
            if position == 9:
                raise MemoryError("no room")
            return size(position)

        return list(rows(Measuring(measure, rank=rank, world=2, exchange=ranks.exchange(rank), ahead=4)))

    for error in ranks.run(work):
        assert isinstance(error, DataError)
        assert "rank 1: measuring failed: MemoryError: no room" in str(error)
