"""What the generated function calls: the speakers of the role words, and the number of strings of a value."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, Struct

from mmdata.format import Format, TurnKeys
from mmdata.validating.fastpath.structs import LARGEST_INT, SMALLEST_INT


class Order:
    """What follows from the role words alone.

    Attributes:
        order: the speakers, one letter a turn: ``u``, ``a``, ``s``, or ``x`` for a word the trainer does not know.
        regular: `order` is ``ua`` repeated.
        alternating: the same after a system turn, where the first is one.
        user_first: the first turn is the user's.
    """

    __slots__ = ("alternating", "order", "regular", "user_first")

    def __init__(self, order: str) -> None:
        self.order = order
        self.regular = bool(order) and order == "ua" * (len(order) // 2)
        self.alternating = self.regular or (order[:2] == "su" and order[1:] == "ua" * (len(order) // 2))
        self.user_first = order.startswith("u")


class Roles(dict[tuple[str, ...], Order]):
    """Role words of a record -> `Order`; filled on first use."""

    def __init__(self, format: Format, keys: TurnKeys) -> None:
        super().__init__()
        self.speaker = format.speaker
        self.foreign = keys.foreign

    def __missing__(self, roles: tuple[str, ...]) -> Order:
        foreign = self.foreign
        order = Order("".join("x" if r in foreign else (self.speaker(r) or "x")[0] for r in roles))
        if len(self) < 1000 and len(roles) < 100:
            self[roles] = order
        return order


def tally(value: Any) -> int:
    """Number of keys and strings in a decoded JSON value; a huge negative number if it holds an integer beyond 64 bits."""
    kind = type(value)
    if kind is str:
        return 1
    if kind is int:
        return 0 if SMALLEST_INT <= value <= LARGEST_INT else -(1 << 40)
    if kind is list:
        return sum(map(tally, value))
    if kind is dict:
        return sum(map(tally, value.values())) + len(value)
    if isinstance(value, Struct):
        return sum(
            1 + tally(item) for name in value.__struct_fields__ if (item := getattr(value, name)) is not UNSET
        )
    return 0


def entries(column: Any) -> int:
    """How many entries a column has: a list, one value, or nothing."""
    return len(column) if type(column) is list else 0 if column is UNSET or column is None else 1


def references(objects: Any) -> int:
    """How many references ms-swift's `objects` has."""
    return 0 if objects is UNSET or objects is None else len(getattr(objects, "ref", None) or ())


def boxes(objects: Any) -> int:
    """How many boxes ms-swift's `objects` has."""
    return 0 if objects is UNSET or objects is None else len(getattr(objects, "bbox", None) or ())


def ordinary_boxes(objects: Any, pictures: int) -> bool:
    """Whether every box of ms-swift's `objects` is one of its unit, on a picture that is there."""
    if objects is UNSET or objects is None:
        return True
    if any(image >= pictures for image in getattr(objects, "image_id", None) or ()):
        return False
    shares = objects.bbox_type == "norm1"
    largest = 0.0
    found = getattr(objects, "bbox", None) or ()
    for box in found:
        if len(box) == 4:
            left, top, right, bottom = box
            if not (0 <= left < right and 0 <= top < bottom):
                return False
        elif len(box) != 2 or min(box) < 0:
            return False
        largest = max(largest, *box)
    return largest <= 1 if shares else largest > 1 or not found


HELPERS = {
    "ENTRIES": entries,
    "REFERENCES": references,
    "BOXES": boxes,
    "ORDINARY_BOXES": ordinary_boxes,
}
"""What guards may call."""
