"""COCO's flat polygons, ``[[x1, y1, x2, y2, …], …]``, as VideoRefer hands them to pycocotools.

What pycocotools does with what it does not expect was measured, and differs by place: four numbers in the *first*
polygon are taken for a box and raise, a short polygon after the first covers nothing, an odd last number is ignored,
and a coordinate that is not finite or very far away makes it allocate without end until the process dies.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from mmdata.masks.shown import shown

FlatFaultKind = Literal["type", "empty", "flat", "points", "short", "odd", "number", "far"]

FAR = 10_000_000
"""Largest coordinate taken for meant; pycocotools walks every pixel of an edge, at 80 bytes each."""


@dataclass(frozen=True, slots=True)
class FlatFault:
    """One thing wrong with a ``segmentation`` list.

    Attributes:
        kind: ``type`` (no list where one belongs), ``empty`` (no polygon, or one without numbers), ``flat`` (numbers
            where polygons belong: one level missing), ``points`` (``[x, y]`` points instead of numbers in a row),
            ``short`` (under six numbers), ``odd`` (an odd count), ``number`` (no finite number), ``far`` (beyond
            `FAR`).
        pointer: JSON pointer below the ``segmentation`` value; empty for the list itself.
        message: expected and got, for a person.
    """

    kind: FlatFaultKind
    pointer: str
    message: str


def flat_faults(segmentation: Any) -> list[FlatFault]:
    """Everything that is not as COCO writes polygons, at most one fault a polygon, in order; empty when all is well.

    Args:
        segmentation: the value of the key, any JSON value.
    """
    if not isinstance(segmentation, list):
        return [FlatFault("type", "", f"expected a list of polygons, got {shown(segmentation)}")]
    if not segmentation:
        return [FlatFault("empty", "", "expected a list of polygons, got an empty list")]
    if all(map(_is_number, segmentation)):
        return [FlatFault("flat", "", f"expected a list of polygons, got numbers: {shown(segmentation)}")]
    return [fault for i, polygon in enumerate(segmentation) for fault in _faults_of_one(polygon, f"/{i}")]


def _faults_of_one(polygon: Any, here: str) -> Iterator[FlatFault]:
    if _surely_sound(polygon):
        return
    if not isinstance(polygon, list):
        yield FlatFault("type", here, f"expected a polygon [x1, y1, x2, y2, …], got {shown(polygon)}")
    elif any(isinstance(value, list) for value in polygon):
        yield FlatFault(
            "points", here, f"expected numbers in a row [x1, y1, …], got points: {shown(polygon)}"
        )
    elif not polygon:
        yield FlatFault("empty", here, "expected a polygon [x1, y1, x2, y2, …], got an empty list")
    else:
        wrong = next((i for i, value in enumerate(polygon) if not _is_finite(value)), None)
        if wrong is not None:
            yield FlatFault(
                "number", f"{here}/{wrong}", f"expected a finite number, got {shown(polygon[wrong])}"
            )
        elif max(map(abs, polygon)) > FAR:
            far = next(i for i, value in enumerate(polygon) if abs(value) > FAR)
            yield FlatFault("far", f"{here}/{far}", f"expected a pixel coordinate, got {shown(polygon[far])}")
        elif len(polygon) < 6:
            yield FlatFault(
                "short", here, f"expected at least 3 points (6 numbers), got {len(polygon)} numbers"
            )
        elif len(polygon) % 2:
            yield FlatFault(
                "odd", here, f"expected x and y in turn, got an odd count of {len(polygon)} numbers"
            )


def _surely_sound(polygon: Any) -> bool:
    """True tells that nothing is wrong; only C code looks at the numbers."""
    if type(polygon) is not list or len(polygon) < 6 or len(polygon) % 2:
        return False
    if not _NUMBERS.issuperset(map(type, polygon)):
        return False
    # A NaN may pass the first two, but not through the sum.
    return max(polygon) <= FAR and min(polygon) >= -FAR and math.isfinite(sum(polygon))


_NUMBERS = frozenset((int, float))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_finite(value: Any) -> bool:
    if type(value) is float:
        return math.isfinite(value)
    return _is_number(value)
