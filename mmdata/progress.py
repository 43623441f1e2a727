"""Progress of long work: a bar on stderr if that is a terminal, else nothing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Progress(Protocol):
    """Told how far the work is. `total` is None where it is not known (stdin, compressed files)."""

    def start(self, label: str, total: int | None) -> None:
        """A new stretch of work begins: a file of `total` bytes."""

    def advance(self, amount: int) -> None:
        """So many more bytes are done."""


class Silent:
    """A `Progress` that shows nothing."""

    def start(self, label: str, total: int | None) -> None:
        """Show nothing."""

    def advance(self, amount: int) -> None:
        """Show nothing."""


@contextmanager
def terminal_progress(*, counting: bool = False) -> Iterator[Progress]:
    """A bar on stderr while the block runs, if stderr is a terminal; removed afterwards.

    Args:
        counting: the work is counted in things, not in bytes.
    """
    if not sys.stderr.isatty():
        yield Silent()
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )
    from rich.progress import Progress as Bar

    amounts = (MofNCompleteColumn(),) if counting else (DownloadColumn(), TransferSpeedColumn())
    columns = (TextColumn("{task.description}"), BarColumn(), *amounts, TimeRemainingColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        yield _RichProgress(bar)


class _RichProgress:
    def __init__(self, bar: object) -> None:
        from rich.progress import Progress as Bar

        assert isinstance(bar, Bar)
        self.bar = bar
        self.task = bar.add_task("", total=None, visible=False)

    def start(self, label: str, total: int | None) -> None:
        self.bar.reset(self.task, description=label, total=total, visible=True)

    def advance(self, amount: int) -> None:
        self.bar.advance(self.task, amount)
