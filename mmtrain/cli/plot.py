"""`mmtrain plot RUN...`: the curves of a run as a picture."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

NAME = "plot"


def command(
    runs: Annotated[list[str], typer.Argument(metavar="RUN...", help="Output directories of runs.")],
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="FILE", help="File to write: PNG, SVG or PDF.")
    ] = "curves.png",
    key: Annotated[
        list[str] | None,
        typer.Option("--key", "-k", help="What to draw; otherwise loss, learning rate, speed."),
    ] = None,
    smooth: Annotated[float, typer.Option(help="Weight of the exponential mean; 0 draws none.")] = 0.6,
) -> int:
    """Draw the curves of train_log.jsonl."""
    from mmtrain.plot import DEFAULT, plot

    drawn = plot(runs, output, keys=key or DEFAULT, smooth=smooth)
    print(f"{output}: {', '.join(f'{k} ({n} points)' for k, n in drawn.items())}", file=sys.stderr)
    return 0
