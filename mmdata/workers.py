"""`Workers`: processes that work for this one, which never wait for a dead one and never outlive it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

T = TypeVar("T")

DIED = (
    "a worker process was killed, perhaps for want of memory: run the same command again, "
    "with fewer --jobs if that was the reason"
)


class Result(Generic[T]):
    """What a worker will return."""

    def __init__(self, future: Future[T]) -> None:
        self._future = future

    def get(self) -> T:
        """Wait for it.

        Raises:
            ChildProcessError: a worker has been killed.
            Exception: what the function raised.
        """
        try:
            return self._future.result()
        except BrokenProcessPool:
            raise ChildProcessError(DIED) from None


class Workers:
    """So many processes; a context manager at whose end they are gone.

    A worker that is killed makes every `Result.get` raise. Workers end with the process that started them, whatever ended
    that, in the middle of their work: what they hold open (a lock file) is free then.

    Args:
        jobs: how many.
        context: how they are started.
        begin: is called in each process first.
        arguments: of `begin`; shared memory may be among them where processes are forked.
    """

    def __init__(
        self, jobs: int, context: Any, begin: Callable[..., None], arguments: tuple[Any, ...] = ()
    ) -> None:
        self._pool = ProcessPoolExecutor(jobs, context, initializer=_start, initargs=(begin, arguments))

    def begin(self, function: Callable[..., T], *arguments: Any) -> Result[T]:
        """Have a function called in a worker.

        Raises:
            ChildProcessError: a worker has been killed.
        """
        try:
            return Result(self._pool.submit(function, *arguments))
        except BrokenProcessPool:
            raise ChildProcessError(DIED) from None

    def map(self, function: Callable[[Any], T], arguments: Iterable[Any]) -> Iterator[T]:
        """The results for all arguments, in order."""
        results = [self.begin(function, argument) for argument in arguments]
        results.reverse()
        while results:
            yield results.pop().get()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:  # nobody wants what is under way
            for process in list((getattr(self._pool, "_processes", None) or {}).values()):
                process.terminate()
        self._pool.shutdown(cancel_futures=True)


def _start(begin: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    # Ctrl-C goes to the whole process group; the parent alone says so.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    begin(*arguments)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


__all__ = ["Result", "Workers"]
