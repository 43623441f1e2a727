"""Every question of an evaluation set, asked: `mmtrain evaluate MODEL --task TASK --data DIR`.

Ranks share the questions that have no answer yet, so that none is asked twice or left out, whatever their number. Every
answer is noted at once; a run that was killed goes on where it was, also with another number of ranks.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from mmdata.errors import DataError, UsageError
from mmdata.io.writer import atomic_writer
from mmtrain.evaluate.ranks import ranks
from schemas.sample import Media, MediaPart, Part, Sample, SampleTurn, TextPart

if TYPE_CHECKING:
    from mmdata.scoring.task import Question, Task
    from mmtrain.loading import Model

PREDICTIONS = "predictions.jsonl"
_PARTIAL = "answers.{rank}.partial.jsonl"


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked.

    Attributes:
        predictions: the file with all answers, in the order of the questions; written by rank 0.
        questions: how many there are.
        resumed: how many of them an earlier run had answered.
        rank: of this process.
    """

    predictions: Path
    questions: int
    resumed: int
    rank: int


def ask(
    load: Callable[[], Model],
    task: Task,
    data: str | Path,
    output: str | Path,
    *,
    model_name: str,
    batch_size: int = 1,
    limit: int | None = None,
    max_new_tokens: int | None = None,
    on_answer: Callable[[dict[str, Any], int, int], None] | None = None,
) -> Asked:
    """Ask a model all questions of a set and write `PREDICTIONS`.

    Args:
        load: gives the model; not called if every question has its answer already.
        task: whose questions.
        data: directory laid out as the guide has it, with ``val`` and ``images``.
        output: folder for the answers.
        model_name: the model's directory; answers of another model are not taken over.
        batch_size: questions generated together; 1 gives the same answers whatever the number of ranks.
        limit: the first so many questions.
        max_new_tokens: an answer ends there at the latest; None: as the published script has it.
        on_answer: told every row of this rank, how many this rank has answered, of how many.

    Raises:
        UsageError: a file is missing, or the folder holds answers to something else.
        DataError: a question cannot be asked; what was answered before stays for the next run.
    """
    rank, world = ranks()
    every = list(task.questions(Path(data)))[:limit]
    most = task.max_new_tokens if max_new_tokens is None else max_new_tokens
    header = {
        "task": task.name,
        "model": os.path.abspath(model_name),
        "weights": _state(Path(model_name)),
        "questions": _digest(every),
        "max_new_tokens": most,
        "batch_size": batch_size,
    }
    folder = Path(output)
    folder.mkdir(parents=True, exist_ok=True)
    done = _answered(folder, header)
    _meet(world)  # nobody writes before everybody has read
    missing = [number for number in range(len(every)) if number not in done]
    own = missing[rank::world]
    if own:
        _ask_own(
            load(), task, every, own, folder / _PARTIAL.format(rank=rank), header, batch_size, most, on_answer
        )
    _meet(world)
    path = folder / PREDICTIONS
    if rank == 0:
        _gather(folder, header, every, task, path)
    _meet(world)
    return Asked(path, len(every), len(done), rank)


def _ask_own(
    model: Model,
    task: Task,
    every: Sequence[Question],
    own: Sequence[int],
    path: Path,
    header: dict[str, Any],
    batch_size: int,
    most: int,
    on_answer: Callable[[dict[str, Any], int, int], None] | None,
) -> None:
    # A line that was cut off by a kill is overwritten by going on behind the last whole one.
    whole = sum(len(line) for line, _ in _lines(path)) if path.is_file() else 0
    with open(path, "r+b" if whole else "wb") as file:
        file.truncate(whole)
        file.seek(whole)
        if not whole:
            file.write(orjson.dumps(header) + b"\n")
        finished = 0
        for start in range(0, len(own), batch_size):
            numbers = own[start : start + batch_size]
            samples = [sample_of(every[number]) for number in numbers]
            if len(samples) == 1:
                said = [model.reply(samples[0], max_new_tokens=most).text]
            else:
                said = model.answers(samples, max_new_tokens=most)
            for number, text in zip(numbers, said, strict=True):
                file.write(orjson.dumps({"number": number, "said": text}) + b"\n")
            file.flush()
            for number, text in zip(numbers, said, strict=True):
                finished += 1
                if on_answer is not None:
                    on_answer(task.answered(every[number].row, text), finished, len(own))


def sample_of(question: Question) -> Sample:
    """A question as a conversation: the picture where ``<image>`` stands, else on a line before the text."""
    before, found, after = question.prompt.partition("<image>")
    if not found:
        before, after = "", f"\n{question.prompt}"
    parts: list[Part] = [TextPart(before)] if before else []
    parts += [MediaPart(0), TextPart(after)] if after else [MediaPart(0)]
    return Sample([SampleTurn("user", parts)], media=[Media("image", [str(question.image)])])


def _digest(every: Sequence[Question]) -> str:
    state = blake2b(digest_size=16)
    for question in every:
        state.update(orjson.dumps([str(question.id), question.image.name, question.prompt]))
    return f"{len(every)}:{state.hexdigest()}"


def _state(model: Path) -> list[list[Any]]:
    """Name, bytes and time of every weights file."""
    return [[p.name, p.stat().st_size, p.stat().st_mtime_ns] for p in sorted(model.glob("*.safetensors"))]


def _lines(path: Path) -> Iterator[tuple[bytes, Any]]:
    """The whole lines of a journal; a last one that was cut off is left out."""
    with path.open("rb") as file:
        for line in file:
            if not line.endswith(b"\n"):
                return
            try:
                yield line, orjson.loads(line)
            except orjson.JSONDecodeError:
                return


def _answered(folder: Path, header: dict[str, Any]) -> dict[int, str]:
    """Number -> answer, of all ranks of all runs so far.

    Raises:
        UsageError: they answered something else.
    """
    done: dict[int, str] = {}
    for path in sorted(folder.glob(_PARTIAL.format(rank="*"))):
        for place, (_, value) in enumerate(_lines(path)):
            if place == 0:
                if value != header:
                    differs = [key for key in header if value.get(key) != header[key]]
                    raise UsageError(
                        f"{path} has answers of another run ({', '.join(differs)} differ): choose another folder, "
                        "or remove it"
                    )
            else:
                done[value["number"]] = value["said"]
    return done


def _gather(folder: Path, header: dict[str, Any], every: Sequence[Question], task: Task, path: Path) -> None:
    done = _answered(folder, header)
    absent = [number for number in range(len(every)) if number not in done]
    if absent:
        raise DataError(
            f"{len(absent)} questions have no answer, first {absent[0]}: a rank stopped early; run again"
        )
    with atomic_writer(str(path)) as file:
        for number, question in enumerate(every):
            file.write(orjson.dumps(task.answered(question.row, done[number])) + b"\n")


def _meet(world: int) -> None:
    if world > 1:
        import torch.distributed as dist

        dist.barrier()
