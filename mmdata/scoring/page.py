"""An HTML page of wrong answers, with pictures and boxes."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Iterator, Sequence
from html import escape
from urllib.parse import quote

from mmdata.errors import DataError
from mmdata.scoring.markdown import score_text
from mmdata.scoring.scorecard import Scorecard
from mmdata.scoring.task import Row, Sheet, Task

_STYLE = """
:root{color-scheme:light dark;--line:#8884;--wrong:light-dark(#a40000,#ff8a80)}
body{font:15px/1.45 system-ui,sans-serif;max-width:76em;margin:2em auto;padding:0 1em}
table{border-collapse:collapse}td,th{padding:.2em .8em;border-bottom:1px solid var(--line);text-align:left}
.answers{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(22em,100%),1fr));gap:1.2em}
figure{margin:0;border:1px solid var(--line);padding:.8em;min-width:0}figure svg,figure img{width:100%;height:auto}
q{quotes:none;font-family:monospace;white-space:pre-wrap;overflow-wrap:anywhere;display:block;max-height:14em;overflow:auto}
.why{color:var(--wrong)}
"""

GREEN, RED = "#1a7f37", "#d1242f"

SHOWN = (".jpg", ".jpeg", ".png", ".gif", ".webp", ".avif", ".bmp", ".svg")
"""Pictures that browsers show; others (TIFF) are put into the page as PNG."""

LONGEST = 640
"""Longer side in pixels of a picture that is put into the page."""


def as_page(
    card: Scorecard, rows: Sequence[Row], sheet: Sheet, task: Task, *, root: str = "", folder: str = ""
) -> str:
    """The page.

    Args:
        card: the scores; its `worst` are shown.
        rows: the answers.
        sheet: what the last way of scoring made of them.
        task: draws the boxes or points: the reference green, the answer red.
        root: directory of the pictures; "" leaves them out.
        folder: directory of the page: links to pictures are relative to it.
    """
    return "".join(_parts(card, rows, sheet, task, root, folder))


def _parts(
    card: Scorecard, rows: Sequence[Row], sheet: Sheet, task: Task, root: str, folder: str
) -> Iterator[str]:
    title = escape(card.title)
    yield f"<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=width=device-width><title>{title}</title><style>{_STYLE}</style><h1>{title}</h1>"
    yield f"<p>{card.rows} answers.<table><tr><th>score<th>{'<th>'.join(card.cards)}</tr>"
    names = list(dict.fromkeys(s.name for c in card.cards.values() for s in c.scores))
    for name in names:
        found = (next((s for s in c.scores if s.name == name), None) for c in card.cards.values())
        yield f"<tr><td>{escape(name)}<td>{'<td>'.join(score_text(s) if s else '-' for s in found)}</tr>"
    wrong = sum(bool(why) for why in sheet.why)
    yield f"</table><h2>{len(card.worst)} of {wrong} wrong answers</h2>"
    if task.boxes is not None or task.points is not None:
        yield f'<p><b style="color:{GREEN}">reference</b>, <b style="color:{RED}">answer</b></p>'
    if not root:
        yield "<p>Without pictures: --media-root DIR says where they are.</p>"
    yield "<div class=answers>"
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
    wanted = bool(root and row.image)
    link = _link(path, folder) if wanted else ""
    told = "" if link or not wanted else f"<p class=why>no picture {escape(path)}</p>"
    if task.boxes is not None:
        shapes = "".join(
            f'<rect x="{box[0]:g}" y="{box[1]:g}" width="{max(0, box[2] - box[0]):g}" height="{max(0, box[3] - box[1]):g}"'
            f' fill=none stroke="{colour}" stroke-width="{max(row.facts["size"]) / 200:g}"/>'
            for box, colour in zip(task.boxes(row), (GREEN, RED), strict=True)
            if box is not None
        )
        return told + _drawing(link, row.facts["size"], shapes)
    if task.points is not None:
        *both, size = task.points(row)
        shapes = "".join(
            f'<circle cx="{x:g}" cy="{y:g}" r="{max(size) / 120:g}" fill=none stroke="{colour}" stroke-width="{max(size) / 300:g}"/>'
            for points, colour in zip(both, (GREEN, RED), strict=True)
            for x, y in points
        )
        if shapes:
            return told + _drawing(link, size, shapes)
    return told + (f'<img loading=lazy src="{link}" alt="{escape(row.image)}">' if link else "")


def _drawing(link: str, size: Sequence[float], shapes: str) -> str:
    width, height = size
    image = (
        f'<image href="{link}" width="{width:g}" height="{height:g}" preserveAspectRatio="none"/>'
        if link
        else ""
    )
    ground = f'<rect width="{width:g}" height="{height:g}" fill="#eee"/>'
    return f'<svg viewBox="0 0 {width:g} {height:g}">{ground}{image}{shapes}</svg>'


def _link(path: str, folder: str) -> str:
    """A picture's address in the page: relative to the page's folder, or the picture itself; "" where it is none."""
    if not os.path.isfile(path):
        return ""
    if path.lower().endswith(SHOWN):
        return quote(os.path.relpath(os.path.abspath(path), os.path.abspath(folder or ".")))
    from mmdata.stitching.drawing import read_view

    try:
        picture = read_view(path)
    except DataError:
        return ""
    picture.thumbnail((LONGEST, LONGEST))
    out = io.BytesIO()
    picture.save(out, "PNG")
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()
