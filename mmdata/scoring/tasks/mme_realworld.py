"""MME-RealWorld, autonomous driving: multiple choice (``mme_rw/evaluate.py`` of InternVL)."""

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

FILE = "MME_RealWorld.json"
SUBTASK = "Autonomous_Driving"
LETTERS = "ABCDE"

HEADER = {"upstream": "选项如下所示:\n", "strict": "The choices are listed below:\n"}
"""The published script puts the Chinese header before the English question."""

PROMPT = (
    "Select the best answer to the above multiple-choice question based on the image."
    "             Respond with only the letter (A, B, C, D, or E) of the correct option. \nThe best answer is:"
)
"""The run of spaces is the published script's: a line of its source goes on in the string."""

_PREFIXES = (
    "The best answer is",
    "The correct answer is",
    "The answer is",
    "The answer",
    "The best option is" + "The correct option is",  # one text there, for want of a comma
    "Best answer:",
    "Best option:",
)


def read(number: int, entry: Mapping[str, Any]) -> Row:
    """A row as ``mme_rw/evaluate.py`` writes it; choices that it leaves out are read from the question."""
    question = str(entry.get("question", ""))
    choices = entry.get("choices")
    if not (isinstance(choices, list) and all(isinstance(one, str) for one in choices)):
        choices = choices_in(question)
    response = entry["output"] if "output" in entry else entry["answer"]
    task, category = text(entry, "task"), text(entry, "category")
    return Row(
        number,
        entry.get("index"),
        question,
        response,
        text(entry, "gt_answers"),
        f"{task}/{category}",
        str(entry.get("image", "")),
        {"choices": choices, "task": task, "stored": entry.get("answer") if "output" in entry else None},
    )


def choices_in(question: str) -> list[str]:
    """The choices that a question lists, after either header; empty where there is none."""
    for header in HEADER.values():
        _, found, rest = question.partition(header)
        if found:
            return [line for line in rest.split("\n") if re.match(r"\s*\(?[A-E][).]", line)]
    return []


def upstream_letter(said: str, choices: Sequence[str]) -> str:
    """The letter that ``post_process`` takes from an answer: the first capital A to E wherever it stands.

    An empty answer is part of every choice and so becomes the first one's letter. Without choices, where the script
    looks for the answer's text in them, there is no letter.
    """
    said = said.strip()
    for prefix in _PREFIXES:
        said = said.replace(prefix, "")
    letter = re.search("[ABCDE]", said)
    if letter is not None:
        return letter[0]
    if len(said.split()) > 10:
        return ""
    return next((choice[1:2] for choice in choices if said.lower() in choice.lower()), "")


_CLAIM = re.compile(
    r"(?i:\b(?:answer|option|choice)\b(?:\s+is)?\s*:?)\s*\(?([A-E])\b|^\s*\(?([A-E])(?:\s*$|[).:,]|\s+(?=[A-Z(]))|\(([A-E])\)"
)


def strict_letter(said: str, choices: Sequence[str]) -> str:
    """The one letter that an answer claims: alone, in brackets, or after "answer", "option", "choice"; "" otherwise.

    An answer that is the text of one choice claims it.
    """
    claimed = {next(group for group in match.groups() if group) for match in _CLAIM.finditer(said)}
    if len(claimed) == 1:
        return claimed.pop()
    if claimed:
        return ""
    whole = _words(said)
    found = [
        m[1]
        for c in choices
        if (m := re.match(r"\s*\(?([A-E])[).]\s*(.*)", c)) and _words(m[2]) == whole != ""
    ]
    return found[0] if len(found) == 1 else ""


def _words(said: str) -> str:
    return " ".join(said.lower().split()).rstrip(". ")


def score(way: Way, rows: Sequence[Row], _data: Any) -> Sheet:
    """``accuracy`` over all rows, and over each of the two tasks."""
    letter = upstream_letter if way == "upstream" else strict_letter
    letters, stopped = [], ""
    for row in rows:
        kept = row.facts["stored"] if way == "upstream" and not row.facts["choices"] else None
        letters.append(kept if kept is not None else letter(row.response or "", row.facts["choices"]))
        if row.facts["task"] not in ("Perception", "Reasoning") and not stopped:
            stopped = f"row {row.number}: KeyError: {row.facts['task']!r} is neither Perception nor Reasoning"
    right = np.array(
        [found == row.reference for found, row in zip(letters, rows, strict=True)], dtype=np.float64
    )
    scores = {"accuracy": right}
    for task in ("Perception", "Reasoning"):
        scores[task.lower()] = np.where([row.facts["task"] == task for row in rows], right, np.nan)
    why = [
        "" if one else f"took {found!r}" if found else "no letter in the answer"
        for one, found in zip(right, letters, strict=True)
    ]
    return Sheet(scores, "accuracy", letters, why, stopped=stopped if way == "upstream" else "")


def questions(data: Path, header: str = "upstream") -> Iterator[Question]:
    """The driving questions of the set, with the header that the published script uses.

    Raises:
        UsageError: no such file.
        DataError: a key or picture is missing, a question is not multiple choice, or none is about driving.
    """
    keys = (
        "Question_id",
        "Question Type",
        "Image",
        "Text",
        "Answer choices",
        "Ground truth",
        "Category",
        "Task",
        "Subtask",
    )
    root = data / "images" / "MME-RealWorld" / "data"
    asked = 0
    for where, entry in entries(data / "val" / FILE, keys):
        if entry["Subtask"] != SUBTASK:
            continue
        if entry["Question Type"] != "Multiple Choice":
            raise DataError(
                f"{where}: the question is {entry['Question Type']!r}, expected 'Multiple Choice'"
            )
        asked += 1
        prompt = entry["Text"] + HEADER[header] + "\n".join(entry["Answer choices"]) + "\n" + PROMPT
        row = {
            "question": prompt,
            "gt_answers": entry["Ground truth"],
            "index": entry["Question_id"],
            "category": entry["Category"],
            "task": entry["Task"],
            "choices": entry["Answer choices"],
            "image": entry["Image"],
        }
        yield Question(entry["Question_id"], picture(root, entry["Image"], where), prompt, row)
    if not asked:
        raise DataError(f"{data / 'val' / FILE}: no question with the Subtask {SUBTASK!r}")


def answered(row: Mapping[str, Any], response: str) -> dict[str, Any]:
    """The row with the answer, and the letter that the published script takes from it."""
    return {**row, "output": response, "answer": upstream_letter(response, row["choices"])}


TASKS = (
    Task(
        name="mme-realworld-ad",
        title="MME-RealWorld, autonomous driving",
        keys=("answer", "gt_answers", "category", "task"),
        read=read,
        score={"upstream": partial(score, "upstream"), "strict": partial(score, "strict")},
        questions=questions,
        answered=answered,
        max_new_tokens=100,
        difference=(
            "the letter: the first capital A to E, be it in a word / the one letter that the answer claims",
            "an empty answer: the first choice / wrong",
            "a part of a choice's text: that choice / only the whole text of one choice counts",
        ),
    ),
)
