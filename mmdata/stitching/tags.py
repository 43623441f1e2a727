"""DriveLM's object tags: ``<c1,CAM_BACK,1088.3,497.5>`` in pixels of the camera, ``<c1,CAM_BACK,[560,776]>`` on a canvas.

The first is the annotation's, the second what the Mini-InternVL models are trained on and answer with.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction

from mmdata.stitching.canvas import NUSCENES_SIZE, Canvas

_NUMBER = r"-?(?:\d+\.?\d*|\.\d+)"
CAMERA_TAG = re.compile(rf"<\s*(c\d+)\s*,\s*(\w+)\s*,\s*({_NUMBER})\s*,\s*({_NUMBER})\s*>")
CANVAS_TAG = re.compile(rf"<\s*(c\d+)\s*,\s*(\w+)\s*,\s*\[\s*({_NUMBER})\s*,\s*({_NUMBER})\s*\]\s*>")
_ANY_TAG = re.compile(r"<\s*c\d+\s*,[^<>]*>?")


@dataclass(slots=True)
class Mapped:
    """A text with its tags mapped.

    Attributes:
        text: the new text.
        tags: how many tags were mapped.
        problems: tags that were not understood (left as they are) or lie outside of their camera (mapped all the same).
    """

    text: str
    tags: int = 0
    problems: list[tuple[str, str]] = field(default_factory=list)


NOT_UNDERSTOOD = "tag left as it is"
OUTSIDE = "point outside of its camera's picture"


def to_canvas(
    text: str, canvas_of: Callable[[str], Canvas | None], size: tuple[int, int] = NUSCENES_SIZE
) -> Mapped:
    """Map every tag of a text from pixels of its camera to 0-1000 on the canvas, nearest whole number, halves to even.

    Args:
        text: a question or an answer.
        canvas_of: the canvas on which a camera is shown; None for an unknown camera.
        size: width and height of the cameras' pictures in pixels.
    """
    result = Mapped(text)

    def one(match: re.Match[str]) -> str:
        name, view, x, y = match.groups()
        canvas = canvas_of(view)
        if canvas is None:
            return match.group()
        if not (0 <= Fraction(x) <= size[0] and 0 <= Fraction(y) <= size[1]):
            result.problems.append((OUTSIDE, match.group()))
        column, row = canvas.to_canvas(view, Fraction(x), Fraction(y), size)
        result.tags += 1
        return f"<{name},{view},[{column},{row}]>"

    result.text = CAMERA_TAG.sub(one, text)
    for match in _ANY_TAG.finditer(result.text):
        found = CANVAS_TAG.fullmatch(match.group())
        if found is None or canvas_of(found.group(2)) is None:
            result.problems.append((NOT_UNDERSTOOD, match.group()))
    return result


def to_cameras(
    text: str, canvas_of: Callable[[str], Canvas | None], size: tuple[int, int] = NUSCENES_SIZE
) -> Mapped:
    """Map every tag of a text from the canvas to pixels of its camera: 0.1 pixel, clamped to the camera's picture.

    The inverse of `to_canvas` within half a unit of the canvas; its numbers always have one decimal, which is what
    DriveLM's scorer looks for.
    """
    result = Mapped(text)

    def one(match: re.Match[str]) -> str:
        name, view, column, row = match.groups()
        canvas = canvas_of(view)
        if canvas is None:
            result.problems.append((NOT_UNDERSTOOD, match.group()))
            return match.group()
        x, y = canvas.to_view(view, Fraction(column), Fraction(row), size)
        result.tags += 1
        return f"<{name},{view},{x:.1f},{y:.1f}>"

    result.text = CANVAS_TAG.sub(one, text)
    return result
