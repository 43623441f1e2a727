"""Checkpoints: whole or not there, the last few kept, and all it takes to go on bit for bit.

A checkpoint is written beside its final name and renamed when every rank is done and everything is on disk; a killed run
leaves a ``.partial`` directory that the next one removes. It holds DeepSpeed's state (weights, optimizer), ``trainer.json``
(step, place in the data order, packing buffer, order hash, settings) and the random state of each rank.

The number of ranks may change with ZeRO stage 0: the data order does not depend on it, and each rank's random state is
that of the rank of the same number modulo the old count. From stage 1 on optimizer state is cut by rank, and another
number of ranks is refused.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
from pathlib import Path
from typing import Any

from mmdata.errors import UsageError

_NAME = re.compile(r"checkpoint-(\d+)")
TAG = "weights"
"""DeepSpeed's tag within a checkpoint."""


def checkpoints(run: str | Path) -> list[Path]:
    """Complete checkpoints of a run, oldest first."""
    found = [
        p for p in Path(run).glob("checkpoint-*") if _NAME.fullmatch(p.name) and (p / "trainer.json").exists()
    ]
    return sorted(found, key=lambda p: int(p.name.split("-")[1]))


def to_resume(settings_resume: str | None, run: str | Path) -> Path | None:
    """The checkpoint to go on from.

    Raises:
        UsageError: a named one is not there or not complete.
    """
    if settings_resume is None:
        return None
    if settings_resume == "auto":
        found = checkpoints(run)
        return found[-1] if found else None
    path = Path(settings_resume)
    if not (path / "trainer.json").exists():
        raise UsageError(f"resume: {path}: no complete checkpoint there (trainer.json is missing)")
    return path


def save(
    engine: Any,
    run: str | Path,
    step: int,
    state: dict[str, Any],
    *,
    keep: int,
    best: int | None = None,
    adapters: bool = False,
) -> Path:
    """Write a checkpoint; every rank must call it.

    Args:
        engine: DeepSpeed's engine.
        run: output directory.
        step: optimizer steps done.
        state: what else to save, JSON.
        keep: checkpoints to keep; 0 keeps all.
        best: step of a checkpoint that is kept besides.
        adapters: leave frozen weights out: they are the base model's.
    """
    import torch
    import torch.distributed as dist

    rank = dist.get_rank()
    final = Path(run) / f"checkpoint-{step}"
    partial = final.with_name(final.name + ".partial")
    if rank == 0:
        for stale in Path(run).glob("checkpoint-*.partial"):
            shutil.rmtree(stale)
        partial.mkdir(parents=True)
    dist.barrier()
    engine.save_checkpoint(str(partial), tag=TAG, exclude_frozen_parameters=adapters)
    torch.save(random_state(), partial / f"random-{rank}.pt")
    dist.barrier()
    if rank == 0:
        text = json.dumps({"step": step, "world_size": dist.get_world_size(), **state}, indent=1)
        (partial / "trainer.json").write_text(text, "utf-8")
        for file in partial.rglob("*"):
            _sync(file)
        _sync(partial)
        if final.exists():
            shutil.rmtree(final)
        partial.rename(final)
        _sync(final.parent)
        old = checkpoints(run)[:-keep] if keep else []
        for path in old:
            if path.name != f"checkpoint-{best}":
                shutil.rmtree(path)
    dist.barrier()
    return final


def read_state(path: Path) -> dict[str, Any]:
    """The state given to `save`, with ``step`` and ``world_size``."""
    state: dict[str, Any] = json.loads((path / "trainer.json").read_text("utf-8"))
    return state


def check_world(path: Path, world: int, stage: int) -> None:
    """Whether so many ranks can go on from a checkpoint.

    Raises:
        UsageError: the checkpoint was written by another number of ranks, and the ZeRO stage needs the same.
    """
    wrote = read_state(path)["world_size"]
    if world != wrote and stage > 0:
        raise UsageError(
            f"{path}: written by {wrote} ranks, now {world}; with ZeRO stage {stage} the number must be the same "
            f"(stage 0 takes any)"
        )


def load(engine: Any, path: Path, *, adapters: bool = False) -> dict[str, Any]:
    """Restore engine and random state; every rank must call it.

    Returns:
        See `read_state`.

    Raises:
        UsageError: there are no weights.
    """
    import torch
    import torch.distributed as dist

    state = read_state(path)
    loaded, _ = engine.load_checkpoint(str(path), tag=TAG, load_module_strict=not adapters)
    if loaded is None:
        raise UsageError(f"{path}: DeepSpeed found no weights there")
    rng = torch.load(path / f"random-{dist.get_rank() % state['world_size']}.pt", weights_only=False)
    set_random_state(rng)
    return state


def random_state() -> dict[str, Any]:
    """State of every random generator of this process."""
    import numpy as np
    import torch

    state = {"python": random.getstate(), "numpy": np.random.get_state(), "torch": torch.get_rng_state()}
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state()
    return state


def set_random_state(state: dict[str, Any]) -> None:
    """Restore what `random_state` gave."""
    import numpy as np
    import torch

    random.setstate(state["python"])
    np.random.set_state(state["numpy"])
    torch.set_rng_state(state["torch"])
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
