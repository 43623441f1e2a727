"""`mmtrain check config.yaml`: everything that can be known before training."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from mmtrain.preflight import Step

NAME = "check"


def command(
    config: Annotated[str, typer.Argument(metavar="CONFIG", help="YAML of the run.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE ...]", help="Overrides, as for launch.")
    ] = None,
    gpus: Annotated[
        int, typer.Option(min=1, help="How many GPUs to train on: the memory estimate is for these.")
    ] = 1,
    count: Annotated[
        int,
        typer.Option("--count", "-n", min=1, help="How many samples to measure, spread over the data."),
    ] = 1000,
    no_step: Annotated[
        bool, typer.Option("--no-step", help="Do not load the model to train, save and reload one step.")
    ] = False,
) -> int:
    """Validate data, tokenizer and template, show a sample, estimate memory, train one step, save and reload."""
    from mmtrain.config import load_config
    from mmtrain.preflight import preflight
    from mmtrain.quiet import quiet

    parsed = load_config(config, overrides or [])
    quiet()
    failed = warned = 0
    for step in preflight(parsed, ranks=gpus, samples=count, step=not no_step):
        _print(step)
        failed += step.verdict == "failed"
        warned += step.verdict == "warning"
    if failed:
        print(f"\nnot ready: {failed} {'step' if failed == 1 else 'steps'} failed")
        return 1
    print(f"\nready to train{f', {warned} with warnings' if warned else ''}: mmtrain launch {config}")
    return 0


_COLORS = {"ok": "32", "warning": "33", "failed": "31"}


def _print(step: Step) -> None:
    colored = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    word = f"\033[{_COLORS[step.verdict]}m{step.verdict}\033[0m" if colored else step.verdict
    print(f"{step.name}: {word}")
    for line in step.lines:
        print(f"  {line}")
    if step.sample:
        # Without colours, brackets stand around what carries loss.
        left, right = ("\033[30;42m", "\033[0m") if colored else ("⟦", "⟧")
        text = "".join(f"{left}{piece}{right}" if loss else piece for piece, loss in step.sample)
        print("\n".join(f"  │ {line}" for line in text.splitlines()))
    sys.stdout.flush()
