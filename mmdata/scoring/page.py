"""An HTML page of wrong answers, with pictures and boxes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from html import escape
from urllib.parse import quote

from mmdata.scoring.markdown import score_text
from mmdata.scoring.scorecard import Scorecard
from mmdata.scoring.task import Row, Sheet, Task

_STYLE = """
body{font:15px/1.45 system-ui,sans-serif;max-width:76em;margin:2em auto;padding:0 1em}
table{border-collapse:collapse}td,th{padding:.2em .8em;border-bottom:1px solid #ddd;text-align:left}
.answers{display:grid;grid-template-columns:repeat(auto-fill,minmax(22em,1fr));gap:1.2em}
figure{margin:0;border:1px solid #ddd;padding:.8em}figure svg,figure img{width:100%;height:auto}
q{quotes:none;font-family:monospace;white-space:pre-wrap;overflow-wrap:anywhere}.why{color:#a40000}
"""


def as_page(
    card: Scorecard, rows: Sequence[Row], sheet: Sheet, task: Task, *, root: str = "", folder: str = ""
) -> str:
    """The page.

    Args:
        card: the scores; its `worst` are shown.
        rows: the answers.
        sheet: what the last way of scoring made of them.
        task: draws the boxes: the reference green, the answer red.
        root: directory of the pictures; "" leaves them out.
        folder: directory of the page: links to pictures are relative to it.
    """
    return "".join(_parts(card, rows, sheet, task, root, folder))


def _parts(
    card: Scorecard, rows: Sequence[Row], sheet: Sheet, task: Task, root: str, folder: str
) -> Iterator[str]:
    title = escape(card.title)
    yield f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title><style>{_STYLE}</style><h1>{title}</h1>"
    yield f"<p>{card.rows} answers.<table><tr><th>score<th>{'<th>'.join(card.cards)}</tr>"
    names = list(dict.fromkeys(s.name for c in card.cards.values() for s in c.scores))
    for name in names:
        found = (next((s for s in c.scores if s.name == name), None) for c in card.cards.values())
        yield f"<tr><td>{escape(name)}<td>{'<td>'.join(score_text(s) if s else '-' for s in found)}</tr>"
    wrong = sum(bool(why) for why in sheet.why)
    yield f"</table><h2>{len(card.worst)} of {wrong} wrong answers</h2><div class=answers>"
    for k in card.worst:
        yield _answer(rows[k], sheet.parsed[k], sheet.why[k], task, root, folder)
    yield "</div></html>\n"


def _answer(row: Row, parsed: str, why: str, task: Task, root: str, folder: str) -> str:
    lines = [
        ("question", row.question),
        ("answer", row.response),
        ("read as", parsed),
        ("reference", row.reference),
    ]
    text = "".join(f"<div>{name}: <q>{escape(str(value))}</q></div>" for name, value in lines)
    return (
        f"<figure>{_picture(row, task, root, folder)}<figcaption><b>{escape(str(row.id if row.id is not None else row.number))}</b>"
        f" {escape(row.kind)} <span class=why>{escape(why)}</span>{text}</figcaption></figure>"
    )


def _picture(row: Row, task: Task, root: str, folder: str) -> str:
    path = os.path.join(root, row.image)
    link = ""
    if root and row.image and os.path.isfile(path):
        link = quote(os.path.relpath(os.path.abspath(path), os.path.abspath(folder or ".")))
    if task.boxes is None:
        return f'<img loading=lazy src="{link}" alt="">' if link else ""
    reference, answer = task.boxes(row)
    width, height = row.facts["size"]
    shapes = "".join(
        f'<rect x="{box[0]:g}" y="{box[1]:g}" width="{max(0, box[2] - box[0]):g}" height="{max(0, box[3] - box[1]):g}"'
        f' fill=none stroke="{colour}" stroke-width="{max(width, height) / 200:g}"/>'
        for box, colour in ((reference, "#1a7f37"), (answer, "#d1242f"))
        if box is not None
    )
    image = f'<image href="{link}" width="{width:g}" height="{height:g}"/>' if link else ""
    ground = f'<rect width="{width:g}" height="{height:g}" fill="#eee"/>'
    return f'<svg viewBox="0 0 {width:g} {height:g}">{ground}{image}{shapes}</svg>'
