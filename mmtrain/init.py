"""Configs to begin with: each a commented YAML of `mmtrain/configs`, the same as in ``examples/configs``."""

from __future__ import annotations

import os
import re
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


_PUBLISHED = re.compile(r"^# Published for (\d+) GPUs: ", re.MULTILINE)
_ACCUMULATION = re.compile(r"^gradient_accumulation_steps: (\d+)(.*)$", re.MULTILINE)


def for_gpus(recipe: str, gpus: int) -> str:
    """The YAML with as many gradient accumulation steps as keep the published batch on another number of GPUs.

    Only the accumulation changes: GPUs x ``per_device_train_batch_size`` x ``gradient_accumulation_steps`` stays what the
    published script has on its GPUs, and with it the learning rate and the number of steps mean the same.

    Raises:
        UnknownName: there is no such recipe.
        UsageError: its batch cannot be divided among so many, or it names no published number of GPUs.
    """
    text = text_of(recipe)
    published, accumulation = _PUBLISHED.search(text), _ACCUMULATION.search(text)
    if published is None or accumulation is None:
        raise UsageError(
            f"{recipe}: names no published number of GPUs; set gradient_accumulation_steps in the config by hand"
        )
    rounds = int(published.group(1)) * int(accumulation.group(1))
    if gpus < 1 or rounds % gpus:
        possible = ", ".join(str(n) for n in range(1, rounds + 1) if rounds % n == 0)
        raise UsageError(
            f"{recipe}: the published batch cannot be kept on {gpus} GPUs; it can on {possible}; on others set "
            "gradient_accumulation_steps, learning_rate and max_steps by hand"
        )
    line = f"gradient_accumulation_steps: {rounds // gpus}{accumulation.group(2)}"
    if gpus != int(published.group(1)):
        line += f"; the published batch on {gpus} GPUs"
    return text[: accumulation.start()] + line + text[accumulation.end() :]


def init(recipe: str, output: str | Path, *, gpus: int | None = None, force: bool = False) -> Path:
    """Write a config to begin with.

    Args:
        recipe: name of the config.
        output: the file to write.
        gpus: that training will run on, see `for_gpus`; None: the config as it is.
        force: replace the file.

    Raises:
        UnknownName: there is no such recipe.
        UsageError: the file is there already; see `for_gpus`.
    """
    text = text_of(recipe) if gpus is None else for_gpus(recipe, gpus)
    path = Path(output)
    if path.exists() and not force:
        raise UsageError(f"{path}: is there already; --force replaces it")
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, "utf-8")
    os.replace(partial, path)
    return path
