"""Running ahead changes nothing but the time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import count, islice

import pytest

from mmtrain.data.ahead import Ahead


def test_the_same_things_in_the_same_order_as_often_as_asked() -> None:
    ahead = Ahead(range(100), 3)
    assert list(ahead) == list(ahead) == list(range(100))
    assert list(Ahead([], 1)) == []


def test_an_error_comes_in_its_place() -> None:
    def failing() -> Iterator[int]:
        yield 1
        yield 2
        raise ValueError("broken")

    seen = []
    with pytest.raises(ValueError, match="broken"):
        seen.extend(one for one in Ahead(failing(), 8))
    found = iter(Ahead(failing(), 8))
    assert [next(found), next(found)] == [1, 2]
    with pytest.raises(ValueError, match="broken"):
        next(found)


def test_no_more_than_allowed_is_made_and_a_reader_that_leaves_ends_it() -> None:
    made = 0
    waited = threading.Event()

    def endless() -> Iterator[int]:
        nonlocal made
        for number in count():
            made = number + 1
            if made >= 8:
                waited.set()
            yield number

    found = iter(Ahead(endless(), 5))
    assert list(islice(found, 3)) == [0, 1, 2]
    assert waited.wait(5)  # three taken, five waiting
    del found
    for thread in threading.enumerate():
        if thread.name == "ahead":
            thread.join(timeout=5)
    assert not any(thread.name == "ahead" for thread in threading.enumerate())
    assert made <= 9
