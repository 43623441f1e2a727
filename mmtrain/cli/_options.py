"""Options that several verbs of mmtrain have; those that mmdata has too are in `mmdata.cli.options`."""

from __future__ import annotations

from typing import Annotated

import typer

Model = Annotated[str, typer.Argument(metavar="MODEL", help="Directory that `mmtrain export` wrote.")]
Dtype = Annotated[
    str | None, typer.Option("--dtype", help="fp32, bf16 or fp16; otherwise fp32 on a CPU, else bf16.")
]
Gpus = Annotated[int | None, typer.Option("--gpus", min=1, help="How many GPUs to train on.")]
TestFile = Annotated[
    str | None,
    typer.Option("--test-file", metavar="FILE", help="drivelm: the challenge's test file, to score with."),
]


def check_dtype(dtype: str | None) -> None:
    """Refuse an unknown precision.

    Raises:
        UsageError: it is one.
    """
    from mmdata.errors import UsageError

    if dtype not in (None, "fp32", "bf16", "fp16"):
        raise UsageError(f"--dtype: expected fp32, bf16 or fp16, got {dtype}")
