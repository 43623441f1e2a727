"""VideoRefer-Bench-Q: multiple choice about regions of videos (VideoRefer's ``eval/eval_videorefer_bench_q.py``)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mmdata.errors import UsageError
from mmdata.scoring.rows import text
from mmdata.scoring.task import Question, Row, Sheet, Task, Way

NAME = "videorefer-bench-q"


def read(number: int, entry: Mapping[str, Any]) -> Row:
    """A row as ``inference_videorefer_q_bench.py`` writes it; it has no id and no question."""
    return Row(
        number,
        None,
        str(entry.get("Question", "")),
        entry["pred"],
        text(entry, "Answer"),
        text(entry, "type"),
    )


_LETTER = re.compile(r"\(([A-Z])\)")
_LOOSE = re.compile(r"([A-Z])\)")


def upstream_correct(row: Row) -> tuple[bool, str, str]:
    """(right, what was taken for the answer, why not), by the published script.

    The first ``(X)``, else the first ``X)``, else the first character that is no full stop; compared without case. The
    reference is its first ``(X)``, else the whole of it.

    Raises:
        IndexError: the answer has no character but full stops; the script stops there.
    """
    found = _LETTER.search(row.reference)
    wanted = found[1] if found else row.reference
    said = row.response or ""
    match = _LETTER.search(said) or _LOOSE.search(said)
    letter = match[1] if match else said.replace(".", "")[0]
    right = letter.lower() == wanted.lower()
    return right, letter, "" if right else "another option"


_OPTION = re.compile(r"(?<!\w)\(?([A-Z])\)")
_BARE = re.compile(r"\(?([A-Za-z])\)?\s*[.:,]?(?:\s|$)")


def letter_of(said: str) -> str:
    """The one option that a text names, as a capital letter; "" where it names none or several."""
    named = set(_OPTION.findall(said))
    if named:
        return named.pop() if len(named) == 1 else ""
    said = said.strip()
    match = _BARE.match(said)
    if match is None:
        return ""
    # "A cat" is no option, "A", "a." and "B: a cat" are.
    alone = match.end() == len(said) or said[match.end(1) : match.end()].strip() in (".", ":", ",")
    return match[1].upper() if alone else ""


def strict_correct(row: Row) -> tuple[bool, str, str]:
    """(right, what was taken for the answer, why not): the answer names one option, or is the reference's own text."""
    wanted, said = letter_of(row.reference) or row.reference.strip(), row.response or ""
    letter = letter_of(said)
    if letter:
        return letter == wanted, letter, "" if letter == wanted else "another option"
    words = _plain(_LETTER.sub("", row.reference))
    if words and _plain(said) == words:
        return True, wanted, ""
    return False, "", "the answer names no option, or several"


def _plain(said: str) -> str:
    return " ".join(said.lower().split()).strip(". ")


def score(way: Way, rows: Sequence[Row], _data: Any) -> Sheet:
    """``accuracy`` over all rows; by type it is the published table."""
    right, parsed, why = np.zeros(len(rows)), [], []
    stopped = ""
    for number, row in enumerate(rows):
        try:
            ok, letter, reason = (upstream_correct if way == "upstream" else strict_correct)(row)
        except IndexError:
            ok, letter, reason = False, "", "nothing is left of the answer"
            stopped = stopped or f"row {row.number}: the answer {row.response!r} is empty: IndexError"
        right[number] = ok
        parsed.append(letter)
        why.append(reason)
    return Sheet({"accuracy": right}, "accuracy", parsed, why, stopped=stopped)


def questions(data: Path) -> Iterator[Question]:
    """The set has no pictures to ask about: its questions are about regions.

    Raises:
        UsageError: always; says what asks them.
    """
    raise UsageError(
        f"{data}: {NAME} asks about regions of videos: `mmtrain evaluate MODEL --task regions --data FILE`"
    )


def answered(row: Mapping[str, Any], response: str) -> dict[str, Any]:
    """The row with its answer."""
    return {**row, "pred": response}


TASKS = (
    Task(
        name=NAME,
        title="VideoRefer-Bench-Q",
        keys=("pred", "Answer", "type"),
        read=read,
        score={"upstream": partial(score, "upstream"), "strict": partial(score, "strict")},
        questions=questions,
        answered=answered,
        max_new_tokens=64,
        difference=(
            "the option: the first (X), else X), else the first character / the only one that is named",
            "an answer without a letter: its first character counts / right if it is the reference's text",
            "case of a letter in brackets: capitals alone / the same",
        ),
    ),
)
