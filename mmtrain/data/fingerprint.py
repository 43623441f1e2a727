"""What a run's data are, to be kept beside each checkpoint: a place in the data order means nothing over other data."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmdata.errors import UsageError
from mmtrain.data.sources import Source
from mmtrain.settings import Settings

EDGE = 1 << 20
"""Bytes of a file's beginning and end that the digest covers, besides its length."""


def fingerprint(settings: Settings, models: Mapping[str, Path] | None = None) -> dict[str, Any]:
    """All that the data order follows from, and a digest of each training file, as JSON.

    Args:
        settings: of the run.
        models: directories that the recipe takes weights from besides the model's: the key of the config that names each,
            and where it lies.
    """
    s = settings
    cycle = s.mixture in ("geopixel", "xcomposer")
    return {
        "mixture": s.mixture,
        "batch_size": s.per_device_train_batch_size if cycle else None,
        "seed": s.seed,
        "files": [_file(source) for source in s.train],
        "models": {key: _model(folder) for key, folder in (models or {}).items()},
    }


def _file(source: Source) -> dict[str, Any]:
    return {
        "path": source.path,
        "records": len(source),
        "number": source.number,
        "unit": source.unit,
        "digest": _digest(source.path),
    }


def _model(folder: Path) -> dict[str, str]:
    """Config and weights of a model directory, each with its digest."""
    found = [folder / "config.json", *sorted(folder.glob("*.safetensors")), *sorted(folder.glob("*.bin"))]
    return {path.name: _digest(str(path)) for path in found if path.exists()}


def _digest(path: str) -> str:
    """Of the length, the first and the last MiB: the same effort for a file of any size; "" of a folder."""
    if os.path.isdir(path):
        return ""
    size = os.path.getsize(path)
    told = hashlib.blake2b(str(size).encode(), digest_size=16)
    with open(path, "rb") as file:
        told.update(file.read(EDGE))
        file.seek(max(EDGE, size - EDGE))
        told.update(file.read(EDGE))
    return told.hexdigest()


def check_same(saved: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Compare the data of a checkpoint with those of the run that goes on from it.

    Args:
        saved: `fingerprint` of the run that wrote the checkpoint.
        now: of this run.

    Returns:
        Warnings: files with other content but as many records; the order of positions is the same.

    Raises:
        UsageError: another mixture, seed, set of files, weight or number of records: the order cannot be continued; or other
            weights in a model directory that the recipe takes some from.
    """
    _check_models(saved.get("models", {}), now["models"])
    wrong = [
        f"{key} was {saved[key]}, now {now[key]}"
        for key in ("mixture", "batch_size", "seed")
        if saved[key] != now[key]
    ]
    before, after = saved["files"], now["files"]
    if len(before) != len(after):
        wrong.append(f"{len(before)} training files, now {len(after)}")
    warnings = []
    for old, new in zip(before, after, strict=False):
        changed = [key for key in ("records", "number", "unit") if old[key] != new[key]]
        wrong += [f"{new['path']}: {key} was {old[key]}, now {new[key]}" for key in changed]
        if not changed and old["digest"] != new["digest"]:
            warnings.append(
                f"{new['path']}: the content is not what the checkpoint was trained on; the order of records goes on"
            )
    if wrong:
        raise UsageError(
            f"resume: the data order cannot go on: {'; '.join(wrong)}; go back to what the checkpoint was written with, or "
            "begin a run with another output_dir from exported weights"
        )
    return warnings


def _check_models(saved: dict[str, dict[str, str]], now: dict[str, dict[str, str]]) -> None:
    for key, before in saved.items():
        after = now.get(key, {})
        other = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
        if other:
            raise UsageError(
                f"resume: {key}: {', '.join(other)}: not what the checkpoint was trained with; what is frozen of it comes from "
                "there: go back to it, or begin a run with another output_dir from exported weights"
            )
