"""`mmtrain make-tiny --family F -o DIR`: a complete tiny random model."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from mmdata.cli.options import Force, OutputDir, Seed

NAME = "make-tiny"


def command(
    output: OutputDir,
    family: Annotated[
        str,
        typer.Option(help="internvl, qwen2_vl, qwen2_5_vl or llava_onevision; sam2, sam3: a mask decoder."),
    ] = "internvl",
    text: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Text that the tokenizer is trained on, a line a sample."),
    ] = None,
    hidden_size: Annotated[int, typer.Option(help="Width of the language model.")] = 32,
    layers: Annotated[int, typer.Option(help="Layers of the language model.")] = 2,
    vocab_size: Annotated[int, typer.Option(help="Tokens at most, special ones not counted.")] = 400,
    side: Annotated[
        int,
        typer.Option(
            help="Side of a tile in pixels, a multiple of 28; sam2: of a picture, 128 if left out, a multiple of 32; "
            "sam3: 112, of 56."
        ),
    ] = 28,
    seed: Seed = 0,
    force: Force = False,
) -> int:
    """Build a tiny random model with tokenizer, processor and chat template: to try things without a hub."""
    from importlib import import_module
    from pathlib import Path

    from mmtrain.quiet import quiet
    from mmtrain.tiny import Shape, make_tiny

    quiet()
    if family in ("sam2", "sam3"):
        decoder = import_module(f"mmtrain.tiny_{family}")
        chosen = decoder.SIDE if side == 28 else side
        path, weights = getattr(decoder, f"make_tiny_{family}")(output, side=chosen, seed=seed, force=force)
        print(f"{path}: {family}, {weights} weights", file=sys.stderr)
        return 0
    lines = Path(text).read_text("utf-8").splitlines() if text else None
    shape = Shape(hidden_size=hidden_size, layers=layers, vocab_size=vocab_size, tile=side)
    made = make_tiny(family, output, text=lines, seed=seed, shape=shape, force=force)
    print(f"{made.directory}: {family}, {made.weights} weights, {made.vocabulary} tokens", file=sys.stderr)
    return 0
