"""What a task of evaluation is: questions to ask, rows of answers, and the two ways of scoring them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Way = Literal["upstream", "strict"]
"""``upstream``: to the digit what the published script computes, its quirks included; ``strict``: without them."""

WAYS: tuple[Way, ...] = ("upstream", "strict")


@dataclass(slots=True)
class Row:
    """One answer of a model and what it is compared with.

    Attributes:
        number: place in the predictions, 0-based.
        id: the question's.
        question: as it was asked.
        response: what the model wrote.
        reference: what it is compared with, as the data set has it.
        kind: the question's type: scores are broken down by it.
        image: path of the picture, "" if the row does not say.
        facts: what else the task's scorers read.
    """

    number: int
    id: Any
    question: str
    response: str | None
    reference: Any
    kind: str = ""
    image: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Question:
    """One question of an evaluation set, ready to be asked.

    Attributes:
        id: the data set's own.
        image: path of the picture.
        prompt: the text as the published script hands it to the model; without ``<image>`` the picture comes first.
        row: the row of predictions, but for the answer; see `Task.answered`.
    """

    id: Any
    image: Path
    prompt: str
    row: dict[str, Any]


@dataclass(slots=True)
class Sheet:
    """What one way of scoring made of the rows.

    Attributes:
        scores: metric -> (rows,) float64, nan where the metric does not look at the row; a metric is the mean of the rest.
        corpus: metric -> a function of row numbers, for metrics that are no mean over rows (BLEU).
        main: the metric that is broken down by kind, and by which rows are called right or wrong.
        parsed: what was taken for the answer of each row, "" where none was found.
        why: why a row is wrong, "" if it is right.
        digits: decimals that the published script rounds to, None if it does not.
        stopped: why the published script would stop with an error instead of a score; "" if it would not.
        notes: what else to know about the figures.
    """

    scores: dict[str, NDArray[np.float64]]
    main: str
    parsed: list[str]
    why: list[str]
    corpus: dict[str, Callable[[NDArray[np.intp]], float]] = field(default_factory=dict)
    digits: int | None = None
    stopped: str = ""
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Task:
    """One task of evaluation; a module of `mmdata.scoring.tasks` holds it as ``TASK``.

    Attributes:
        name: as on the command line.
        title: for people.
        keys: keys that every row of its predictions has; they tell the tasks apart.
        read: a row of predictions, in the published script's layout, as a `Row`.
        score: way -> what it makes of all rows.
        questions: the questions of an evaluation set below a data directory.
        answered: a question's row with what the model wrote, in the published script's layout.
        max_new_tokens: as the published script generates.
        boxes: (reference, answer) boxes of a row in pixels xyxy, for pictures; None where the task has none.
        points: (reference, answer) points of a row in pixels, and the picture's width and height; None as for `boxes`.
        needs: a file beside the predictions that `score` cannot do without, named for people.
        load: reads that file, for `score`.
        difference: what the two ways treat differently, one line each.
    """

    name: str
    title: str
    keys: tuple[str, ...]
    read: Callable[[int, Mapping[str, Any]], Row]
    score: Mapping[Way, Callable[[Sequence[Row], Any], Sheet]]
    questions: Callable[[Path], Iterator[Question]]
    answered: Callable[[Mapping[str, Any], str], dict[str, Any]]
    max_new_tokens: int
    boxes: Callable[[Row], tuple[list[float] | None, list[float] | None]] | None = None
    points: (
        Callable[[Row], tuple[list[tuple[float, float]], list[tuple[float, float]], tuple[int, int]]] | None
    ) = None
    needs: str = ""
    load: Callable[[str], Any] | None = None
    difference: tuple[str, ...] = ()
