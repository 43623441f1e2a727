"""DIOR-RSVG: one box for a phrase in an aerial picture (``rs_det/evaluate.py``, ``caculate.py`` of InternVL)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mmdata.errors import DataError
from mmdata.scoring.evalsets import entries, picture
from mmdata.scoring.task import Question, Row, Sheet, Task, Way

PROMPT = "Detect "
FILE = "dior_rsvg_test.json"

Box = tuple[float, float, float, float]
"""x1, y1, x2, y2 in pixels."""


def read(number: int, entry: Mapping[str, Any]) -> Row:
    """A row as ``rs_det/evaluate.py`` writes it."""
    box, size = entry["gt_answers"], entry["image_size"]
    for key, value, length in (("gt_answers", box, 4), ("image_size", size, 2)):
        if not (
            isinstance(value, list) and len(value) == length and all(type(v) in (int, float) for v in value)
        ):
            raise DataError(f"`{key}` is no list of {length} numbers")
    return Row(
        number,
        entry.get("index"),
        str(entry.get("question", "")),
        entry["answer"],
        tuple(float(v) for v in box),
        "",
        str(entry.get("image", "")),
        {"size": (float(size[0]), float(size[1]))},
    )


def scaled(box: Sequence[float], size: tuple[float, float]) -> Box:
    """A box of 0-1000 in pixels, cut at the picture's edges."""
    width, height = size
    x1, y1, x2, y2 = box
    return (
        min(max(x1 / 1000 * width, 0), width),
        min(max(y1 / 1000 * height, 0), height),
        min(max(x2 / 1000 * width, 0), width),
        min(max(y2 / 1000 * height, 0), height),
    )


def iou(a: Box, b: Box, *, extra: float = 0.0) -> float:
    """Intersection over union; `extra` is added to every extent, 1 where corners are taken for pixels.

    Raises:
        ZeroDivisionError: both boxes are empty.
    """
    overlap = max(0, min(a[2], b[2]) - max(a[0], b[0]) + extra) * max(
        0, min(a[3], b[3]) - max(a[1], b[1]) + extra
    )
    area_a = (a[2] - a[0] + extra) * (a[3] - a[1] + extra)
    area_b = (b[2] - b[0] + extra) * (b[3] - b[1] + extra)
    return float(overlap / (area_a + area_b - overlap))


_UPSTREAM = re.compile(r"\[*\[.*?,.*?,.*?,.*?\]\]*")


def upstream_correct(row: Row) -> tuple[bool, str, str, Box | None]:
    """(right, what was taken for the answer, why not, box), by ``caculate.py``: the first match, which has to be ``[[a,b,c,d]]``."""
    found = _UPSTREAM.findall(row.response or "")
    if not found:
        return False, "", "no box in the answer", None
    try:
        # What is not a list of boxes raises here, as it does there, and counts as wrong.
        box = scaled(json.loads(found[0])[0], row.facts["size"])
        overlap = iou(box, row.reference, extra=1)
    except Exception as error:
        return False, found[0], f"the first match is not [[x1,y1,x2,y2]] ({type(error).__name__})", None
    return overlap > 0.5, found[0], "" if overlap > 0.5 else f"IoU {overlap:.3f}", box


_NUMBER = r"\s*(-?\d+(?:\.\d+)?)\s*"
_STRICT = re.compile(r"\[" + ",".join([_NUMBER] * 4) + r"\]")


def strict_correct(row: Row) -> tuple[bool, str, str, Box | None]:
    """(right, what was taken for the answer, why not, box): exactly one box of 0-1000 in any brackets, IoU of at least 0.5."""
    found = {tuple(float(v) for v in match) for match in _STRICT.findall(row.response or "")}
    if len(found) != 1:
        return False, "", f"{len(found)} boxes in the answer" if found else "no box in the answer", None
    given = found.pop()
    if given[0] >= given[2] or given[1] >= given[3]:
        return False, str(list(given)), "the corners are not top left and bottom right", None
    box = scaled(given, row.facts["size"])
    reference = row.reference
    try:
        overlap = iou(box, reference)
    except ZeroDivisionError:
        overlap = 0.0
    return overlap >= 0.5, str(list(given)), "" if overlap >= 0.5 else f"IoU {overlap:.3f}", box


def score(way: Way, rows: Sequence[Row], _data: Any) -> Sheet:
    """``acc@0.5``: the share of phrases whose box overlaps the reference enough."""
    judge = upstream_correct if way == "upstream" else strict_correct
    judged = [judge(row) for row in rows]
    return Sheet(
        {"acc@0.5": np.array([right for right, *_ in judged], dtype=np.float64)},
        "acc@0.5",
        [parsed for _, parsed, _, _ in judged],
        [why for _, _, why, _ in judged],
    )


def boxes(row: Row) -> tuple[list[float] | None, list[float] | None]:
    """The reference and the box that `strict` reads, else the one that `upstream` reads; pixels."""
    given = strict_correct(row)[3] or upstream_correct(row)[3]
    return list(row.reference), list(given) if given else None


def questions(data: Path) -> Iterator[Question]:
    """The set's questions.

    Raises:
        UsageError: no such file.
        DataError: a key or picture is missing.
    """
    for where, entry in entries(data / "val" / FILE, ("image", "prompt", "bbox", "size")):
        prompt = PROMPT + entry["prompt"]
        row = {
            "question": prompt,
            "gt_answers": entry["bbox"],
            "image_size": entry["size"],
            "image": entry["image"],
        }
        number = int(where.rsplit(" ", 1)[1])
        yield Question(
            number, picture(data / "images", entry["image"], where), prompt, {**row, "index": number}
        )


def answered(row: Mapping[str, Any], response: str) -> dict[str, Any]:
    """The row with its answer."""
    return {**row, "answer": response}


TASKS = (
    Task(
        name="dior-rsvg",
        title="DIOR-RSVG, boxes of phrases",
        keys=("answer", "gt_answers", "image_size"),
        read=read,
        score={"upstream": partial(score, "upstream"), "strict": partial(score, "strict")},
        questions=questions,
        answered=answered,
        max_new_tokens=200,
        boxes=boxes,
        difference=(
            "the box: the first match, written [[x1,y1,x2,y2]] / exactly one, in any brackets",
            "IoU: one pixel added to every extent, above 0.5 / no pixel added, 0.5 or above (as RefCOCO)",
            "corners in the wrong order: scored as they are / wrong",
        ),
    ),
)
