"""``--task regions``: questions about regions in the layouts of VideoRefer-Bench-Q and VideoRefer-Bench-D.

Both are lists of ``video`` (or ``image``) with ``annotation``, objects with masks by frame. Q adds ``Question``, ``options``,
``Answer`` and ``type``; a description has a ``caption``. Questions are put together as VideoRefer's
``eval/inference_videorefer_q_bench.py`` and ``inference_videorefer_d_bench.py`` do, and answers are written as these do: Q is
scored by `mmdata.scoring` (``videorefer-bench-q``), D is for an external judge.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mmdata.errors import DataError, UsageError
from mmdata.formats.videorefer import to_sample
from mmdata.scoring import find_task, score_rows
from mmtrain.data.encode import media_path
from mmtrain.data.pictures import header_size
from mmtrain.data.refer_frames import facts_of
from mmtrain.data.sources import reason_of
from mmtrain.evaluate.ranks import gathered, ranks, share
from mmtrain.evaluate.results import SCORES, Evaluated, write_json, write_text
from schemas.sample import Media, Origin, Sample

if TYPE_CHECKING:
    from mmtrain.loading import Model

Frames = Literal["single", "multi"]

PREDICTIONS = "predictions.jsonl"

CHOOSE = ". Answer with the option's letter from the given choices directly."
DESCRIBE = "Please give a detailed description of the highlighted object [<region>] in the video."


def evaluate(
    model: Model,
    data: str,
    *,
    media_root: str | None = None,
    frames: Frames = "single",
    limit: int | None = None,
    max_new_tokens: int = 512,
    batch_size: int = 1,
    output: str | Path | None = None,
    on_step: Callable[[int, int], None] | None = None,
) -> Evaluated:
    """Ask a model about regions.

    Args:
        model: see `mmtrain.load`.
        data: JSON array or JSON Lines; questions with options, or captions of regions.
        media_root: directory that relative media paths start from.
        frames: ``single``: of every object the mask of the frame ``frame_idx`` alone; ``multi``: all (upstream's ``--mode``).
        limit: most records.
        max_new_tokens: an answer ends there at the latest.
        batch_size: questions asked together, shorter ones padded on the left; the same answers but for rounding.
        output: folder for `PREDICTIONS` and the scores.
        on_step: called after every batch with how many records are done, of how many; both of this rank.

    Under a launcher, each rank takes a share of the records; every one returns the scores of all, rank 0 writes.

    Raises:
        UsageError: the model takes no regions, or the file cannot be opened.
        DataError: the file is not of that layout.
    """
    if model.recipe != "regions":
        raise UsageError(f"a model of the recipe {model.recipe} takes no regions; expected one of regions")
    entries = read(data)[:limit]
    choice = "Question" in entries[0]
    rank, world = ranks()
    own = share(len(entries), rank, world)
    part = _Part()

    def answer(some: list[_Asked]) -> None:
        """Answer some questions together, or each alone where one of them cannot be used."""
        if not some:
            return
        samples = [one.sample for one in some]
        try:
            said = model.answers(samples, root=media_root, max_new_tokens=max_new_tokens)
        except (DataError, OSError) as error:
            if len(some) == 1:
                part.bad.append((some[0].number, reason_of(error, data, some[0].number)))
            else:
                for one in some:
                    answer([one])
        else:
            part.made += [{**one.same, "pred": text.strip()} for one, text in zip(some, said, strict=True)]

    for start in range(own.start, own.stop, batch_size):
        waiting = []
        numbers = range(start, min(start + batch_size, own.stop))
        for number in numbers:
            try:
                waiting.append(_question(entries[number], data, number, media_root, frames))
            except (DataError, OSError) as error:
                part.bad.append((number, reason_of(error, data, number)))
        answer(waiting)
        if on_step is not None:
            on_step(numbers.stop - own.start, len(own))
    made, bad = [], []
    for one in gathered(part, world):
        made += one.made
        bad += [f"{data}: record {number}: {reason}" for number, reason in sorted(one.bad)]
    scores, told = None, {"task": "regions", "data": data, "frames": frames, "answers": len(made)}
    if choice and made:
        task = find_task("videorefer-bench-q")
        scores = score_rows([task.read(k, row) for k, row in enumerate(made)], task, None)
        told |= scores.to_dict()
    folder = None if output is None else Path(output)
    if folder is not None and rank == 0:
        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / PREDICTIONS, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in made))
        write_json(folder / SCORES, {**told, "bad": bad})
    return Evaluated(scores, bad, folder, told)


@dataclass(slots=True)
class _Part:
    """What was found of some records, in their order."""

    made: list[dict[str, Any]] = field(default_factory=list)
    bad: list[tuple[int, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question: the number of its record, what is asked, and what is written beside the answer."""

    number: int
    sample: Sample
    same: dict[str, Any]


def _question(entry: Mapping[str, Any], data: str, number: int, root: str | None, frames: Frames) -> _Asked:
    sample = asked(entry, root, frames, Origin(data, "videorefer", number))
    keys = ("Answer", "type") if "Question" in entry else ("caption",)
    same = {"video": entry.get("image", entry.get("video")), **{key: _of(entry, key) for key in keys}}
    return _Asked(number, sample, same)


def read(path: str) -> list[dict[str, Any]]:
    """The records of a file.

    Raises:
        UsageError: there is no such file.
        DataError: it is no list of questions with options, or of captions.
    """
    try:
        text = Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read: {error}") from None
    entries: list[dict[str, Any]]
    try:
        if text.lstrip()[:1] == "[":
            entries = json.loads(text)
        else:
            entries = [json.loads(line) for line in text.split("\n") if line.strip()]
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not JSON: {error}") from None
    known = ("Question", "caption")
    if not entries or not all(isinstance(one, dict) for one in entries):
        raise DataError(f"{path}: expected a list of records")
    kinds = {next((key for key in known if key in one), "") for one in entries}
    if len(kinds) != 1 or "" in kinds:
        raise DataError(f"{path}: expected `Question` in every record, or `caption` in every record")
    return entries


def asked(entry: Mapping[str, Any], root: str | None, frames: Frames, origin: Origin) -> Sample:
    """The conversation that a record asks for, up to the answer.

    Raises:
        DataError: a key is missing, an object has no mask on the frame, or the video cannot be used.
    """
    picture = "image" in entry
    path = _of(entry, "image" if picture else "video")
    if "Question" in entry:
        options = _of(entry, "options")
        if not isinstance(options, list) or not all(isinstance(one, str) for one in options):
            raise DataError("`options` is no list of texts")
        # Regions come in brackets, as VideoRefer writes them.
        question = _of(entry, "Question").replace("<region>", "[<region>]") + " " + " ".join(options) + CHOOSE
    else:
        question = DESCRIBE
    annotation = _of(entry, "annotation")
    if not isinstance(annotation, list) or not all(isinstance(one, dict) for one in annotation):
        raise DataError("`annotation` is no list of objects")
    if frames == "single":
        frame = str(_of(entry, "frame_idx"))
        missing = [number for number, one in enumerate(annotation) if frame not in one]
        if missing:
            raise DataError(f"object {missing[0]} has no mask on frame {frame} (`frame_idx`)")
        annotation = [{frame: one[frame]} for one in annotation]
    if picture:
        width, height = header_size(media_path(path, root))
    else:
        height, width = facts_of(Media("video", [path]), root).size
    record = {
        "image" if picture else "video": path,
        "annotation": annotation,
        "height": height,
        "width": width,
        "conversations": [
            {"from": "human", "value": f"<{'image' if picture else 'video'}>\n{question}"},
            {"from": "gpt", "value": ""},
        ],
    }
    sample = to_sample(record, origin)
    sample.turns.pop()
    return sample


def _of(entry: Mapping[str, Any], key: str) -> Any:
    if key not in entry:
        raise DataError(f"no `{key}`")
    return entry[key]
