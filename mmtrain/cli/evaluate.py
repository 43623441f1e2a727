"""`mmtrain evaluate MODEL DATA --task grounding`: scores of an exported model."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

NAME = "evaluate"


def command(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Directory that `mmtrain export` wrote.")],
    data: Annotated[str, typer.Argument(metavar="DATA", help="Data file with masks, of any format.")],
    task: Annotated[str, typer.Option(help="What is scored: grounding.")] = "grounding",
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", help="Folder for predictions (GeoPixel RLE records) and scores."),
    ] = None,
    text: Annotated[
        str,
        typer.Option(
            help="own: the model writes its answers; given: the true ones, and only masks are its own."
        ),
    ] = "own",
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
    """Ask for every answer of a file and compare masks with the true ones: cIoU, gIoU, recall, AP50, mask recall."""
    import json

    from mmdata.errors import UsageError
    from mmtrain.evaluate import evaluate, finite
    from mmtrain.loading import load
    from mmtrain.quiet import quiet

    if text not in ("own", "given"):
        raise UsageError(f"--text: expected own or given, got {text}")
    if dtype not in (None, "fp32", "bf16", "fp16"):
        raise UsageError(f"--dtype: expected fp32, bf16 or fp16, got {dtype}")
    quiet()
    loaded = load(model, dtype=dtype)  # type: ignore[arg-type]
    live = sys.stderr.isatty()

    def on_step(done: int, total: int) -> None:
        if live:
            print(f"\r{done}/{total}", end="" if done < total else "\n", file=sys.stderr, flush=True)

    found = evaluate(
        loaded,
        data,
        task=task,
        format=format,
        media_root=media_root,
        text=text,  # type: ignore[arg-type]
        limit=limit,
        max_new_tokens=max_new_tokens,
        output=output,
        on_step=on_step,
    )
    print(json.dumps(finite(found.scores), indent=1))
    for problem in found.bad:
        print(f"mmtrain: left out: {problem}", file=sys.stderr)
    if found.folder is not None:
        print(f"mmtrain: written: {found.folder}", file=sys.stderr)
    return 1 if found.bad else 0
