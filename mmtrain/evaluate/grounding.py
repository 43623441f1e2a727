"""``--task grounding``: masks that a model answers with against the true ones.

Every answer with masks is asked for, with the true turns before it, and its masks are compared with the
true ones (`mmdata.scoring.grounding`). What was predicted is written as GeoPixel records with RLE, which `mmdata` reads.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import mmdata
from mmdata import masks
from mmdata.errors import DataError, UsageError
from mmdata.scoring.grounding import GroundingScorer, Scores
from mmtrain.data.grounding import targets
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
    text: Literal["own", "given"] = "own",
    limit: int | None = None,
    max_new_tokens: int = 512,
    output: str | Path | None = None,
    on_step: Callable[[int, int], None] | None = None,
) -> Evaluated:
    """Score a model.

    Args:
        model: see `mmtrain.load`.
        data: a data file of any format with masks.
        format: of `data`; told by the content if None.
        media_root: directory that relative media paths start from.
        text: ``own``: the model writes its answers; ``given``: the true answers are taken as said, and only their masks
            are the model's.
        limit: most records.
        max_new_tokens: an answer ends there at the latest.
        output: folder for `PREDICTIONS` (answers with masks), `PLAIN` (answers without) and `SCORES`.
        on_step: called after every record with how many are done, of how many.

    Raises:
        UsageError: the model draws no masks, or the file cannot be opened.
    """
    if not model.draws:
        raise UsageError(
            f"a model of the recipe {model.recipe} answers without masks; expected one of grounding"
        )
    dataset = mmdata.open(data, format=format)
    total = len(dataset) if limit is None else min(limit, len(dataset))
    scorer = GroundingScorer()
    bad: list[str] = []
    grounded: list[dict[str, Any]] = []
    plain: list[dict[str, Any]] = []
    for record in range(total):
        try:
            sample = dataset.sample(record)
            found = list(_answers(model, sample, media_root, text, max_new_tokens))
        except (DataError, OSError) as error:
            bad.append(f"{data}: record {record}: {error}")
            found = []
        for number, answer, true in found:
            scorer.add(
                answer.masks,
                true.masks,
                scores=answer.scores.tolist(),
                phrases=phrases(answer.text),
                true_phrases=true.phrases,
            )
            written = _record(sample, number, answer, record)
            (grounded if len(answer.masks) else plain).append(written)
        if on_step is not None:
            on_step(record + 1, total)
    scores = scorer.result()
    folder = None if output is None else Path(output)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / PREDICTIONS, grounded)
        write_json(folder / PLAIN, plain)
        told = {"task": "grounding", "data": data, "text": text, **finite(scores), "bad": bad}
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


def _answers(
    model: Model, sample: Sample, root: str | None, text: str, most: int
) -> Iterator[tuple[int, Answer, _Truth]]:
    """Of every answer with masks: the number of its turn, what the model says, and what is true."""
    import numpy as np

    every = iter(targets(sample, root))
    for number, turn in enumerate(sample.turns):
        if turn.role != "assistant":
            continue
        parts = [part for part in turn.parts if isinstance(part, PhrasePart)]
        own = [next(every) for part in parts for _ in part.objects]
        if not own:
            continue
        true = _Truth(
            np.stack([target.mask.draw() for target in own]),
            [(part.text or "").strip() for part in parts for _ in part.objects],
        )
        if text == "given":
            answer = model.follow(sample, number, root=root)
        else:
            before = replace(sample, turns=sample.turns[:number])
            answer = model.reply(before, root=root, max_new_tokens=most)
        yield number, answer, true


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
