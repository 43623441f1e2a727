"""GeoChat: a JSON array (or JSON Lines) of conversations, boxes in texts as ``{<x1><y1><x2><y2>|<angle>}``, 0 to 100.

By default texts stay as they are. With ``--boxes internvl`` a box becomes ``<box>[[x1,y1,x2,y2]]</box>``, 0 to 1000,
nearest whole number, halves to even; ``<p>phrase</p>`` before it becomes ``<ref>phrase</ref>``. InternVL's box is
upright: of a turned one (turned about its centre, in pixels) the upright box around it is written, for which the
picture's size must be known (``--media-root``). The texts as they were stay in ``conversations_old``.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Sequence
from fractions import Fraction
from functools import partial
from typing import Any

from mmdata.errors import DataError
from mmdata.importers._media import PictureSizes
from mmdata.importing import Importer, ImportLedger, ImportOptions, Sink
from mmdata.io.jsontext import parse
from mmdata.io.read import open_source
from mmdata.io.record import Problem
from mmdata.progress import Progress

_N = r"<(-?\d+(?:\.\d+)?)>"
BOX = re.compile(rf"\{{{_N}{_N}{_N}{_N}\|{_N}\}}")
_GROUP = re.compile(
    rf"(?:<p>\s*(?P<phrase>[^<>]*?)\s*</p>\s*)?(?P<boxes>{BOX.pattern}(?:\s*<delim>\s*{BOX.pattern})*)"
)
_LEFT_OVER = re.compile(r"\{<[^}]*\}?")


def run(
    paths: Sequence[str], options: ImportOptions, sink: Sink, ledger: ImportLedger, progress: Progress
) -> None:
    """Read the files in order."""
    name = options.name or "geochat"
    sizes = PictureSizes(options.media_root)
    for path in paths:
        with open_source(path) as source:
            progress.start(os.path.basename(path), source.size)
            last = 0
            for item in source.records():
                if isinstance(item, Problem):
                    raise DataError(f"{path}: {item.message}")
                progress.advance(item.start - last)
                last = item.start
                ledger.read["records"] += 1
                here = f"{path}: record {item.index}"
                if item.problem is not None:
                    ledger.leave("records", here, "not JSON", item.problem.message)
                    continue
                record = parse(item.data)
                fault = _fault(record)
                if fault:
                    ledger.leave("records", here, fault)
                    continue
                ledger.written["records"] += 1
                if options.boxes == "internvl":
                    record = _with_boxes(record, here, sizes, ledger)
                sink.line(f"{name}.jsonl", record)


def _fault(record: Any) -> str:
    if not isinstance(record, dict):
        return "no object"
    turns = record.get("conversations")
    if not isinstance(turns, list) or not turns:
        return "no `conversations`"
    if not all(
        isinstance(t, dict) and isinstance(t.get("value"), str) and t.get("from") in ("human", "gpt")
        for t in turns
    ):
        return "a turn without `from` (human or gpt) and `value`"
    return "" if isinstance(record.get("image"), str) else "no path in `image`"


def _with_boxes(
    record: dict[str, Any], here: str, sizes: PictureSizes, ledger: ImportLedger
) -> dict[str, Any]:
    old = record["conversations"]
    turns = []
    for i, turn in enumerate(old):
        place = f"{here}, turn {i}"
        group = partial(_one, place=place, image=record["image"], sizes=sizes, ledger=ledger)
        turns.append({**turn, "value": _GROUP.sub(group, turn["value"])})
        for match in _LEFT_OVER.finditer(turn["value"]):
            if not BOX.fullmatch(match.group()):
                ledger.note(
                    "box left as it is: not {<x1><y1><x2><y2>|<angle>}", f"{place}: {match.group()[:60]}"
                )
    if turns == old:
        return record
    return {**record, "conversations": turns, "conversations_old": old}


def _one(match: re.Match[str], place: str, image: str, sizes: PictureSizes, ledger: ImportLedger) -> str:
    """A phrase with its boxes, or boxes alone; as they are where one of them cannot be said."""
    found = []
    for box in BOX.finditer(match["boxes"]):
        upright, why = upright_box([Fraction(n) for n in box.groups()], image, sizes)
        if upright is None:
            ledger.note(f"box left as it is: {why}", f"{place}: {box.group()}")
            return match.group()
        if why:
            ledger.note(why, f"{place}: {box.group()}")
        found.append(upright)
    ledger.facts["boxes_written"] = ledger.facts.get("boxes_written", 0) + len(found)
    phrase = f"<ref>{match['phrase']}</ref>" if match["phrase"] else ""
    return f"{phrase}<box>{found}</box>"


def upright_box(values: Sequence[Fraction], image: str, sizes: PictureSizes) -> tuple[list[int] | None, str]:
    """The upright box (xyxy, 0-1000) around a GeoChat box, or None; and what a person should know.

    Args:
        values: x1, y1, x2, y2 in hundredths of the picture's sides, and degrees.
        image: path of the picture below the root.
        sizes: knows the picture's width and height.
    """
    x1, y1, x2, y2, angle = values
    if not (0 <= x1 <= x2 <= 100 and 0 <= y1 <= y2 <= 100):
        return None, "not inside 0 to 100, or reversed"
    if angle == 0:
        return [round(n * 10) for n in (x1, y1, x2, y2)], ""
    size = sizes.of(image)
    if size is None:
        return None, "turned, and the picture's size is not known (--media-root)"
    ratio = [float(one) for one in (Fraction(size[0], 100), Fraction(size[1], 100))]
    width, height = float(x2 - x1) * ratio[0], float(y2 - y1) * ratio[1]
    turn = math.radians(float(angle))
    half = (
        (abs(width * math.cos(turn)) + abs(height * math.sin(turn))) / 2,
        (abs(width * math.sin(turn)) + abs(height * math.cos(turn))) / 2,
    )
    middle = float(x1 + x2) / 2, float(y1 + y2) / 2
    exact = [(middle[i] - half[i] / ratio[i]) * 10 for i in (0, 1)] + [
        (middle[i] + half[i] / ratio[i]) * 10 for i in (0, 1)
    ]
    box = [min(max(round(n), 0), 1000) for n in exact]
    over = any(n < -0.5 or n > 1000.5 for n in exact)
    return (
        box,
        "corner of a turned box outside of the picture: clipped to it"
        if over
        else "turned box became the upright box around it",
    )


IMPORTER = Importer(
    name="geochat",
    title="GeoChat instructions: conversations over aerial pictures, with boxes in texts",
    files="GeoChat_Instruct.json",
    takes=frozenset({"name", "media_root", "boxes"}),
    run=run,
)
