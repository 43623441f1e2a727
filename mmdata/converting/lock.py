"""One run at a time into one place."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from mmdata.errors import UsageError

PATIENCE = 1.0
"""Seconds in which the workers of a run that was killed are gone for certain."""


@contextmanager
def sole_writer(path: str, output: str) -> Iterator[None]:
    """Hold the lock file `path` while writing `output`; it goes with the process, whatever ends that.

    Raises:
        UsageError: another process holds it.
    """
    try:
        import fcntl
    except ImportError:  # no such locks on this system
        yield
        return
    until = time.monotonic() + PATIENCE
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(handle)
            if time.monotonic() < until:
                time.sleep(0.05)
                continue
            raise UsageError(
                f"{output}: another run is writing there now; wait for it, or name another directory"
            ) from None
        try:
            held = os.path.samestat(os.fstat(handle), os.stat(path))
        except FileNotFoundError:
            held = False
        if held:
            break
        os.close(handle)  # its last owner has just taken the file away
    try:
        yield
    finally:
        os.unlink(path)
        os.close(handle)


__all__ = ["sole_writer"]
