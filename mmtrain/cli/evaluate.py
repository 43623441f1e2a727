"""`mmtrain evaluate MODEL --task TASK --data DATA`: scores of an exported model."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

NAME = "evaluate"


def command(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Directory that `mmtrain export` wrote.")],
    task: Annotated[
        str,
        typer.Option(
            help="grounding, regions, or a set of questions: rsvqa-lr, rsvqa-hr-test1, rsvqa-hr-test2, dior-rsvg, "
            "mme-realworld-ad, drivelm."
        ),
    ],
    data: Annotated[
        str,
        typer.Option(
            metavar="PATH",
            help="grounding: data file with masks, of any format; regions: VideoRefer-Bench-Q or -D; else the directory "
            "with `val` and `images`.",
        ),
    ],
    output: Annotated[
        str | None, typer.Option("--output", "-o", metavar="DIR", help="Folder for answers and scores.")
    ] = None,
    media_root: Annotated[
        str | None, typer.Option(help="grounding, regions: directory that relative media paths start from.")
    ] = None,
    format: Annotated[str | None, typer.Option(help="grounding: format of the data file.")] = None,
    text: Annotated[
        str | None,
        typer.Option(
            help="grounding: own (default): the model writes its answers; given: the true ones, only masks are its own."
        ),
    ] = None,
    frames: Annotated[
        str | None,
        typer.Option(help="regions: single (default): masks of `frame_idx` alone; multi: of all frames."),
    ] = None,
    scorer: Annotated[
        str | None,
        typer.Option(help="questions: upstream (as published), strict (without quirks) or both (default)."),
    ] = None,
    test_file: Annotated[
        str | None, typer.Option(metavar="FILE", help="drivelm: the challenge's test file, to score with.")
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(min=1, help="Records asked together, padded on the left; default 1."),
    ] = None,
    nproc: Annotated[
        int | None, typer.Option(min=1, help="Processes that share the records; default 1.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Most records.")] = None,
    max_new_tokens: Annotated[
        int | None,
        typer.Option(min=1, help="An answer ends there at the latest; default: as published, else 512."),
    ] = None,
    dtype: Annotated[
        str | None, typer.Option(help="fp32, bf16 or fp16; default: fp32 on a CPU, else bf16.")
    ] = None,
) -> int:
    """Ask an exported model and score its answers.

    grounding: masks against the true ones: cIoU, gIoU, recall, AP50, mask recall. regions: multiple choice about regions of
    videos, by type; descriptions are written for an external judge. Sets of questions: asked in parallel, resumable, scored
    as `mmtrain score` does.
    """
    from mmdata.errors import UnknownName, UsageError
    from mmdata.scoring import all_tasks
    from mmtrain.cli._ask import ask_and_score
    from mmtrain.evaluate import TASKS

    if dtype not in (None, "fp32", "bf16", "fp16"):
        raise UsageError(f"--dtype: expected fp32, bf16 or fp16, got {dtype}")
    if task not in TASKS and task not in all_tasks():
        raise UnknownName("task", task, [*TASKS, *all_tasks()])
    own = {
        "grounding": {"media_root", "format", "text", "batch_size", "nproc"},
        "regions": {"media_root", "frames", "batch_size", "nproc"},
    }.get(task, {"scorer", "batch_size", "nproc", *(("test_file",) if task == "drivelm" else ())})
    given = {
        "media_root": media_root,
        "format": format,
        "text": _one_of("text", text, "own", "given"),
        "frames": _one_of("frames", frames, "single", "multi"),
        "scorer": _one_of("scorer", scorer, "both", "upstream", "strict"),
        "test_file": test_file,
        "batch_size": batch_size,
        "nproc": nproc,
    }
    for name, value in given.items():
        if value is not None and name not in own:
            raise UsageError(f"--{name.replace('_', '-')} means nothing for --task {task}")
    if task in TASKS:
        options = {name: value for name, value in given.items() if value is not None}
        return _file_task(model, task, data, output, limit, max_new_tokens or 512, dtype, options)
    if output is None:
        raise UsageError(
            "--output DIR: the answers need a place, so that a run can go on where it was stopped"
        )
    return ask_and_score(
        model,
        task,
        data,
        output,
        scorer=scorer or "both",
        test_file=test_file,
        batch_size=batch_size or 1,
        limit=limit,
        max_new_tokens=max_new_tokens,
        dtype=dtype,
        nproc=nproc or 1,
    )


def _one_of(name: str, value: str | None, *known: str) -> str | None:
    from mmdata.errors import UsageError

    if value is not None and value not in known:
        raise UsageError(f"--{name}: expected {', '.join(known[:-1])} or {known[-1]}, got {value}")
    return value


def _file_task(
    model: str,
    task: str,
    data: str,
    output: str | None,
    limit: int | None,
    max_new_tokens: int,
    dtype: str | None,
    options: dict[str, Any],
) -> int:
    """A task on a data file: `mmtrain.evaluate` has a module for it."""
    import json
    from importlib import import_module

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
    print(json.dumps(found.told, indent=1))
    for problem in found.bad:
        print(f"mmtrain: left out: {problem}", file=sys.stderr)
    if found.folder is not None:
        print(f"mmtrain: written: {found.folder}", file=sys.stderr)
    return ended(bool(found.bad))


def _readable(task: str, data: str, options: dict[str, Any]) -> None:
    if task == "regions":
        from mmtrain.evaluate.regions import read

        read(data)
    else:
        import mmdata

        mmdata.open(data, format=options.get("format"))
