"""Which options of `mmtrain evaluate` mean something for which task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmdata.errors import UnknownName, UsageError
from mmtrain.evaluate import TASKS

SHARED = frozenset({"batch_size", "nproc"})
OWN: dict[str, frozenset[str]] = {
    "grounding": SHARED | {"media_root", "format", "answers"},
    "regions": SHARED | {"media_root", "frames"},
    "drivelm": SHARED | {"scorer", "test_file"},
}
"""Task -> its options; those of any other set of questions are `QUESTIONS`."""

QUESTIONS = SHARED | {"scorer"}

WORDS = {
    "answers": ("own", "given"),
    "frames": ("single", "multi"),
    "scorer": ("both", "upstream", "strict"),
}
"""Option -> what it may be."""


def options_of(task: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The options that were given, all of which mean something for the task.

    Args:
        task: one of `TASKS` or a set of questions of `mmdata.scoring`.
        given: option -> value, None where it was not given.

    Raises:
        UnknownName: there is no such task.
        UsageError: an option means nothing for the task, or is none of its words.
    """
    from mmdata.scoring import all_tasks

    if task not in TASKS and task not in all_tasks():
        raise UnknownName("task", task, [*TASKS, *all_tasks()])
    own = OWN.get(task, QUESTIONS)
    options = {name: value for name, value in given.items() if value is not None}
    for name, value in options.items():
        words = WORDS.get(name, ())
        if words and value not in words:
            raise UsageError(f"--{name}: expected {', '.join(words[:-1])} or {words[-1]}, got {value}")
        if name not in own:
            raise UsageError(f"--{name.replace('_', '-')} means nothing for --task {task}")
    return options


__all__ = ["options_of"]
