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
from dataclasses import fields
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

from mmdata.errors import UsageError
from mmtrain.data.packing import State
from mmtrain.settings import Settings, from_plain

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
        UsageError: a named one is not there, not complete or damaged; or later ones lie in the run's directory, which the run
            would mix with its own.
    """
    if settings_resume == "auto":
        found = checkpoints(run)
        path = found[-1] if found else None
    else:
        path = Path(settings_resume) if settings_resume is not None else None
    if path is not None:
        if not (path / "trainer.json").exists():
            raise UsageError(f"resume: {path}: no complete checkpoint there (trainer.json is missing)")
        check_whole(path)
    start = read_state(path)["step"] if path is not None else 0
    later = [one.name for one in checkpoints(run) if int(one.name.split("-")[1]) > start]
    if later:
        raise UsageError(
            f"output_dir: {run}: {', '.join(later)} of an earlier run would be mixed with those of a run that begins after step "
            f"{start}; `resume: auto` goes on from {later[-1]}, another output_dir begins anew, or move them away"
        )
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


_STATE: dict[str, type | tuple[type, ...]] = {
    "step": int,
    "world_size": int,
    "rows": dict,
    "order_hash": str,
    "tokens": int,
    "samples": int,
    "bad": int,
    "best": (list, type(None)),
    "since_best": int,
    "settings": dict,
    "data": dict,
}
"""What `trainer.json` holds."""


def read_state(path: Path) -> dict[str, Any]:
    """The state given to `save`, with ``step`` and ``world_size``.

    Raises:
        UsageError: it is damaged, or of another version.
    """
    file = path / "trainer.json"
    try:
        state = json.loads(file.read_text("utf-8"))
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{file}: damaged, not JSON: {error}; {_INSTEAD}") from None
    if not isinstance(state, dict):
        raise UsageError(f"{file}: damaged: expected an object, got {type(state).__name__}; {_INSTEAD}")
    for key, kind in _STATE.items():
        if key not in state:
            raise UsageError(
                f"{file}: lacks {key}: damaged, or written by another version of mmtrain; {_INSTEAD}"
            )
        if not isinstance(state[key], kind) or state[key] is True:
            raise UsageError(f"{file}: {key} is {str(state[key])[:40]!r}: damaged; {_INSTEAD}")
    if set(state["rows"]) != {field.name for field in fields(State)} or state["world_size"] < 1:
        raise UsageError(
            f"{file}: rows or world_size: damaged, or written by another version of mmtrain; {_INSTEAD}"
        )
    return state


_INSTEAD = "go on from another checkpoint (resume_from_checkpoint=DIR) once this one is moved away"


def check_whole(path: Path) -> None:
    """Whether a checkpoint's files are there to their ends; their content is not read.

    Raises:
        UsageError: one is missing or cut off, or `trainer.json` is damaged.
    """
    state = read_state(path)
    if os.environ.get("RANK", "0") != "0":
        return  # hundreds of ranks need not look at hundreds of files each
    world = state["world_size"]
    weights = sorted((path / TAG).glob("*_states.pt"))
    shards = [file for file in weights if file.name.endswith("optim_states.pt")]
    if len(shards) not in (0, world) or not any(file.name.endswith("model_states.pt") for file in weights):
        raise UsageError(
            f"{path / TAG}: weights are missing: {len(weights)} files, {len(shards)} of {world} optimizer shards; {_INSTEAD}"
        )
    for file in (*weights, *(path / f"random-{rank}.pt" for rank in range(world))):
        if not file.is_file():
            raise UsageError(f"{file}: is missing; {_INSTEAD}")
        if not is_zipfile(file):  # as torch writes them; the directory of a zip file stands at its end
            raise UsageError(f"{file}: is cut off or damaged; {_INSTEAD}")


def settings_of(path: Path) -> Settings:
    """The settings that a checkpoint was trained with.

    Raises:
        UsageError: it is damaged, or of another version.
    """
    try:
        return from_plain(read_state(path)["settings"])
    except TypeError as error:
        raise UsageError(f"{path}: written by another version of mmtrain: {error}") from None


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
