"""`mmtrain evaluate` for the tasks on a data file with masks or regions."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmtrain.evaluate.results import Evaluated


def score_file_task(
    model: str,
    task: str,
    data: str,
    output: str | None,
    limit: int | None,
    max_new_tokens: int,
    dtype: str | None,
    options: dict[str, Any],
    *,
    as_document: bool,
) -> int:
    """A task on a data file, for which `mmtrain.evaluate` has a module: ask, print the scores, give the exit code."""
    from mmtrain.cli._ask import ended, on_ranks
    from mmtrain.evaluate.ranks import ranks
    from mmtrain.loading import load
    from mmtrain.quiet import quiet

    nproc = options.pop("nproc", 1)
    if nproc > 1:
        _readable(task, data, options)  # what is wrong with it is said once
        return on_ranks(model, nproc)
    quiet()
    rank, _ = ranks()
    loaded = load(model, dtype=dtype)  # type: ignore[arg-type]
    live = sys.stderr.isatty() and rank == 0

    def on_step(done: int, total: int) -> None:
        if live:
            print(f"\r{done}/{total}", end="" if done < total else "\n", file=sys.stderr, flush=True)

    found = import_module(f"mmtrain.evaluate.{task}").evaluate(
        loaded, data, limit=limit, max_new_tokens=max_new_tokens, output=output, on_step=on_step, **options
    )
    if rank:
        return 0
    print(json.dumps(found.told, indent=1) + "\n" if as_document else _as_text(found), end="")
    for problem in found.bad:
        print(f"mmtrain: left out: {problem}", file=sys.stderr)
    if found.folder is not None:
        print(f"mmtrain: written: {found.folder}", file=sys.stderr)
    return ended(bool(found.bad))


def _as_text(found: Evaluated) -> str:
    from mmtrain.cli._scores import as_text

    if hasattr(found.scores, "cards"):  # of a task that `mmtrain score` knows
        return as_text(found.scores)
    rows = [(name, value) for name, value in found.told.items() if not isinstance(value, (dict, list))]
    shown = [
        (name, "-" if value is None else f"{value:.4f}" if isinstance(value, float) else value)
        for name, value in rows
    ]
    return "".join(f"{name:<16} {value}\n" for name, value in shown)


def _readable(task: str, data: str, options: dict[str, Any]) -> None:
    if task == "regions":
        from mmtrain.evaluate.regions import read

        read(data)
    else:
        import mmdata

        mmdata.open(data, format=options.get("format"))
