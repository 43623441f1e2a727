"""Samples that were left out: listed in a file, told once each."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mmtrain.data.sources import BadSample

QUARANTINE = "quarantine.jsonl"


class Quarantine:
    """The file of a run's bad samples; rank 0 writes it.

    Args:
        run: output directory.
        rank: of this process.
        world: number of ranks.
    """

    def __init__(self, run: str | Path, rank: int, world: int) -> None:
        self.path = Path(run) / QUARANTINE
        self.rank, self.world = rank, world
        self._told: set[tuple[str, int]] = set()

    def add(self, bad: list[BadSample], count: int, step: int) -> None:
        """List the bad samples of all ranks in a step; every rank calls it.

        Args:
            bad: this rank's.
            count: of all ranks; nothing is exchanged where there are none.
            step: its number, from 1.
        """
        import torch.distributed as dist

        if not count:
            return
        gathered: list[Any] = [None] * self.world
        dist.all_gather_object(gathered, bad)
        if self.rank == 0:
            everyone = [one for each in gathered for one in each]
            with open(self.path, "a", encoding="utf-8") as file:
                file.writelines(
                    json.dumps({"step": step, **asdict(one)}, ensure_ascii=False) + "\n" for one in everyone
                )
            for one in everyone:
                if (one.source, one.record) not in self._told:  # it is bad again in every epoch
                    self._told.add((one.source, one.record))
                    print(f"left out: {one}", file=sys.stderr)  # noqa: T201


def bad_records(path: Path) -> int:
    """How many different records a quarantine file lists."""
    # Not splitlines: a reason may hold a separator of lines that JSON leaves as it is.
    lines = [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]
    return len({(line["source"], line["record"]) for line in lines})
