"""``--task grounding``: masks that a model answers with against the true ones.

Every answer with masks is asked for, with the true turns before it, and its masks are compared with the
true ones (`mmdata.scoring.grounding`). What was predicted is written as GeoPixel records with RLE, which `mmdata` reads.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import mmdata
from mmdata import masks
from mmdata.errors import DataError, UsageError
from mmdata.scoring.grounding import GroundingScorer, Scores
from mmtrain.data.grounding import targets
from mmtrain.data.sources import reason_of
from mmtrain.evaluate.ranks import gathered, ranks, share
from mmtrain.evaluate.results import SCORES, Evaluated, write_json
from mmtrain.predict import phrases
from schemas.sample import MediaPart, PhrasePart, Sample, SampleTurn, TextPart

if TYPE_CHECKING:
    from mmtrain.loading import Answer, Model

PREDICTIONS, PLAIN = "predictions.json", "answers.json"


def evaluate(
    model: Model,
    data: str,
    *,
    format: str | None = None,
    media_root: str | None = None,
    answers: Literal["own", "given"] = "own",
    limit: int | None = None,
    max_new_tokens: int = 512,
    batch_size: int = 1,
    output: str | Path | None = None,
    on_step: Callable[[int, int], None] | None = None,
) -> Evaluated:
    """Score a model.

    Args:
        model: see `mmtrain.load`.
        data: a data file of any format with masks.
        format: of `data`; told by the content if None.
        media_root: directory that relative media paths start from.
        answers: ``own``: the model writes its answers; ``given``: the true answers are taken as said, and only their masks
            are the model's.
        limit: most records.
        max_new_tokens: an answer ends there at the latest.
        batch_size: questions asked and drawn together; the same answers but for rounding.
        output: folder for `PREDICTIONS` (answers with masks), `PLAIN` (answers without) and `SCORES`.
        on_step: called after every record with how many are done, of how many; both of this rank.

    Under a launcher, each rank takes a share of the records; every one returns the scores of all, rank 0 writes.

    Raises:
        UsageError: the model draws no masks, or the file cannot be opened.
    """
    if not model.draws:
        raise UsageError(
            f"a model of the recipe {model.recipe} answers without masks; expected one of grounding"
        )
    dataset = mmdata.open(data, format=format)
    total = len(dataset) if limit is None else min(limit, len(dataset))
    rank, world = ranks()
    own = share(total, rank, world)
    part = _Part()
    waiting: list[_Asked] = []

    def answer(some: list[_Asked]) -> None:
        """Answer all questions of some records together, or each record alone where one of them cannot be used."""
        questions = [question for one in some for question in one.questions]
        try:
            said = _said(model, questions, media_root, answers, max_new_tokens, batch_size)
        except (DataError, OSError) as error:
            if len(some) == 1:
                part.bad[some[0].record] = reason_of(error, data, some[0].record)
            else:
                for one in some:
                    answer([one])
        else:
            for one in some:
                for question in one.questions:
                    part.add(one.record, question, next(said))

    for done, record in enumerate(own, 1):
        try:
            sample = dataset.sample(record)
            if questions := list(_questions(sample, media_root)):
                waiting.append(_Asked(record, questions))
        except (DataError, OSError) as error:
            part.bad[record] = reason_of(error, data, record)
        if sum(len(one.questions) for one in waiting) >= batch_size or done == len(own):
            answer(waiting)
            waiting = []
        if on_step is not None:
            on_step(done, len(own))
    whole = _Part()
    for one in gathered(part, world):
        whole.extend(one)
    scores = whole.scorer.result()
    bad = [f"{data}: record {record}: {reason}" for record, reason in sorted(whole.bad.items())]
    folder = None if output is None else Path(output)
    if folder is not None and rank == 0:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / PREDICTIONS, whole.grounded)
        write_json(folder / PLAIN, whole.plain)
        told = {
            "task": "grounding",
            "data": data,
            "given_answers": answers == "given",
            **finite(scores),
            "bad": bad,
        }
        write_json(folder / SCORES, told)
    return Evaluated(scores, bad, folder, finite(scores))


def finite(scores: Scores) -> dict[str, Any]:
    """The scores as JSON; null where there was nothing to score."""
    return {
        key: None if isinstance(value, float) and math.isnan(value) else value
        for key, value in asdict(scores).items()
    }


@dataclass(frozen=True, slots=True, eq=False)
class _Truth:
    """The true masks (T, H, W) of an answer, and the phrase of each."""

    masks: Any
    phrases: list[str]


@dataclass(frozen=True, slots=True, eq=False)
class _Question:
    """An answer with masks to be compared: its sample, the number of its turn, and what is true."""

    sample: Sample
    number: int
    true: _Truth


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    """The questions of a record."""

    record: int
    questions: list[_Question]


@dataclass(slots=True)
class _Part:
    """What was found of some records, in their order."""

    scorer: GroundingScorer = field(default_factory=GroundingScorer)
    bad: dict[int, str] = field(default_factory=dict)
    grounded: list[dict[str, Any]] = field(default_factory=list)
    plain: list[dict[str, Any]] = field(default_factory=list)

    def add(self, record: int, question: _Question, answer: Answer) -> None:
        self.scorer.add(
            answer.masks,
            question.true.masks,
            scores=answer.scores.tolist(),
            phrases=phrases(answer.text),
            true_phrases=question.true.phrases,
        )
        written = _record(question.sample, question.number, answer, record)
        (self.grounded if len(answer.masks) else self.plain).append(written)

    def extend(self, later: _Part) -> None:
        self.scorer.merge(later.scorer)
        self.bad |= later.bad
        self.grounded += later.grounded
        self.plain += later.plain


def _questions(sample: Sample, root: str | None) -> Iterator[_Question]:
    """The answers with masks."""
    import numpy as np

    every = iter(targets(sample, root))
    for number, turn in enumerate(sample.turns):
        if turn.role != "assistant":
            continue
        parts = [part for part in turn.parts if isinstance(part, PhrasePart)]
        own = [next(every) for part in parts for _ in part.objects]
        if own:
            true = _Truth(
                np.stack([target.mask.draw() for target in own]),
                [(part.text or "").strip() for part in parts for _ in part.objects],
            )
            yield _Question(sample, number, true)


def _said(
    model: Model, questions: Sequence[_Question], root: str | None, answers: str, most: int, together: int
) -> Iterator[Answer]:
    """What the model says to each question."""
    said: list[Answer] = []
    for start in range(0, len(questions), together):
        some = questions[start : start + together]
        if answers == "given":
            said += model.follows([(one.sample, one.number) for one in some], root=root)
        else:
            before = [replace(one.sample, turns=one.sample.turns[: one.number]) for one in some]
            said += model.replies(before, root=root, max_new_tokens=most)
    return iter(said)


def _record(sample: Sample, number: int, answer: Answer, record: int) -> dict[str, Any]:
    """A GeoPixel record of the question and what the model answered, masks as RLE."""
    question = sample.turns[max(k for k in range(number) if sample.turns[k].role == "user")]
    turns = [{"from": "human", "value": _text(question)}, {"from": "bot", "value": answer.text}]
    found: dict[str, Any] = {
        "id": f"{record}-{number}" if sample.id is None else sample.id,
        "image": sample.media[0].paths[0],
        "conversations": turns,
    }
    if len(answer.masks):
        found["segmentation"] = [dict(masks.encode(mask)) for mask in answer.masks]
    return found


def _text(turn: SampleTurn) -> str:
    """The question as it stands; the picture of an earlier turn comes first."""
    body = "".join(
        "<ImageHere>" if isinstance(part, MediaPart) else part.text
        for part in turn.parts
        if isinstance(part, (MediaPart, TextPart))
    )
    return body if "<ImageHere>" in body else f"<ImageHere>{body}"
