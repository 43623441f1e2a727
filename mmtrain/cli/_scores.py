"""How scores are shown, and the files that go with them; no torch."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmdata.scoring.scorecard import Score, Scorecard
    from mmdata.scoring.task import Row, Task


def as_json(card: Scorecard) -> str:
    """One indented document."""
    import json

    return json.dumps(card.to_dict(), indent=2, ensure_ascii=False) + "\n"


def as_text(card: Scorecard) -> str:
    """Tables for a terminal."""
    import io
    from contextlib import redirect_stdout

    from mmdata.cli.tables import table

    out = io.StringIO()
    with redirect_stdout(out):
        print(f"{card.title}: {card.rows} answers")
        for way, sheet in card.cards.items():
            print(
                f"\n{way}" + (f": the published script stops here: {sheet.stopped}" if sheet.stopped else "")
            )
            rows = [_cells(score.name, score) for score in sheet.scores]
            rows += [_cells(f"  {kind}", score) for kind, score in sheet.kinds.items()]
            table(("score", "value", "95 % from", "to", "rows"), rows)
        if len(card.cards) == 2:
            print(f"\nright by upstream alone: {card.only_upstream}; by strict alone: {card.only_strict}")
            for one in card.examples:
                print(
                    f"  row {one.row}: {one.response!r} for {one.reference!r}: {one.upstream} / {one.strict}"
                )
            if card.examples:
                print("\nwhat the two treat differently (upstream / strict):")
                print("".join(f"  {line}\n" for line in card.difference), end="")
        for note in card.notes:
            print(f"\n{note}")
    return out.getvalue()


def _cells(name: str, score: Score) -> tuple[Any, ...]:
    figures = (score.value, score.low, score.high)
    return (name, *(None if value is None else f"{value:.4f}" for value in figures), score.rows)


def write_page(
    path: str, card: Scorecard, rows: Sequence[Row], task: Task, extra: Any, media_root: str
) -> None:
    """The page of wrong answers."""
    from mmdata.io.writer import atomic_writer
    from mmdata.scoring.page import as_page

    sheet = task.score[list(card.cards)[-1]](rows, extra)
    page = as_page(card, rows, sheet, task, root=media_root, folder=os.path.dirname(path))
    with atomic_writer(path) as file:
        file.write(page.encode())
    print(f"mmtrain: wrote {path}", file=sys.stderr)


def write_drivelm(rows: Sequence[Row], extra: Any, submission: str | None, judge: str | None) -> None:
    """The challenge's submission and the judge's work."""
    import orjson

    from mmdata.io.writer import atomic_writer
    from mmdata.scoring.judge import HELP, judge_tasks
    from mmdata.scoring.tasks import drivelm

    if submission is not None:
        with atomic_writer(submission) as file:
            file.write(orjson.dumps(drivelm.submission(rows), option=orjson.OPT_INDENT_2) + b"\n")
        print(
            f"mmtrain: wrote {submission}; fill in method, team, authors, email, institution, country",
            file=sys.stderr,
        )
    if judge is not None:
        with atomic_writer(judge) as file:
            for entry in judge_tasks(rows, extra):
                file.write(orjson.dumps(entry) + b"\n")
        print(f"mmtrain: wrote {judge}\n{HELP}", end="", file=sys.stderr)
