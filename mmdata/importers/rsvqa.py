"""RSVQA: three JSON files that point at each other, ``{"questions": [...]}``, ``{"answers": [...]}``, ``{"images": [...]}``.

What belongs to another split is in each file as a stub (``"active": false``); it is named as such. The files are told by
their first key, in any order; the images' file is optional and only looked up. Written: ``NAME.jsonl`` to train on, or
with ``--purpose eval`` ``NAME.json``, an array with the keys of the published ``rsvqa_*_instruct.json`` (InternVL,
``eval/domain_specific/rs_vqa/evaluate.py``): ``id`` (int), ``image``, ``question``, ``gt_answer``, ``type``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmdata.errors import DataError
from mmdata.importers._media import PictureNames
from mmdata.importing import Importer, ImportLedger, ImportOptions, Sink
from mmdata.io.jsontext import JSONProblem, parse
from mmdata.progress import Progress

KINDS = ("questions", "answers", "images")
INSTRUCTION = "Answer the question using a single word or phrase."
"""What the published evaluation puts on a line of its own below the question."""


def run(
    paths: Sequence[str], options: ImportOptions, sink: Sink, ledger: ImportLedger, progress: Progress
) -> None:
    """Read the files of one split."""
    tables: dict[str, tuple[str, dict[int, Mapping[str, Any]]]] = {}
    progress.start("reading", len(paths))
    for path in paths:
        kind, rows = _table(path, ledger)
        if kind in tables:
            raise DataError(f"{path}: {tables[kind][0]} has `{kind}` already; import one split at a time")
        tables[kind] = path, rows
        progress.advance(1)
    for kind in ("questions", "answers"):
        if kind not in tables:
            raise DataError(f"no file with `{kind}` among {', '.join(paths)}")
    (place, questions), (answer_place, answers) = tables["questions"], tables["answers"]
    images = tables.get("images")
    names = PictureNames(options.media_root, options.ending or "tif", ledger)
    name = options.name or "rsvqa"
    instruction = INSTRUCTION if options.instruction is None else options.instruction
    used: set[int] = set()
    shown: set[int] = set()
    for number, question in questions.items():
        here = f"{place}: question {number}"
        found = _answer(number, question, answers)
        text, image = question.get("question"), question.get("img_id")
        if not isinstance(text, str) or not text:
            ledger.leave("questions", here, "no text in `question`")
            continue
        if type(image) is not int:
            ledger.leave("questions", here, "no number in `img_id`")
            continue
        if images is not None and image not in images[1]:
            ledger.leave("questions", here, "its picture is not in the images' file", f"img_id {image}")
            continue
        if found is None:
            ledger.leave("questions", here, "no active answer")
            continue
        used.add(found)
        shown.add(image)
        answer = str(answers[found]["answer"])
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
        for number in images[1]:
            if number in shown:
                ledger.written["images"] += 1
            else:
                ledger.leave("images", f"{images[0]}: image {number}", "no question written about it")


def _table(path: str, ledger: ImportLedger) -> tuple[str, dict[int, Mapping[str, Any]]]:
    """Kind of a file and its active rows by id."""
    try:
        with open(path, "rb") as file:
            value = parse(file.read())
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None
    except JSONProblem as error:
        raise DataError(f"{path}: not JSON: {error}") from None
    kinds = [kind for kind in KINDS if isinstance(value, dict) and isinstance(value.get(kind), list)]
    if len(kinds) != 1:
        raise DataError(f"{path}: expected one object with a list `questions`, `answers` or `images`")
    kind = kinds[0]
    rows: dict[int, Mapping[str, Any]] = {}
    for i, row in enumerate(value[kind]):
        ledger.read[kind] += 1
        number = row.get("id") if isinstance(row, dict) else None
        if type(number) is not int:
            ledger.leave(kind, f"{path}: {kind}/{i}", "no number in `id`")
        elif not row.get("active", True):
            ledger.leave(kind, f"{path}: {kind}/{i}", "inactive: belongs to another split")
        elif number in rows:
            ledger.leave(kind, f"{path}: {kind}/{i}", "its id is there already", f"id {number}")
        else:
            rows[number] = row
    return kind, rows


def _answer(number: int, question: Mapping[str, Any], answers: Mapping[int, Mapping[str, Any]]) -> int | None:
    """Id of the first active answer that the question names and that names the question."""
    ids = question.get("answers_ids")
    for one in ids if isinstance(ids, list) else ():
        row = answers.get(one) if type(one) is int else None
        if (
            row is not None
            and row.get("question_id", number) == number
            and isinstance(row.get("answer"), (str, int))
        ):
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
