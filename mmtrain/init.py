"""Configs to begin with: each a commented YAML of `mmtrain/configs`, the same as in ``examples/configs``."""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path

from mmdata.errors import UnknownName, UsageError


def recipes() -> dict[str, str]:
    """Name and first comment line of every config."""
    found = {}
    for file in files("mmtrain").joinpath("configs").iterdir():
        if file.name.endswith(".yaml"):
            found[file.name.removesuffix(".yaml")] = file.read_text("utf-8").splitlines()[0].lstrip("# ")
    return dict(sorted(found.items()))


def text_of(recipe: str) -> str:
    """The commented YAML.

    Raises:
        UnknownName: there is no such recipe.
    """
    if recipe not in recipes():
        raise UnknownName("recipe", recipe, recipes())
    return files("mmtrain").joinpath("configs", f"{recipe}.yaml").read_text("utf-8")


def init(recipe: str, output: str | Path, *, force: bool = False) -> Path:
    """Write a config to begin with.

    Raises:
        UnknownName: there is no such recipe.
        UsageError: the file is there already.
    """
    text = text_of(recipe)
    path = Path(output)
    if path.exists() and not force:
        raise UsageError(f"{path}: is there already; --force replaces it")
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, "utf-8")
    os.replace(partial, path)
    return path
