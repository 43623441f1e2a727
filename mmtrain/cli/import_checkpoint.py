"""`mmtrain import-checkpoint SOURCE -o DIR`: released InternVL directories as native ones."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from mmdata.cli.options import Force, OutputDir

NAME = "import-checkpoint"


def command(
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="Released InternVL2 or InternVL2.5 directory.")
    ],
    output: OutputDir,
    force: Force = False,
) -> int:
    """Turn a released InternVL directory (remote code) into transformers' native classes; no weight is changed."""
    from mmtrain.import_checkpoint import import_checkpoint
    from mmtrain.quiet import quiet

    quiet()
    done = import_checkpoint(source, output, force=force)
    print(
        f"{done.directory}: {done.weights} weights, {done.backbone}; set `template: {done.template}`",
        file=sys.stderr,
    )
    for problem in done.problems:
        print(f"mmtrain: {problem}", file=sys.stderr)
    return 1 if done.problems else 0
