"""`mmtrain predict MODEL --image FILE --question TEXT -o DIR`: one answer, with its masks."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

NAME = "predict"


def command(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Directory that `mmtrain export` wrote.")],
    image: Annotated[str, typer.Option(help="The picture.")],
    question: Annotated[str, typer.Option(help="What to ask about it.")],
    output: Annotated[
        str, typer.Option("--output", "-o", help="Folder for answer.json and overlay.png.")
    ] = "prediction",
    region: Annotated[
        list[str] | None,
        typer.Option(metavar="MASK", help="Picture of a mask, one for each <region> of the question."),
    ] = None,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="The answer ends there at the latest.")] = 512,
    dtype: Annotated[
        str | None, typer.Option(help="fp32, bf16 or fp16; default: fp32 on a CPU, else bf16.")
    ] = None,
) -> int:
    """Ask about a picture; prints the answer, writes it with its masks as RLE, and the picture with masks laid over."""
    from mmdata.errors import UsageError
    from mmtrain.loading import load
    from mmtrain.predict import predict
    from mmtrain.quiet import quiet

    if dtype not in (None, "fp32", "bf16", "fp16"):
        raise UsageError(f"--dtype: expected fp32, bf16 or fp16, got {dtype}")
    quiet()
    loaded = load(model, dtype=dtype)  # type: ignore[arg-type]
    done = predict(loaded, image, question, output, regions=region or (), max_new_tokens=max_new_tokens)
    print(done.answer.text)
    count = len(done.answer.masks)
    what = f"{count} {'mask' if count == 1 else 'masks'}, " if loaded.draws else ""
    print(
        f"mmtrain: {what}written: {', '.join(str(p) for p in (done.json, done.overlay) if p)}",
        file=sys.stderr,
    )
    return 0
