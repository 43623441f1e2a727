"""RSVQA: three JSON files that point at each other, ``{"questions": [...]}``, ``{"answers": [...]}``, ``{"images": [...]}``.

What belongs to another split is in each file as a stub (``"active": false``); it is named as such. The files are told by
their first key, in any order; the images' file is optional and only looked up. Written: ``NAME.jsonl`` to train on, or
with ``--purpose eval`` ``NAME.json``, an array with the keys of the published ``rsvqa_*_instruct.json`` (InternVL,
``eval/domain_specific/rs_vqa/evaluate.py``): ``id`` (int), ``image``, ``question``, ``gt_answer``, ``type``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mmdata.errors import DataError
from mmdata.importers._media import PictureNames
from mmdata.importing import Importer, ImportLedger, ImportOptions, Sink
from mmdata.io.jsontext import JSONProblem, parse
from mmdata.io.object_stream import ObjectStream, WrongOpening
from mmdata.progress import Progress

KINDS = ("questions", "answers", "images")
INSTRUCTION = "Answer the question using a single word or phrase."
"""What the published evaluation puts on a line of its own below the question."""


def run(
    paths: Sequence[str], options: ImportOptions, sink: Sink, ledger: ImportLedger, progress: Progress
) -> None:
    """Read the files of one split: answers and images as short tables, then the questions one by one."""
    files: dict[str, str] = {}
    for path in paths:
        kind = _kind(path)
        if kind in files:
            raise DataError(f"{path}: {files[kind]} has `{kind}` already; import one split at a time")
        files[kind] = path
    for kind in ("questions", "answers"):
        if kind not in files:
            raise DataError(f"no file with `{kind}` among {', '.join(paths)}")
    answer_place, place = files["answers"], files["questions"]
    answers = {
        number: (row.get("question_id", ...), _text(row.get("answer")))
        for number, row in _rows(answer_place, "answers", ledger, progress)
    }
    images = None
    if "images" in files:
        images = {number for number, _ in _rows(files["images"], "images", ledger, progress)}
    names = PictureNames(options.media_root, options.ending or "tif", ledger)
    name = options.name or "rsvqa"
    instruction = INSTRUCTION if options.instruction is None else options.instruction
    used: set[int] = set()
    shown: set[int] = set()
    for number, question in _rows(place, "questions", ledger, progress):
        here = f"{place}: question {number}"
        found = _answer(number, question, answers)
        text, image = question.get("question"), question.get("img_id")
        if not isinstance(text, str) or not text:
            ledger.leave("questions", here, "no text in `question`")
            continue
        if type(image) is not int:
            ledger.leave("questions", here, "no number in `img_id`")
            continue
        if images is not None and image not in images:
            ledger.leave("questions", here, "its picture is not in the images' file", f"img_id {image}")
            continue
        if found is None:
            ledger.leave("questions", here, "no active answer")
            continue
        used.add(found)
        shown.add(image)
        answer = answers[found][1] or ""
        ledger.written["questions"] += 1
        ledger.written["answers"] += 1
        picture = names.of(str(image))
        if options.purpose == "eval":
            row = {
                "id": number,
                "image": picture,
                "question": text,
                "gt_answer": answer,
                "type": question.get("type"),
            }
            sink.row(f"{name}.json", row)
            continue
        asked = f"<image>\n{text}\n{instruction}" if instruction else f"<image>\n{text}"
        record = {
            "id": number,
            "image": picture,
            "question_type": question.get("type"),
            "conversations": [{"from": "human", "value": asked}, {"from": "gpt", "value": answer}],
        }
        sink.line(f"{name}.jsonl", record)
    for number in answers:
        if number not in used:
            ledger.leave(
                "answers",
                f"{answer_place}: answer {number}",
                "its question is not written, or has another answer",
            )
    if images is not None:
        for number in sorted(images):
            if number in shown:
                ledger.written["images"] += 1
            else:
                ledger.leave("images", f"{files['images']}: image {number}", "no question written about it")


def _kind(path: str) -> str:
    """Which of the three files it is, by its first list of rows."""
    with ObjectStream(path) as stream:
        try:
            for key in stream.members():
                if key in KINDS and stream.opens_list():
                    return key
                stream.value()
        except WrongOpening:
            pass
    raise DataError(f"{path}: expected one object with a list `questions`, `answers` or `images`")


def _rows(
    path: str, kind: str, ledger: ImportLedger, progress: Progress
) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Id and row of the active rows of a file, in its order."""
    seen: set[int] = set()
    with ObjectStream(path) as stream:
        progress.start(os.path.basename(path), stream.size)
        for key in stream.members():
            if key != kind:
                if key in KINDS and stream.opens_list():
                    raise DataError(f"{path}: expected one list, `{kind}` or `{key}`; it has both")
                stream.value()
                continue
            done = 0
            for i, data in enumerate(stream.elements()):
                progress.advance(stream.position - done)
                done = stream.position
                ledger.read[kind] += 1
                try:
                    row = parse(data)
                except JSONProblem as error:
                    raise DataError(f"{path}: {kind}/{i}: not JSON: {error}") from None
                number = row.get("id") if isinstance(row, dict) else None
                if type(number) is not int:
                    ledger.leave(kind, f"{path}: {kind}/{i}", "no number in `id`")
                elif not row.get("active", True):
                    ledger.leave(kind, f"{path}: {kind}/{i}", "inactive: belongs to another split")
                elif number in seen:
                    ledger.leave(kind, f"{path}: {kind}/{i}", "its id is there already", f"id {number}")
                else:
                    seen.add(number)
                    yield number, row


def _text(answer: Any) -> str | None:
    """An answer's text, one object for all answers alike; None where it is neither text nor a whole number."""
    return sys.intern(str(answer)) if isinstance(answer, (str, int)) else None


def _answer(
    number: int, question: Mapping[str, Any], answers: Mapping[int, tuple[Any, str | None]]
) -> int | None:
    """Id of the first active answer that the question names and that names the question."""
    ids = question.get("answers_ids")
    for one in ids if isinstance(ids, list) else ():
        of, answer = answers.get(one, (None, None)) if type(one) is int else (None, None)
        if answer is not None and (of is ... or of == number):
            return int(one)
    return None


IMPORTER = Importer(
    name="rsvqa",
    title="RSVQA, low and high resolution: questions, answers and images of one split",
    files="LR_split_train_questions.json LR_split_train_answers.json [LR_split_train_images.json]",
    takes=frozenset({"name", "purpose", "media_root", "ending", "instruction"}),
    run=run,
    expected=frozenset({"inactive: belongs to another split", "no question written about it"}),
)
