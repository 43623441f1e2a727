"""`mmtrain init --recipe NAME`: a commented config to begin with."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

NAME = "init"


def command(
    recipe: Annotated[str | None, typer.Option(help="Which; left out: list them.")] = None,
    output: Annotated[
        str | None, typer.Option("--output", "-o", help="File to write; default: RECIPE.yaml. - prints it.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace what is there.")] = False,
) -> int:
    """Write a commented config to begin with."""
    from mmtrain.init import init, recipes, text_of

    if recipe is None:
        for name, about in recipes().items():
            print(f"{name:20} {about}")
        return 0
    if output == "-":
        print(text_of(recipe), end="")
        return 0
    path = init(recipe, output or f"{recipe}.yaml", force=force)
    print(f"{path}: set model_name_or_path and data, then: mmtrain check {path}", file=sys.stderr)
    return 0
