"""DriveLM: accuracy, match and language of the challenge's score, and with a judge's ratings the whole of it.

The judge is another program; `mmdata.scoring.judge` writes what it has to rate and reads what it said.

Sources: ``challenge/evaluation.py`` and ``gpt_eval.py`` of DriveLM, ``drivelm/evaluate.py`` of InternVL.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmdata.errors import DataError
from mmdata.scoring.bootstrap import mean
from mmdata.scoring.evalsets import entries, picture
from mmdata.scoring.rows import text
from mmdata.scoring.task import Question, Row, Sheet, Task, Way
from mmdata.stitching.canvas import DRIVELM, NUSCENES_SIZE
from mmdata.stitching.tags import to_cameras

FILE = "drivelm_val.jsonl"

ACCURACY, JUDGE, LANGUAGE, MATCH = range(4)
"""What a question's tags say of how it is scored."""

WEIGHTS = {"judge": 0.4, "language": 0.2, "match": 0.2, "accuracy": 0.2}
"""How the challenge adds its four parts up."""

NEAR = 16
"""Points nearer than this, |dx| + |dy| in pixels of a camera's 1600 x 900, are one."""

STAGES = ("perception", "prediction", "planning", "behavior")


@dataclass(frozen=True, slots=True)
class Asked:
    """A question of the challenge's test file.

    Attributes:
        question: its text.
        answer: the reference.
        tags: how it is scored.
        first: it opens its key frame: its answer's points are the frame's graph.
        stage: perception, prediction, planning or behavior.
        rating: what a judge gave the answer, 0 to 100; None: not rated.
    """

    question: str
    answer: str
    tags: frozenset[int]
    first: bool
    stage: str
    rating: float | None = None


def read(number: int, entry: Mapping[str, Any]) -> Row:
    """A row as ``drivelm/evaluate.py`` writes it."""
    return Row(
        number,
        text(entry, "id"),
        str(entry.get("question", "")),
        entry["answer"],
        text(entry, "gt_answers"),
        "",
        str(entry.get("image", "")),
        {"said": entry["said"]} if isinstance(entry.get("said"), str) else {},
    )


def read_test(path: str) -> dict[str, Asked]:
    """The challenge's test file: scene -> key frames -> QA, as one question an id ``scene_frame_number``.

    Raises:
        UsageError: no such file.
        DataError: not laid out so, or a question has no ``tag``.
    """
    import orjson

    from mmdata.errors import UsageError

    if not Path(path).is_file():
        raise UsageError(f"{path}: no such file")
    asked: dict[str, Asked] = {}
    try:
        scenes = orjson.loads(Path(path).read_bytes())
        for scene, body in scenes.items():
            for frame, content in body["key_frames"].items():
                entries = [(stage, qa) for stage in STAGES for qa in content["QA"][stage]]
                for number, (stage, qa) in enumerate(entries):
                    asked[f"{scene}_{frame}_{number}"] = Asked(
                        qa["Q"], qa["A"], frozenset(qa["tag"]), number == 0, stage
                    )
    except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError) as error:
        raise DataError(
            f"{path}: not the challenge's test file, scenes of key frames of QA with tags ({type(error).__name__}: {error})"
        ) from None
    return asked


_DECIMAL = re.compile(r"\d+\.\d+")
_POINT = re.compile(r"<\s*c\d+\s*,\s*CAM_[A-Z_]+\s*,\s*(-?\d+(?:\.\d+)?)\s*,\s*(-?\d+(?:\.\d+)?)\s*>")

Points = NDArray[np.float64]


def decimals(said: str) -> Points:
    """(points, 2) as ``evaluation.py`` reads them: all decimals, two by two; integers are not seen, an odd one falls off."""
    numbers = [float(number) for number in _DECIMAL.findall(said)]
    return np.array(numbers[: len(numbers) // 2 * 2], dtype=np.float64).reshape(-1, 2)


def tagged(said: str) -> Points:
    """(points, 2): the coordinates of every tag ``<c1,CAM_BACK,x,y>``, integers too."""
    return np.array([[float(x), float(y)] for x, y in _POINT.findall(said)], dtype=np.float64).reshape(-1, 2)


def matched(said: Points, wanted: Points) -> tuple[Points, float]:
    """The reference's points that were found, and F1.

    Each point, in order, takes the nearest one that is left, if it is near; so does ``match_result``.
    """
    left, taken = list(range(len(wanted))), []
    for point in said:
        distance = [float(np.abs(point - wanted[k]).sum()) for k in left]
        if distance and min(distance) < NEAR:
            taken.append(left.pop(int(np.argmin(distance))))
    hits = len(taken)
    precision, recall = hits / (len(said) + 1e-8), hits / (len(wanted) + 1e-8)
    return wanted[taken], 2 * precision * recall / (precision + recall + 1e-8)


def counted(rows: Sequence[Row], test: Mapping[str, Asked], points: Callable[[str], Points]) -> list[bool]:
    """Which rows the challenge scores: a frame's first, and those whose points are all among the first answer's hits."""
    graphs: dict[str, set[tuple[float, ...]]] = {}
    answers = {row.id: row for row in rows}
    for key, asked in test.items():
        if asked.first:
            found, _ = matched(points(answers[key].response or ""), points(asked.answer))
            graphs[key.rsplit("_", 1)[0]] = {tuple(point) for point in found.tolist()}
    return [
        test[row.id].first
        or all(tuple(p) in graphs[row.id.rsplit("_", 1)[0]] for p in points(test[row.id].question).tolist())
        for row in rows
    ]


def scored(way: Way, rows: Sequence[Row], test: Mapping[str, Asked]) -> tuple[list[Row], list[bool]]:
    """The rows with the answers that a way of scoring sees, and which of them it scores."""
    if way == "strict":
        return list(rows), [True] * len(rows)
    # Answers in the model's own words are mapped as the published script maps them.
    rows = [replace(row, response=upstream_mapped(row.facts["said"])) if row.facts else row for row in rows]
    return rows, counted(rows, test, decimals)


def score(way: Way, rows: Sequence[Row], data: Any) -> Sheet:
    """``accuracy``, ``match`` (F1 alone), the language metrics and ``language``, the challenge's part made of them.

    With a judge's ratings also ``judge``, ``match_judged`` (half F1, half rating) and ``final``, the challenge's score.

    Args:
        way: ``upstream`` skips questions about objects that the frame's first answer missed, and reads decimals only;
            ``strict`` scores every question, and reads tags.
        rows: the answers.
        data: the challenge's test file, as `read_test` gives it.

    Raises:
        DataError: a question has no answer, or an answer no question; ratings are there, but not all that `upstream` needs.
    """
    from mmdata.scoring.language import language_scores

    test: Mapping[str, Asked] = data
    agree(rows, test)
    for row in rows:
        row.kind = test[row.id].stage
    points = decimals if way == "upstream" else tagged
    rows, kept = scored(way, rows, test)
    size = len(rows)
    accuracy, match = np.full(size, np.nan), np.full(size, np.nan)
    parsed, why = [""] * size, [""] * size
    talk: list[int] = []
    for k, row in enumerate(rows):
        asked, said = test[row.id], row.response or ""
        if not kept[k]:
            parsed[k] = "not scored: it asks about objects that the frame's first answer missed"
            continue
        if ACCURACY in asked.tags:
            right = said == asked.answer if way == "upstream" else said.strip() == asked.answer.strip()
            accuracy[k] = right
            parsed[k], why[k] = said, "" if right else "another text"
        if MATCH in asked.tags:
            found = points(said)
            match[k] = matched(found, points(asked.answer))[1]
            parsed[k], why[k] = f"{len(found)} points", "" if match[k] > 0.999 else f"F1 {match[k]:.3f}"
        if LANGUAGE in asked.tags:
            talk.append(k)
    stopped = ""
    if way == "upstream":
        stopped = _odd(rows, test, kept)
        for name, some in (("accuracy", accuracy), ("match", match)):
            if np.isnan(some).all() and not stopped:
                stopped = f"ZeroDivisionError: no row counts for {name}"
    scores = {"accuracy": accuracy, "match": match}
    spoken, corpus = language_scores(
        [rows[k].response or "" for k in talk], [test[rows[k].id].answer for k in talk]
    )
    for name, values in spoken.items():
        scores[name] = np.full(size, np.nan)
        scores[name][talk] = values
    back = np.full(size, -1)
    back[talk] = np.arange(len(talk))

    def of_rows(metric: Callable[[NDArray[np.intp]], float]) -> Callable[[NDArray[np.intp]], float]:
        return lambda chosen: metric(back[chosen][back[chosen] >= 0])

    whole = {name: of_rows(one) for name, one in corpus.items()}
    if talk:
        whole["language"] = partial(_language, scores, dict(whole))
    sheet = Sheet(scores, "accuracy", parsed, why, whole, stopped=stopped)
    if any(one.rating is not None for one in test.values()):
        _judged(sheet, way, rows, kept, test)
    return sheet


def _language(
    scores: Mapping[str, NDArray[np.float64]],
    corpus: Mapping[str, Callable[[NDArray[np.intp]], float]],
    chosen: NDArray[np.intp],
) -> float:
    """`language_part` of a choice of rows."""
    means = {name: mean(scores[name][chosen]) for name in ("rouge_l", "cider")}
    return language_part({**means, **{name: metric(chosen) for name, metric in corpus.items()}})


def _judged(
    sheet: Sheet, way: Way, rows: Sequence[Row], kept: Sequence[bool], test: Mapping[str, Asked]
) -> None:
    """Add what the ratings make possible.

    Raises:
        DataError: ratings that the published score needs are missing.
    """
    judge, half = np.full(len(rows), np.nan), np.full(len(rows), np.nan)
    absent = []
    for k, row in enumerate(rows):
        asked = test[row.id]
        if not kept[k] or not asked.tags & {JUDGE, MATCH}:
            continue
        if asked.rating is None:
            absent.append(str(row.id))
        elif JUDGE in asked.tags:
            judge[k] = asked.rating / 100
        if asked.rating is not None and MATCH in asked.tags:
            half[k] = asked.rating / 100
    if absent:
        told = f"{len(absent)} answers have no rating, first {', '.join(absent[:3])}"
        if way == "upstream":
            raise DataError(f"{told}: the published score needs them")
        sheet.notes.append(f"strict: no judge, match_judged and final: {told}")
        return
    sheet.scores["judge"] = judge
    sheet.scores["match_judged"] = (sheet.scores["match"] + half) / 2
    if way == "upstream" and np.isnan(judge).all() and not sheet.stopped:
        sheet.stopped = "ZeroDivisionError: no row counts for the judge"
    parts = {"judge": "judge", "match": "match_judged", "accuracy": "accuracy"}
    language = sheet.corpus.get("language")

    def final(chosen: NDArray[np.intp]) -> float:
        means = {part: mean(sheet.scores[name][chosen]) for part, name in parts.items()}
        means["language"] = language(chosen) if language else float("nan")
        return sum(weight * means[part] for part, weight in WEIGHTS.items())

    sheet.corpus["final"] = final


def _odd(rows: Sequence[Row], test: Mapping[str, Asked], kept: Sequence[bool]) -> str:
    """The first odd number of decimals in a question or reference, which the published script cannot pair."""
    for row, scored in zip(rows, kept, strict=True):
        asked = test[row.id]
        if not asked.first and len(_DECIMAL.findall(asked.question)) % 2:
            return f"{row.id}: ValueError: an odd number of decimals in the question"
        if (asked.first or (scored and MATCH in asked.tags)) and len(_DECIMAL.findall(asked.answer)) % 2:
            return f"{row.id}: ValueError: an odd number of decimals in the reference"
    return ""


def agree(rows: Sequence[Row], test: Mapping[str, Asked]) -> None:
    """Every question has its answer, and every answer its question.

    Raises:
        DataError: not so.
    """
    answered = {row.id for row in rows}
    missing = [key for key in test if key not in answered]
    if missing:
        raise DataError(f"{len(missing)} questions have no answer, first {missing[0]}")
    foreign = [row for row in rows if row.id not in test]
    if foreign:
        raise DataError(f"row {foreign[0].number}: the test file has no question {foreign[0].id}")


def language_part(scores: Mapping[str, float]) -> float:
    """The challenge's language part: the mean of BLEU-1 to 4 averaged, ROUGE-L, and a tenth of CIDEr."""
    bleu = sum(scores[f"bleu_{n}"] for n in range(1, 5)) / 4
    return (bleu + scores["rouge_l"] + scores["cider"] / 10) / 3


def submission(rows: Sequence[Row], **about: Any) -> dict[str, Any]:
    """The challenge's submission: who submits, and the answers.

    Args:
        rows: the answers.
        about: method, team, authors (a list), email, institution, country; what is left out is empty.
    """
    fields = {"method": "", "team": "", "authors": [""], "email": "", "institution": "", "country": ""}
    results = [
        {"id": r.id, "question": r.question, "answer": r.response or "", "gt_answer": r.reference}
        for r in rows
    ]
    return {**fields, **about, "results": results}


def questions(data: Path) -> Iterator[Question]:
    """The set's questions, as stitched pictures.

    Raises:
        UsageError: no such file.
        DataError: a key or picture is missing.
    """
    root = data / "images" / "drivelm" / "stitch"
    for where, entry in entries(data / "val" / FILE, ("id", "image", "question_old", "conversations")):
        try:
            asked, answer = (entry["conversations"][k]["value"].strip() for k in (0, 1))
        except (KeyError, IndexError, TypeError, AttributeError):
            raise DataError(f"{where}: `conversations` has no question and answer") from None
        row = {
            "question": entry["question_old"],
            "gt_answers": answer,
            "id": entry["id"],
            "image": entry["image"],
        }
        yield Question(entry["id"], picture(root, entry["image"], where), asked, row)


_CANVAS_TAG = re.compile(r"<c[^,]*,\s*[^,]*,\s*\[\s*-?[0-9]*\.?[0-9]+\s*,\s*-?[0-9]*\.?[0-9]+\s*\]\s*>")


def upstream_mapped(said: str) -> str:
    """An answer with its tags in pixels of their cameras, as the published script's ``post_process`` maps them.

    A space before the camera's name leaves a tag as it is, and so does a number such as ``.5``; a point at or beyond the
    camera's left or upper edge becomes the integer 0, beyond the others 1600 or 900, which the challenge's score does
    not see.
    """
    text = said.strip()
    for tag in _CANVAS_TAG.findall(text):
        name, camera, *numbers = tag.replace("<", "").replace(">", "").split(",")
        try:
            x, y = json.loads(",".join(numbers))
        except ValueError:
            continue
        if camera not in DRIVELM.views:
            continue
        column, row = DRIVELM.cell(camera)
        across = (x / 1000 * 2688 - column * 896) / 896 * 1600
        down = (y / 1000 * 896 - row * 448) / 448 * 900
        placed = [round(max(0, min(side, value)), 1) for value, side in ((across, 1600), (down, 900))]
        text = text.replace(tag, f"<{name},{camera},{placed[0]},{placed[1]}>")
    return text


def answered(row: Mapping[str, Any], response: str) -> dict[str, Any]:
    """The row with the answer, its tags mapped back to pixels of their cameras; `said` has it as the model wrote it."""
    mapped = to_cameras(response.strip(), lambda view: DRIVELM if view in DRIVELM.views else None)
    return {**row, "answer": mapped.text, "said": response}


_PLACE = re.compile(r"<\s*c\d+\s*,\s*(CAM_[A-Z_]+)\s*,\s*(-?\d+(?:\.\d+)?)\s*,\s*(-?\d+(?:\.\d+)?)\s*>")


def places(row: Row) -> tuple[list[tuple[float, float]], list[tuple[float, float]], tuple[int, int]]:
    """The points of the reference's and the answer's tags in pixels of the stitched picture, and its size."""
    found: list[list[tuple[float, float]]] = []
    for said in (row.reference, row.response or ""):
        mapped = to_cameras(said, lambda view: DRIVELM if view in DRIVELM.views else None).text
        points = []
        for view, x, y in _PLACE.findall(mapped):
            if view in DRIVELM.views:
                left, top = DRIVELM.corner(view)
                across, down = float(x) / NUSCENES_SIZE[0], float(y) / NUSCENES_SIZE[1]
                points.append((left + across * DRIVELM.tile[0], top + down * DRIVELM.tile[1]))
        found.append(points)
    return found[0], found[1], DRIVELM.size


TASKS = (
    Task(
        name="drivelm",
        title="DriveLM",
        keys=("id", "answer", "gt_answers"),
        read=read,
        score={"upstream": partial(score, "upstream"), "strict": partial(score, "strict")},
        questions=questions,
        answered=answered,
        max_new_tokens=200,
        points=places,
        needs="the challenge's test file with tags (--test-file)",
        load=read_test,
        difference=(
            "questions about objects that the frame's first answer missed: left out / scored",
            "points: decimals anywhere in the text, integers not seen / the coordinates of tags",
            "answers: equal to the letter / equal but for spaces around",
        ),
    ),
)
