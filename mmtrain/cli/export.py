"""`mmtrain export RUN -o DIR`: a checkpoint as a model directory."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

NAME = "export"


def command(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Output directory of a run, or a checkpoint.")],
    output: Annotated[str, typer.Option("--output", "-o", help="Directory to write.")],
    step: Annotated[int | None, typer.Option(help="Which checkpoint; default: the newest.")] = None,
    adapter: Annotated[
        bool, typer.Option("--adapter", help="Write the LoRA adapters alone rather than merge them.")
    ] = False,
    dtype: Annotated[str | None, typer.Option(help="fp32, bf16 or fp16; default: as trained.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace what is there.")] = False,
) -> int:
    """Write a model that AutoModelForImageTextToText loads; done only when its logits are the trained model's."""
    from mmdata.errors import UsageError
    from mmtrain.export import export
    from mmtrain.quiet import quiet

    if dtype not in (None, "fp32", "bf16", "fp16"):
        raise UsageError(f"--dtype: expected fp32, bf16 or fp16, got {dtype}")
    quiet()
    done = export(run, output, step=step, adapter=adapter, dtype=dtype, force=force)  # type: ignore[arg-type]
    print(
        f"{done.directory}: {done.kind} of step {done.step}, {done.weights} weights; loaded again, its logits differ "
        f"by {done.difference:.1e} of the largest",
        file=sys.stderr,
    )
    return 0
