"""The scores of a file of predictions: both ways, with intervals, by kind, and what the two ways see differently."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import numpy as np

from mmdata.errors import UnknownName, UsageError
from mmdata.scoring.bootstrap import interval, mean
from mmdata.scoring.rows import read_rows
from mmdata.scoring.task import WAYS, Row, Sheet, Task, Way

EXAMPLES = 5


def all_tasks() -> dict[str, Task]:
    """Every task by its name; each module of `mmdata.scoring.tasks` brings its own."""
    package = import_module("mmdata.scoring.tasks")
    modules = [import_module(f"{package.__name__}.{m.name}") for m in iter_modules(package.__path__)]
    return {task.name: task for module in modules for task in module.TASKS}


def find_task(name: str) -> Task:
    """The task of a name.

    Raises:
        UnknownName: there is none.
    """
    tasks = all_tasks()
    if name not in tasks:
        raise UnknownName("task", name, sorted(tasks))
    return tasks[name]


@dataclass(slots=True)
class Score:
    """One figure.

    Attributes:
        name: the metric.
        value: the score, rounded where the published script rounds; None if nothing counts for it.
        low: lower end of the middle 95 % over resampled questions.
        high: upper end.
        rows: how many rows count.
    """

    name: str
    value: float | None
    low: float | None
    high: float | None
    rows: int


@dataclass(slots=True)
class Disagreement:
    """A row that the two ways call differently."""

    row: int
    id: Any
    response: str | None
    reference: Any
    upstream: str
    strict: str


@dataclass(slots=True)
class Card:
    """What one way of scoring gives.

    Attributes:
        scores: over all rows.
        kinds: kind -> the main metric over its rows.
        stopped: why the published script would give no score at all; "" if it would.
    """

    scores: list[Score]
    kinds: dict[str, Score]
    stopped: str = ""


@dataclass(slots=True)
class Scorecard:
    """The scores of a file of predictions.

    Attributes:
        task: the task's name.
        title: for people.
        rows: how many answers.
        cards: way -> its scores.
        only_upstream: how many rows are right by `upstream` alone.
        only_strict: how many are right by `strict` alone.
        examples: the first of both.
        difference: what the two ways treat differently.
        notes: what to know about the figures.
        worst: row numbers of wrong answers, the first of each kind in turn.
    """

    task: str
    title: str
    rows: int
    cards: dict[Way, Card]
    only_upstream: int = 0
    only_strict: int = 0
    examples: list[Disagreement] = field(default_factory=list)
    difference: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)
    worst: list[int] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


def score_file(
    path: str,
    task: str,
    *,
    data: str | None = None,
    ways: Sequence[Way] = WAYS,
    resamples: int = 1000,
    seed: int = 0,
) -> Scorecard:
    """Score predictions; no model is needed.

    Args:
        path: predictions: JSON Lines, a JSON array, or an object with ``outputs``, in the published script's layout.
        task: its name.
        data: the file that the task needs beside them (DriveLM: the challenge's test file).
        ways: ``upstream``, ``strict`` or both.
        resamples: of the bootstrap; 0 leaves the intervals out.
        seed: of the bootstrap.

    Raises:
        UnknownName: no such task.
        UsageError: no such file, or a needed one is not given.
        DataError: the rows are not the task's.
    """
    found = find_task(task)
    extra = load_data(found, data)
    rows = read_rows(path, found, tuple(all_tasks().values()))
    return score_rows(rows, found, extra, ways=ways, resamples=resamples, seed=seed)


def load_data(task: Task, path: str | None) -> Any:
    """What a task needs beside the predictions, read.

    Raises:
        UsageError: it is not given, or the task needs nothing.
        DataError: it is something else.
    """
    if task.needs and path is None:
        raise UsageError(f"{task.name} cannot be scored without {task.needs}")
    if path is None:
        return None
    if task.load is None:
        raise UsageError(f"{task.name} needs no file beside the predictions: leave --test-file out")
    return task.load(path)


def score_rows(
    rows: Sequence[Row],
    task: Task,
    data: Any = None,
    *,
    ways: Sequence[Way] = WAYS,
    resamples: int = 1000,
    seed: int = 0,
) -> Scorecard:
    """Score rows that were read already; see `score_file`."""
    sheets = {way: task.score[way](rows, data) for way in ways}
    card = Scorecard(task.name, task.title, len(rows), {}, difference=task.difference)
    for way, sheet in sheets.items():
        card.cards[way] = _card(sheet, rows, resamples, seed)
        card.notes += sheet.notes
    if len(sheets) == 2:
        _compare(card, rows, sheets["upstream"], sheets["strict"])
    last = sheets[ways[-1]]
    card.worst = _worst(rows, last)
    if any("bleu_4" in sheet.corpus for sheet in sheets.values()):
        from mmdata.scoring.language import tokenizer

        card.notes.append(
            f"language metrics: pycocoevalcap, tokens by {tokenizer()}"
            + ("" if tokenizer() == "ptb" else " (the published score uses PTB, which needs Java)")
        )
    return card


def _card(sheet: Sheet, rows: Sequence[Row], resamples: int, seed: int) -> Card:
    scores = [_score(name, values, sheet.digits, resamples, seed) for name, values in sheet.scores.items()]
    everything = np.arange(len(rows))
    for name, statistic in sheet.corpus.items():
        low, high = (
            interval(statistic, len(rows), resamples=resamples, seed=seed)
            if resamples
            else (math.nan, math.nan)
        )
        scores.append(Score(name, _given(statistic(everything)), _given(low), _given(high), len(rows)))
    kinds = {}
    names = np.array([row.kind for row in rows])
    for kind in sorted(set(names.tolist()) - {""}):
        values = np.where(names == kind, sheet.scores[sheet.main], np.nan)
        if not np.isnan(values).all():
            kinds[kind] = _score(sheet.main, values[~np.isnan(values)], sheet.digits, resamples, seed)
    return Card(scores, kinds, sheet.stopped)


def _score(name: str, values: Any, digits: int | None, resamples: int, seed: int) -> Score:
    counted = values[~np.isnan(values)]
    if not counted.size:
        return Score(name, None, None, None, 0)
    value = mean(counted)
    low = high = None
    if resamples:
        low, high = interval(
            lambda chosen: mean(counted[chosen]), counted.size, resamples=resamples, seed=seed
        )
    return Score(name, value if digits is None else round(value, digits), low, high, int(counted.size))


def _given(value: float) -> float | None:
    return None if math.isnan(value) else value


def _compare(card: Scorecard, rows: Sequence[Row], upstream: Sheet, strict: Sheet) -> None:
    """Rows that one way calls right and the other wrong, by their `why`."""
    for k, row in enumerate(rows):
        a, b = upstream.why[k], strict.why[k]
        if bool(a) == bool(b):
            continue
        card.only_upstream += not a
        card.only_strict += not b
        if (card.only_upstream if not a else card.only_strict) <= EXAMPLES:
            card.examples.append(
                Disagreement(row.number, row.id, row.response, row.reference, a or "right", b or "right")
            )


def _worst(rows: Sequence[Row], sheet: Sheet, most: int = 60) -> list[int]:
    by_kind: dict[str, list[int]] = {}
    for k, row in enumerate(rows):
        if sheet.why[k]:
            by_kind.setdefault(row.kind, []).append(k)
    share = max(1, most // max(1, len(by_kind)))
    return sorted(k for found in by_kind.values() for k in found[:share])


__all__ = [
    "Card",
    "Disagreement",
    "Score",
    "Scorecard",
    "all_tasks",
    "find_task",
    "load_data",
    "score_file",
    "score_rows",
]
