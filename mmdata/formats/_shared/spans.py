"""Grounded spans in text, as InternVL writes them: ``<ref>phrase</ref><box>[[x1,y1,x2,y2]]</box>`` in 0-1000.

The tags are InternVL's, and so is the unit. Formats without a way of their own to ground a phrase write these, and read
back nothing else as boxes: numbers in any other dress have no declared unit and stay text.
"""

from __future__ import annotations

import re

from mmdata.encoding import Encoding
from schemas.sample import BoxMask, PhrasePart, Sample, SampleObject

BOX = (
    r"(?:<ref>(?P<phrase>[^<]*)</ref>(?P<gap>\s*))?<box>\s*(?P<boxes>\[\s*\[[-+.\d\s,\[\]]*\]\s*\])\s*</box>"
)
GROUNDED = re.compile(BOX)
TAGS = ("<ref>", "</ref>", "<box>", "</box>", "<quad>", "</quad>")


def boxes(text: str) -> list[tuple[float, float, float, float]] | None:
    """Boxes of 0-1000 in order; None where the text is not a list of those."""
    from orjson import JSONDecodeError, loads

    try:
        value = loads(text)
    except JSONDecodeError:
        return None
    for box in value:
        if not isinstance(box, list) or len(box) != 4 or not all(type(v) in (int, float) for v in box):
            return None
        if not (0 <= box[0] < box[2] <= 1000 and 0 <= box[1] < box[3] <= 1000):
            return None
    return [(box[0], box[1], box[2], box[3]) for box in value]


def phrase(match: re.Match[str], sample: Sample) -> PhrasePart | None:
    """A match of `BOX` as a phrase with an object a box, which are added to the sample; None where it is none."""
    found = boxes(match["boxes"])
    if found is None:
        return None
    first = len(sample.objects)
    sample.objects += [SampleObject({"": BoxMask(box)}) for box in found]
    return PhrasePart(match["phrase"], list(range(first, len(sample.objects))), match["gap"] or "")


def span(phrase: str | None, keyed: list[tuple[int, str]], enc: Encoding) -> str:
    """A phrase with the boxes of (object, frame) masks; a phrase alone where all are empty."""
    found = []
    for number, frame in keyed:
        box, error = enc.permille(number, frame)
        if box is None:
            enc.lost("masks", "an empty mask has no box")
            continue
        if error is None:
            enc.kept("boxes")
        else:
            enc.approximated("masks", "mask -> box of 0-1000; the error is one minus the IoU of both", error)
            enc.lost("mask shape", "a box has no shape")
        found.append("[" + ",".join(map(str, box)) + "]")
    text = "" if phrase is None else f"<ref>{phrase.strip()}</ref>"
    if not found:
        return "" if phrase is None else phrase.strip()
    return f"{text}<box>[{','.join(found)}]</box>"
