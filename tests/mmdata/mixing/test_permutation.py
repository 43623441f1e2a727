"""Orders that are computed: really bijections, for any length and key, and evenly random."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdata.mixing.permutation import SMALL, Permutation, draw, key_of

KEYS = st.integers(0, 2**64 - 1)


@given(st.integers(0, 20_000), KEYS)
@settings(max_examples=60, deadline=None)
def test_every_index_comes_exactly_once(n: int, key: int) -> None:
    order = Permutation(n, key).take(np.arange(n))
    assert sorted(order.tolist()) == list(range(n))


@pytest.mark.parametrize("n", [SMALL, SMALL + 1, 2**16 - 1, 2**16, 2**16 + 1, 100_003])
def test_bijection_around_powers_of_two(n: int) -> None:
    assert np.array_equal(np.sort(Permutation(n, 9).take(np.arange(n))), np.arange(n))


@given(st.integers(1, 2**62 - 1), KEYS, st.data())
@settings(max_examples=60, deadline=None)
def test_one_position_alone_gives_what_many_give(n: int, key: int, data: st.DataObject) -> None:
    order = Permutation(n, key)
    positions = data.draw(st.lists(st.integers(0, n - 1), min_size=1, max_size=20))
    found = order.take(np.array(positions)).tolist()
    assert found == [order[p] for p in positions]
    assert all(0 <= x < n for x in found)
    assert len(set(found)) == len(set(positions))


def test_all_orders_of_few_come_alike() -> None:
    found = Counter(tuple(Permutation(4, key_of(k)).take(np.arange(4)).tolist()) for k in range(6000))
    assert len(found) == 24
    expected = 6000 / 24
    # Chi-square with 23 degrees of freedom: 60 is passed once in 30 000 runs, and the keys are fixed.
    assert sum((n - expected) ** 2 / expected for n in found.values()) < 60


def test_a_long_order_looks_random() -> None:
    n = 1_000_000
    order = Permutation(n, 3).take(np.arange(n)).astype(float)
    assert abs(np.corrcoef(order[:-1], order[1:])[0, 1]) < 0.01
    assert abs(np.corrcoef(np.arange(n), order)[0, 1]) < 0.01
    counts = np.histogram(order[: n // 10], 50)[0]
    assert ((counts - 2000) ** 2 / 2000).sum() < 110


def test_different_keys_give_different_orders_and_the_same_key_the_same() -> None:
    a, b = (Permutation(10_000, key_of("x", k)).take(np.arange(10_000)) for k in (1, 2))
    assert (a == b).mean() < 0.01
    assert np.array_equal(a, Permutation(10_000, key_of("x", 1)).take(np.arange(10_000)))


def test_keys_are_the_same_on_every_machine() -> None:
    assert key_of("mixture", 0) == 3274903469743208122
    assert Permutation(10**9, 5).take(np.array([0, 1, 10**9 - 1])).tolist() == [
        945207137,
        685452920,
        672483783,
    ]


def test_draws_with_replacement_are_even_and_in_range() -> None:
    found = draw(7, np.arange(100_000), 10)
    counts = np.bincount(found, minlength=10)
    assert len(counts) == 10
    assert ((counts - 10_000) ** 2 / 10_000).sum() < 35


@pytest.mark.parametrize("n", [-1, 2**62])
def test_impossible_lengths(n: int) -> None:
    with pytest.raises(ValueError, match="2\\^62"):
        Permutation(n, 0)


def test_positions_outside() -> None:
    with pytest.raises(IndexError):
        Permutation(3, 0)[3]
