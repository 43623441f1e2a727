"""`mmtrain init --recipe NAME`: a commented config to begin with."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from mmdata.cli.options import Force

NAME = "init"


def command(
    recipe: Annotated[str | None, typer.Option(help="Which; left out: list them.")] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="File to write; RECIPE.yaml otherwise. - prints it."
        ),
    ] = None,
    gpus: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="How many GPUs to train on: keeps the published batch of the mini-internvl-*-DOMAIN recipes.",
        ),
    ] = None,
    force: Force = False,
) -> int:
    """Write a commented config to begin with."""
    from mmtrain.init import for_gpus, init, recipes, text_of

    if recipe is None:
        for name, about in recipes().items():
            print(f"{name:24} {about}")
        return 0
    if output == "-":
        print(text_of(recipe) if gpus is None else for_gpus(recipe, gpus), end="")
        return 0
    path = init(recipe, output or f"{recipe}.yaml", gpus=gpus, force=force)
    print(f"{path}: set model_name_or_path and data, then: mmtrain check {path}", file=sys.stderr)
    return 0
