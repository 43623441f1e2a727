from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mmdata.io.read import open_source
from mmdata.io.record import Item, Problem, RawRecord


class Reading:
    """What a file read as: its items, records and problems."""

    def __init__(self, items: list[Item]) -> None:
        self.items = items
        self.records = [item for item in items if isinstance(item, RawRecord)]
        self.good = [record for record in self.records if record.problem is None]
        loose = [item for item in items if isinstance(item, Problem)]
        broken = [record.problem for record in self.records if record.problem is not None]
        self.problems = sorted(loose + broken, key=lambda problem: problem.start)
        self.kinds = [problem.kind for problem in self.problems]


@pytest.fixture(scope="session")
def read(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Reading]:
    """Write bytes to a file and read its records."""
    folder = tmp_path_factory.mktemp("read")
    numbers = itertools.count()

    def run(
        data: bytes, *, block: int = 1 << 18, expect: Any = None, limit: int = 64 << 20, name: str = ""
    ) -> Reading:
        path: Path = folder / (name or f"{next(numbers) % 50}.json")
        path.write_bytes(data)
        with open_source(str(path), max_record_bytes=limit, block_bytes=block) as source:
            return Reading(list(source.records(expect=expect)))

    return run
