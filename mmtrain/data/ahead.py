"""An iterator that is run ahead in a thread, so that what it does is done while somebody else computes."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Ahead(Generic[T]):
    """The same things in the same order, made up to `most` ahead; what the iterator raises is raised in its place.

    Args:
        things: iterated over in the thread, once for each `iter`.
        most: things that wait at most.
    """

    def __init__(self, things: Iterable[T], most: int) -> None:
        self.things = things
        self.most = most

    def __iter__(self) -> Iterator[T]:
        waiting: queue.Queue[tuple[bool, T | BaseException | None]] = queue.Queue(self.most)
        left = threading.Event()

        def put(one: tuple[bool, T | BaseException | None]) -> bool:
            while not left.is_set():
                try:
                    waiting.put(one, timeout=0.1)
                except queue.Full:
                    continue
                return True
            return False

        def work() -> None:
            try:
                for thing in self.things:
                    if not put((True, thing)):
                        return
                put((False, None))
            except BaseException as error:
                put((False, error))

        threading.Thread(target=work, daemon=True, name="ahead").start()
        try:
            while True:
                more, thing = waiting.get()
                if not more:
                    if isinstance(thing, BaseException):
                        raise thing
                    return
                yield thing  # type: ignore[misc]
        finally:
            left.set()
