"""The data order follows the mixture's plan, is the same for all, and seekable."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmdata import Mixture
from mmdata.errors import UsageError
from mmdata.mixing.mixture import Member
from mmtrain.data.loader import Jobs
from mmtrain.data.measuring import one_by_one
from mmtrain.data.order import Order, OrderHash, Place
from mmtrain.data.packing import Rows, Size


def order(*lengths: int, epochs: float | None = 1.0, seed: int = 3, weight: float = 1) -> Order:
    files = [Member(f"{i}.jsonl", f"{i}", weight, records=n) for i, n in enumerate(lengths)]
    mixture = Mixture.of(files)
    return Order(lambda epoch: mixture.plan(epoch, seed=seed), epochs)


def test_each_epoch_has_every_record_once_in_another_order() -> None:
    found = order(30, 70, epochs=2.0)
    places = [found[i] for i in range(200)]
    first, second = ([(p.source, p.record) for p in places if p.epoch == e] for e in (0, 1))
    assert sorted(first) == sorted(second) == [(0, i) for i in range(30)] + [(1, i) for i in range(70)]
    assert first != second
    with pytest.raises(IndexError):
        found[200]


def test_a_quarter_a_time_is_every_record_once_in_four_epochs() -> None:
    found = order(40, epochs=4.0, weight=0.25)
    assert found.epoch_length == 10
    drawn = Counter(place.record for place in found.places(range(40)))
    assert drawn == dict.fromkeys(range(40), 1)


def test_a_far_place_is_one_look_up() -> None:
    found = order(10**9, epochs=None)
    assert found[3 * 10**9 + 5].epoch == 3
    assert found[10**7] == order(10**9, epochs=None)[10**7]
    assert len({found[place].record for place in range(1000)}) == 1000


def test_part_of_an_epoch_rounds_up() -> None:
    assert order(3, epochs=0.5).length == 2
    assert order(30, epochs=0.1).length == 3  # 0.1 * 30 is 3.0000000000000004
    with pytest.raises(UsageError, match="no records"):
        Order(lambda _: Mixture.of([Member("a", "a", records=3)]).plan()[:0], 1)


@given(st.lists(st.integers(0, 199), max_size=30), st.integers(0, 5))
def test_many_places_are_the_places_one_by_one(positions: list[int], seed: int) -> None:
    found = order(30, 20, epochs=4.0, seed=seed)
    assert found.places(positions) == [found[p] for p in positions]


def trained(world: int, batch: int, accumulation: int, seed: int = 3) -> tuple[list[list[Place]], str]:
    """Every micro-batch of every rank in order of time, and the last hash."""
    of_ranks = []
    ends = []
    for rank in range(world):
        here = order(30, 20, epochs=2.0, seed=seed)
        rows = Rows(here, one_by_one(lambda p: Size(1 + p % 7, 0)), capacity=Size(16, 4), window=16)
        jobs = list(Jobs(here, rows, rank=rank, world=world, batch=batch, accumulation=accumulation))
        of_ranks.append([job.places for job in jobs])
        ends += [job.step.order_hash for job in jobs[-1:] if job.step]
    assert len(set(ends)) == 1, "ranks disagree about what was trained on"
    return [places for together in zip(*of_ranks, strict=True) for places in together], ends[0]


def test_another_number_of_ranks_trains_the_same_rows_in_the_same_order() -> None:
    alone, told = trained(1, 1, 4)
    for world, batch, accumulation in ((2, 1, 2), (4, 1, 1), (1, 4, 1), (2, 2, 1)):
        other, hashed = trained(world, batch, accumulation)
        assert [list(itertools.chain(*other))] == [list(itertools.chain(*alone))]
        assert hashed == told
    assert trained(1, 1, 4, seed=4)[1] != told


def test_the_hash_tells_order_records_and_steps() -> None:
    def hashed(*steps: list[list[int]], record: int = 0) -> OrderHash:
        made = OrderHash()
        for rows in steps:
            made.update([[Place(p, 0, 0, p + record) for p in row] for row in rows])
        return made

    once = hashed([[1, 2], [3]])
    assert once.hexdigest == hashed([[1, 2], [3]]).hexdigest
    others = [hashed([[1], [2, 3]]), hashed([[1, 2]], [[3]]), hashed([[1, 2], [3]], record=1)]
    assert len({once.hexdigest, *(other.hexdigest for other in others)}) == 4
    resumed = OrderHash(once.hexdigest)
    resumed.update([[Place(4, 0, 0, 4)]])
    assert resumed.hexdigest == hashed([[1, 2], [3]], [[4]]).hexdigest
