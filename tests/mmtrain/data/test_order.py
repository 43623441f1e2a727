"""The data order is a permutation, the same for all, and seekable."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmtrain.data.order import Order, OrderHash, ShuffledPlan, permuted


@given(st.integers(1, 3000), st.integers(0, 2**64 - 1))
def test_permutation(n: int, key: int) -> None:
    assert sorted(permuted(i, n, key) for i in range(n)) == list(range(n))


def test_each_epoch_has_every_record_once_in_another_order() -> None:
    order = Order(lambda epoch: ShuffledPlan([30, 0, 70], 3, epoch), 2.0)
    places = [order[i] for i in range(200)]
    first, second = ([(p.source, p.record) for p in places if p.epoch == e] for e in (0, 1))
    assert sorted(first) == sorted(second) == [(0, i) for i in range(30)] + [(2, i) for i in range(70)]
    assert first != second
    with pytest.raises(IndexError):
        order[200]


def test_a_far_place_is_one_look_up() -> None:
    order = Order(lambda epoch: ShuffledPlan([10**9], 3, epoch), None)
    assert order[3 * 10**9 + 5].epoch == 3
    assert order[10**7] == order[10**7]


def test_part_of_an_epoch_rounds_up() -> None:
    assert Order(lambda _: ShuffledPlan([3], 0, 0), 0.5).length == 2
    with pytest.raises(ValueError, match="no records"):
        Order(lambda _: ShuffledPlan([0], 0, 0), 1)


def test_the_hash_tells_order_and_steps() -> None:
    a, b, c = OrderHash(), OrderHash(), OrderHash()
    a.update([[1, 2], [3]])
    b.update([[1], [2, 3]])
    c.update([[1, 2], [3]])
    assert a.hexdigest == c.hexdigest != b.hexdigest
    resumed = OrderHash(a.hexdigest)
    resumed.update([[4]])
    c.update([[4]])
    assert resumed.hexdigest == c.hexdigest
