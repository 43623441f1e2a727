"""RSVQA, low and high resolution: short answers, numbers and areas (``rs_vqa/evaluate.py``, ``score.py`` of InternVL)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mmdata.errors import DataError
from mmdata.scoring.evalsets import entries, picture
from mmdata.scoring.rows import text
from mmdata.scoring.task import Question, Row, Sheet, Task, Way

PROMPT = "Answer the question using a single word or phrase."

SETS = {
    "rsvqa-lr": ("rsvqa_l_test_instruct.json", "images/RSVQA_L/Images_LR", "rural_urban"),
    "rsvqa-hr-test1": ("rsvqa_h_test_1_instruct.json", "images/RSVQA-H/Data", "area"),
    "rsvqa-hr-test2": ("rsvqa_h_test_2_instruct.json", "images/RSVQA-H/Data", "area"),
}
"""Task -> file below ``val``, root of its pictures, a question type that only its resolution has."""

COUNT, AREA = "count", "area"


def read(number: int, entry: Mapping[str, Any]) -> Row:
    """A row as ``rs_vqa/evaluate.py`` writes it."""
    return Row(
        number,
        entry.get("index"),
        str(entry.get("question", "")),
        entry["response"],
        text(entry, "gt_answer"),
        text(entry, "question_type"),
        str(entry.get("image", "")),
    )


def read_own(name: str, number: int, entry: Mapping[str, Any]) -> Row:
    """A row of one of the sets.

    Raises:
        DataError: its question is of the other resolution.
    """
    row = read(number, entry)
    if row.kind in {types for _, _, types in SETS.values()} - {SETS[name][2]}:
        raise DataError(f"a question of type {row.kind!r}: {_belongs(row.kind)}, not to {name}")
    return row


def _bucket(value: int) -> int:
    """0, 1 to 100, 101 to 1000, above: 0 to 3; below 0 there is none: -1."""
    return -1 if value < 0 else 0 if value == 0 else 1 if value <= 100 else 2 if value <= 1000 else 3


def upstream_correct(row: Row) -> tuple[bool, str, str]:
    """(right, what was taken for the answer, why not), by ``score.py``.

    Numbers are right when they fall into the same bucket; an area's reference loses every trailing ``m`` and ``2``.
    """
    if row.kind not in (COUNT, AREA):
        said = row.response or ""
        right = bool(said) and said.lower() == row.reference.lower()
        return right, said, "" if right else "another text"
    reference = row.reference.rstrip("m2") if row.kind == AREA else row.reference
    try:
        said_number = int(row.response) if row.response is not None else 0
    except ValueError:
        return False, "", "the answer is no bare integer"
    try:
        wanted = int(reference)
    except ValueError:
        return False, str(said_number), f"the reference {row.reference!r} becomes {reference!r}, no integer"
    right = _bucket(said_number) == _bucket(wanted) != -1
    return right, str(said_number), "" if right else "another bucket"


_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:,\d{3})*(?:\.\d+)?(?![\w.]*\d)")
_UNIT = re.compile(r"(?<=\d)\s*(m2|m²|m\^2|sqm|square met(?:er|re)s?)\b|(?<=\d)\s*(m²)", re.IGNORECASE)


def number_in(said: str) -> float | None:
    """The one number of a text, a unit of area after it or not; None where there is none or several."""
    found = {float(m.group().replace(",", "")) for m in _NUMBER.finditer(_UNIT.sub(" ", said))}
    return found.pop() if len(found) == 1 else None


def plain(said: str) -> str:
    """Lower case, single spaces, no full stop at the end."""
    return " ".join(said.lower().split()).rstrip(".! ")


def strict_correct(row: Row) -> tuple[bool, str, str]:
    """(right, what was taken for the answer, why not): numbers are equal or wrong, words are compared without case and stop."""
    said = row.response or ""
    if row.kind in (COUNT, AREA):
        wanted, number = number_in(row.reference), number_in(said)
        if wanted is None:
            return False, "", f"the reference {row.reference!r} holds no single number"
        if number is None:
            return False, "", "the answer holds no single number"
        right = number == wanted
        return right, f"{number:g}", "" if right else "another number"
    right = bool(plain(said)) and plain(said) == plain(row.reference)
    return right, plain(said), "" if right else "another text"


def score(way: Way, rows: Sequence[Row], _data: Any) -> Sheet:
    """``total`` over all rows, ``useful`` without counts and areas, as the published table has it."""
    judge = upstream_correct if way == "upstream" else strict_correct
    judged = [judge(row) for row in rows]
    total = np.array([right for right, _, _ in judged], dtype=np.float64)
    counts = np.array([row.kind in (COUNT, AREA) for row in rows])
    return Sheet(
        {"total": total, "useful": np.where(counts, np.nan, total)},
        "total",
        [parsed for _, parsed, _ in judged],
        [why for _, _, why in judged],
        digits=4 if way == "upstream" else None,
    )


def questions(name: str, data: Path) -> Iterator[Question]:
    """The set's questions.

    Raises:
        UsageError: no such file.
        DataError: a key is missing, or the questions are those of the other resolution.
    """
    file, root, own = SETS[name]
    foreign = {types for _, _, types in SETS.values()} - {own}
    for where, entry in entries(data / "val" / file, ("id", "image", "question", "gt_answer", "type")):
        if entry["type"] in foreign:
            raise DataError(
                f"{where}: a question of type {entry['type']!r}: {_belongs(entry['type'])}, not to {name}"
            )
        yield Question(
            entry["id"],
            picture(data / root, entry["image"], where),
            f"{entry['question']}\n{PROMPT}",
            {
                "question": f"{entry['question']}\n{PROMPT}",
                "gt_answer": entry["gt_answer"],
                "index": int(entry["id"]),
                "question_type": entry["type"],
                "image": entry["image"],
            },
        )


def _belongs(kind: str) -> str:
    return "it belongs to " + " or ".join(name for name, (_, _, own) in SETS.items() if own == kind)


def answered(row: Mapping[str, Any], response: str) -> dict[str, Any]:
    """The row with its answer."""
    return {**row, "response": response}


DIFFERENCE = (
    "counts: same bucket (0, 1-100, 101-1000, above) / the same number",
    "areas: same bucket after every trailing `m` and `2` is taken off the reference / the same number of square metres",
    "numbers: the answer is a bare integer / holds exactly one number",
    "words: equal but for case / equal but for case, spaces and a full stop",
)


def _task(name: str) -> Task:
    return Task(
        name=name,
        title={"rsvqa-lr": "RSVQA low resolution"}.get(name, f"RSVQA high resolution, test set {name[-1]}"),
        keys=("response", "gt_answer", "question_type"),
        read=partial(read_own, name),
        score={"upstream": partial(score, "upstream"), "strict": partial(score, "strict")},
        questions=partial(questions, name),
        answered=answered,
        max_new_tokens=50,
        difference=DIFFERENCE,
    )


TASKS = tuple(_task(name) for name in SETS)
