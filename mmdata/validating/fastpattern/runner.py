"""The function that runs through records of one pattern: its source, and what it looks facts up in."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from mmdata.checks.markers import CLOSED
from mmdata.validating.fastpath.accept import guard_names
from mmdata.validating.fastpath.layouts import LAYOUT_FACTS, Layout
from mmdata.validating.fastpath.path import FastPath
from mmdata.validating.fastpattern.blocks import BlockFacts

MARK_FACTS = {"user_marks", "answer_marks", "other_marks"}
SIDECAR_FACTS = MARK_FACTS | {"sidecar", "picture"}
"""Facts that a guard on polygon files may name."""

Runner = Callable[[bytes, list[int], list[int], int, BlockFacts, list[Any], list[bytes]], int]
"""(data, starts, ends, i, facts of the block, ids, media) -> the first slice from `i` on that does not match.

Appends to `ids` the JSON text of each matched record's ``id`` (None where it has none) and to `media` its paths as
JSON strings.
"""


def runner_source(fast: FastPath, groups: list[str]) -> str:
    """Python source of a `Runner` for a pattern with these groups.

    Markers are looked for in the whole block at once where that settles it: no more ``<`` than questions that begin with
    the image tag and no more ``[`` than stand between tokens means that no text holds a marker but those tags; in a
    format of grounded phrases, see `mmdata.validating.fastpattern.phrases`. Otherwise each record is looked at for itself.
    """
    at = {name: k for k, name in enumerate(groups, 1)}
    texts = ("system", "question", "answer", "rest", "id", "polygons")
    media = [k for k, name in enumerate(groups, 1) if name not in texts]
    key = json.dumps(fast.keys.text, ensure_ascii=False).encode() + b":"
    number = f"found[{at['id']}]" if "id" in at else "None"
    note = [f"ids.append({number})"]
    note += (
        [f"media.append(found[{media[0]}])"]
        if len(media) == 1
        else [f"media.extend(found.group({', '.join(map(str, media))}))"]
        if media
        else []
    )
    plain = [
        "if found is None or block.odd_escapes and ODD_ESCAPE(data, start, end): break",
        "if lines and lines[i] != LINES and "
        f"lines[i] != LINES + TURN_LINES * found[{at['rest']}].count({key!r}): break",
    ]
    has_sidecar = bool(fast.sidecar_guards) and fast.load_sidecar is not None and "polygons" in groups
    beside = []
    if has_sidecar:
        used = guard_names(fast.sidecar_guards)
        beside += [f"sidecar = SIDECARS[found[{at['polygons']}]]"]
        if "picture" in used:
            beside += [f"picture = FILE_NAME(LOADS(found[{at['image']}]))" if "image" in at else "break"]
        beside += [f"{name} = known.{name}" for name in sorted(MARK_FACTS & used)]
        beside += [f"if not ({' and '.join(f'({g})' for g in fast.sidecar_guards)}): break"]
    opening = [
        "mark = len(ids), len(media)",
        "lines = block.lines_of(starts, ends) if block.broken_lines else None",
    ]
    uniform = [
        "if i == 0 and block.squares == BRACKETS * len(starts):",
        "    tags = 0",
        "    for i, (start, end) in enumerate(zip(starts, ends)):",
        "        found = FULLMATCH(data, start, end)",
        *(f"        {line}" for line in plain),
        f"        if data.startswith(TAG, found.start({at['question']})): tags += 1",
        *(f"        {line}" for line in note),
        "    else:",
        "        if tags == block.angles and UNIFORM[(tags > 0) + (tags == len(starts))]: return len(starts)",
        "    del ids[mark[0]:], media[mark[1]:]",
        "    i = 0",
    ]
    phrased = [
        "if i == 0 and (phrases := PHRASES(data, starts, ends, BRACKETS)) is not None:",
        "    for i, (start, end, count, first, last) in enumerate(zip(starts, ends, *phrases)):",
        "        found = FULLMATCH(data, start, end)",
        *(f"        {line}" for line in plain),
        f"        if count and not found.start({at['answer']}) <= first < last < found.end({at['answer']}): break",
        "        known = WITH_PHRASES[count]",
        "        if not known.ordinary: break",
        *(f"        {line}" for line in [*beside, *note]),
        "    else:",
        "        return len(starts)",
        "    del ids[mark[0]:], media[mark[1]:]",
        "    i = 0",
    ]
    each = []
    if "system" in at:
        start, end = f"found.start({at['system']})", f"found.end({at['system']})"
        each += [f"if data.find(b'<', {start}, {end}) >= 0 or data.find(b'[', {start}, {end}) >= 0: break"]
    each += [
        "q, a = found.start(%d), found.start(%d)" % (at["question"], at["answer"]),  # noqa: UP031 - braces would be doubled
        "angled, square = data.find(b'<', q, end), data.find(b'[', q, end)",
        "if angled < 0 and square < 0:",
        "    known = NO_MARKS",
        "elif angled == q and square < 0 and data.startswith(TAG, q) and data.find(b'<', q + 1, end) < 0:",
        "    known = ONE_TAG",
        "else:",
        f"    answer, rest = found.group({at['answer']}, {at['rest']})",
        "    if rest and (b'<' in rest or b'[' in rest): break",
        "    asked = ()",
        "    if -1 < angled < a or -1 < square < a:",
        f"        asked = (*ANGLED(found[{at['question']}]), *SQUARE(found[{at['question']}]))",
        "    known = FACTS[asked, (*ANGLED(answer), *SQUARE(answer))]",
        "if not known.ordinary: break",
    ]
    each += beside
    grounded = CLOSED in fast.format.answer_markers
    body = [
        *opening,
        *(phrased if grounded else [] if has_sidecar else uniform),
        "for i in range(i, len(starts)):",
        "    start, end = starts[i], ends[i]",
        "    found = FULLMATCH(data, start, end)",
        *(f"    {line}" for line in [*plain, *each, *note]),
        "else:",
        "    return len(starts)",
        "return i",
    ]
    return "\n    ".join(["def run(data, starts, ends, i, block, ids, media):", *body]) + "\n"


class WithPhrases(dict[int, Any]):
    """Number of closed phrases in the answer -> `Marks`."""

    def __init__(self, facts: Facts) -> None:
        super().__init__()
        self.facts = facts

    def __missing__(self, count: int) -> Any:
        marks = (b"<p>", CLOSED.encode()) * count + (b"[SEG]",) * count
        known = self.facts[(), marks]
        if len(self) < 1000:
            self[count] = known
        return known


class Sidecars(dict[bytes, Any]):
    """A path as JSON string -> facts of the polygon file; some thousands are remembered."""

    def __init__(self, fast: FastPath) -> None:
        super().__init__()
        self.load = fast.load_sidecar

    def __missing__(self, path: bytes) -> Any:
        if len(self) >= 4096:
            self.clear()
        assert self.load is not None
        facts = self[path] = self.load(orjson.loads(path))
        return facts


@dataclass(slots=True)
class Marks:
    """The markers of a matched record, and whether every guard holds for a record of the pattern that has them."""

    user_marks: list[str]
    answer_marks: list[str]
    other_marks: list[str]
    ordinary: bool


class Facts(dict[tuple[tuple[bytes, ...], tuple[bytes, ...]], Marks]):
    """(markers of the question, of the answer) -> `Marks`; the guards are evaluated once for each pair of them."""

    def __init__(self, fast: FastPath, layout: Layout, example: Any, *, parts: bool = False) -> None:
        """`parts`: texts are parts of a content, and no marker is ordinary in one."""
        super().__init__()
        self.parts = parts
        guards = " and ".join(f"({g})" for g in fast.guards) or "True"
        self.guards = compile(guards, "<guards>", "eval")
        self.format = fast.format
        self.tag = fast.format.image_tag or "<image>"
        order = fast.namespace["ROLES"][tuple(turn.from_ for turn in example.conversations)]
        self.constant = {
            **fast.namespace,
            "r": example,
            "turns": example.conversations,
            **{name: getattr(layout, name) for name in LAYOUT_FACTS},
            "regular": order.regular,
            "alternating": order.alternating,
            "plain_parts": True,
            "empty_answer": False,
            "other_marks": [],
        }

    def __missing__(self, key: tuple[tuple[bytes, ...], tuple[bytes, ...]]) -> Marks:
        user, answer = [m.decode() for m in key[0]], [m.decode() for m in key[1]]
        own = self.format.user_markers.issuperset(user) and self.format.answer_markers.issuperset(answer)
        facts = {
            **self.constant,
            "user_marks": user,
            "answer_marks": answer,
            "own_markers": own,
            "marked_answers": bool(answer),
            "first_marked": self.tag in user and self.constant["regular"],
        }
        plain = not (self.parts and (user or answer))
        marks = Marks(user, answer, [], plain and bool(eval(self.guards, facts)))  # noqa: S307 - guards are source of the checks
        if len(self) < 20_000:
            self[key] = marks
        return marks
