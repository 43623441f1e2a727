"""`mmtrain predict MODEL --image FILE --question TEXT -o DIR`: one answer, with its masks."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from mmtrain.cli._options import Dtype, Model, check_dtype

NAME = "predict"


def command(
    model: Model,
    question: Annotated[str, typer.Option(help="What to ask about it.")],
    image: Annotated[str | None, typer.Option(metavar="FILE", help="The picture.")] = None,
    video: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="A video instead: a file, a gif or a directory of frames."),
    ] = None,
    output: Annotated[
        str,
        typer.Option(
            "--output", "-o", metavar="DIR", help="Directory to write: answer.json and overlay.png."
        ),
    ] = "prediction",
    region: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MASK",
            help="Picture of a mask, one for each <region> of the question; of a video FRAME=MASK, several after commas.",
        ),
    ] = None,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="An answer ends there at the latest.")] = 512,
    dtype: Dtype = None,
) -> int:
    """Ask about a picture or video; prints the answer, writes it with masks as RLE, and the picture with masks laid over.

    With regions: outlined and numbered beside question and answer; of a video every frame with a mask.
    """
    from mmdata.errors import UsageError
    from mmtrain.loading import load
    from mmtrain.predict import predict
    from mmtrain.quiet import quiet

    check_dtype(dtype)
    path = video or image
    if path is None or (video and image):
        raise UsageError("expected --image FILE or --video FILE")
    quiet()
    loaded = load(model, dtype=dtype)  # type: ignore[arg-type]
    done = predict(
        loaded,
        path,
        question,
        output,
        regions=region or (),
        video=video is not None,
        max_new_tokens=max_new_tokens,
    )
    print(done.answer.text)
    count = len(done.answer.masks)
    what = f"{count} {'mask' if count == 1 else 'masks'}, " if loaded.draws else ""
    print(
        f"mmtrain: {what}written: {', '.join(str(p) for p in (done.json, done.overlay) if p)}",
        file=sys.stderr,
    )
    return 0
