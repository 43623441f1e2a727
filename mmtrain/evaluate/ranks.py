"""Several processes that share an evaluation: who they are, and what they found brought together."""

from __future__ import annotations

import os
from typing import Any


def ranks() -> tuple[int, int]:
    """Rank and number of processes; several join a group."""
    rank, world = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    if world > 1:
        import torch.distributed as dist

        if not dist.is_initialized():
            dist.init_process_group("gloo")
    return rank, world


def share(total: int, rank: int, world: int) -> range:
    """The records of a rank: those of all ranks, one after the other, are all records in order."""
    return range(total * rank // world, total * (rank + 1) // world)


def gathered(own: Any, world: int) -> list[Any]:
    """What every rank found, in the order of ranks, on every rank."""
    if world == 1:
        return [own]
    import torch.distributed as dist

    found: list[Any] = [None] * world
    dist.all_gather_object(found, own)
    return found
