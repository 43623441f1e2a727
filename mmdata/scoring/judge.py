"""What an external judge has to rate of DriveLM's answers, and the ratings it came back with.

``challenge/gpt_eval.py`` of DriveLM asks a language model for a number from 0 to 100 for every answer whose question is
tagged for it, and once more for those whose points are matched. Here an answer is rated once, for both.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from mmdata.errors import DataError
from mmdata.scoring.rows import read_entries
from mmdata.scoring.task import WAYS, Row, Way
from mmdata.scoring.tasks.drivelm import JUDGE, MATCH, Asked, agree, scored

HELP = """\
Each line is an answer to be rated from 0 to 100 against its `reference`; put the number into `rating`. Lines whose
`scorers` lack "upstream" count for the strict score alone and may stay without one. Then:
  mmtrain score PREDICTIONS --task drivelm --data TEST --judge-ratings FILE
Final score: 0.4 judge + 0.2 language + 0.2 match + 0.2 accuracy; match is half F1, half rating.
"""

NAMED = 5
"""Faulty ratings that an error names."""


def judge_tasks(rows: Sequence[Row], test: Mapping[str, Asked]) -> Iterator[dict[str, Any]]:
    """What has to be rated: questions tagged for the judge, and those of match, half of whose score it is.

    Raises:
        DataError: the answers are not those of the test file's questions.
    """
    agree(rows, test)
    seen: dict[Way, dict[Any, Row]] = {}
    for way in WAYS:
        answers, kept = scored(way, rows, test)
        seen[way] = {row.id: row for row, counts in zip(answers, kept, strict=True) if counts}
    for row in rows:
        asked = test[row.id]
        if asked.tags & {JUDGE, MATCH}:
            scorers = [way for way in WAYS if row.id in seen[way]]
            yield {
                "id": row.id,
                "part": [name for tag, name in ((JUDGE, "judge"), (MATCH, "match")) if tag in asked.tags],
                "scorers": scorers,
                "question": asked.question,
                "reference": asked.answer,
                "answer": seen[scorers[0]][row.id].response or "",
                "rating": None,
            }


def with_ratings(test: Mapping[str, Asked], rows: Sequence[Row], path: str) -> dict[str, Asked]:
    """The test file's questions with the ratings of a file: `judge_tasks` with `rating` filled in.

    A rating is a number from 0 to 100, or text that is just that; a line may hold ``id`` and ``rating`` alone. Where it
    holds the ``answer``, that has to be the one that is scored.

    Raises:
        UsageError: no such file.
        DataError: not JSON; a rating out of range, of no question, of one that is not rated, twice, or of another answer.
    """
    wanted = {one["id"]: one for one in judge_tasks(rows, test)}
    found: dict[Any, float] = {}
    faults: list[str] = []
    for number, entry in enumerate(read_entries(path)):
        key = entry.get("id") if isinstance(entry, dict) else None
        if not isinstance(key, str) or "rating" not in entry:
            faults.append(f"entry {number}: expected an object with `id` and `rating`")
        elif key not in test:
            faults.append(f"{key}: the test file has no such question")
        elif key not in wanted:
            faults.append(f"{key}: its question is not rated by the judge")
        elif key in found:
            faults.append(f"{key}: rated twice")
        elif "answer" in entry and entry["answer"] != wanted[key]["answer"]:
            faults.append(f"{key}: the rating is of another answer, {str(entry['answer'])[:60]!r}")
        elif entry["rating"] is not None:
            rating = _number(entry["rating"])
            if rating is None:
                faults.append(f"{key}: the rating {entry['rating']!r} is no number from 0 to 100")
            else:
                found[key] = rating
    if faults:
        more = f" (and {len(faults) - NAMED} more)" if len(faults) > NAMED else ""
        raise DataError(f"{path}: {'; '.join(faults[:NAMED])}{more}")
    if not found:
        raise DataError(f"{path}: no `rating` is filled in")
    return {key: replace(asked, rating=found.get(key)) for key, asked in test.items()}


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) and 0 <= number <= 100 else None
