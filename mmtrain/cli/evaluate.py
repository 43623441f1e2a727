"""`mmtrain evaluate MODEL DATA --task TASK`: scores of an exported model."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

NAME = "evaluate"


def command(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Directory that `mmtrain export` wrote.")],
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA",
            help="grounding: data file with masks, of any format; regions: VideoRefer-Bench-Q or -D.",
        ),
    ],
    task: Annotated[str, typer.Option(help="What is scored: grounding or regions.")] = "grounding",
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            help="Folder for predictions (GeoPixel RLE records; regions: JSON Lines) and scores.",
        ),
    ] = None,
    text: Annotated[
        str,
        typer.Option(
            help="grounding: own: the model writes its answers; given: the true ones, and only masks are its own."
        ),
    ] = "own",
    frames: Annotated[
        str, typer.Option(help="regions: single: masks of `frame_idx` alone; multi: of all frames.")
    ] = "single",
    format: Annotated[str | None, typer.Option(help="Format of DATA; default: told by the content.")] = None,
    media_root: Annotated[
        str | None, typer.Option(help="Directory that relative media paths start from.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Most records.")] = None,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="An answer ends there at the latest.")] = 512,
    dtype: Annotated[
        str | None, typer.Option(help="fp32, bf16 or fp16; default: fp32 on a CPU, else bf16.")
    ] = None,
) -> int:
    """Ask an exported model and score its answers.

    grounding: masks against the true ones: cIoU, gIoU, recall, AP50, mask recall. regions: multiple choice about regions of
    videos, by type; descriptions are written for an external judge.
    """
    import json
    from importlib import import_module

    from mmdata.errors import UnknownName, UsageError
    from mmtrain.evaluate import TASKS
    from mmtrain.loading import load
    from mmtrain.quiet import quiet

    if task not in TASKS:
        raise UnknownName("task", task, TASKS)
    for name, value, known in (("text", text, ("own", "given")), ("frames", frames, ("single", "multi"))):
        if value not in known:
            raise UsageError(f"--{name}: expected {known[0]} or {known[1]}, got {value}")
    if dtype not in (None, "fp32", "bf16", "fp16"):
        raise UsageError(f"--dtype: expected fp32, bf16 or fp16, got {dtype}")
    quiet()
    loaded = load(model, dtype=dtype)  # type: ignore[arg-type]
    live = sys.stderr.isatty()

    def on_step(done: int, total: int) -> None:
        if live:
            print(f"\r{done}/{total}", end="" if done < total else "\n", file=sys.stderr, flush=True)

    more = {"format": format, "text": text} if task == "grounding" else {"frames": frames}
    found = import_module(f"mmtrain.evaluate.{task}").evaluate(
        loaded,
        data,
        media_root=media_root,
        limit=limit,
        max_new_tokens=max_new_tokens,
        output=output,
        on_step=on_step,
        **more,
    )
    print(json.dumps(found.told, indent=1))
    for problem in found.bad:
        print(f"mmtrain: left out: {problem}", file=sys.stderr)
    if found.folder is not None:
        print(f"mmtrain: written: {found.folder}", file=sys.stderr)
    return 1 if found.bad else 0
