"""`mmtrain export RUN -o DIR`: a checkpoint as a model directory."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from mmdata.cli.options import Force, OutputDir
from mmtrain.cli._options import check_dtype

NAME = "export"


def command(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Output directory of a run, or a checkpoint.")],
    output: OutputDir,
    step: Annotated[int | None, typer.Option(help="Which checkpoint; the newest otherwise.")] = None,
    adapter: Annotated[
        bool, typer.Option("--adapter", help="Write the LoRA adapters alone rather than merge them.")
    ] = False,
    dtype: Annotated[str | None, typer.Option(help="fp32, bf16 or fp16; otherwise as trained.")] = None,
    force: Force = False,
) -> int:
    """Write a model that AutoModelForImageTextToText loads; done only when its logits are the trained model's."""
    from mmtrain.export import export
    from mmtrain.quiet import quiet

    check_dtype(dtype)
    quiet()
    done = export(run, output, step=step, adapter=adapter, dtype=dtype, force=force)  # type: ignore[arg-type]
    print(
        f"{done.directory}: {done.kind} of step {done.step}, {done.weights} weights; loaded again, its logits differ "
        f"by {done.difference:.1e} of the largest",
        file=sys.stderr,
    )
    return 0
