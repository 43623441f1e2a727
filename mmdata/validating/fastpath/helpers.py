"""What the generated function calls: the speakers of the role words, and the number of strings of a value."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, Struct

from mmdata.format import Format
from mmdata.validating.fastpath.structs import LARGEST_INT, SMALLEST_INT


class Order:
    """What follows from the role words alone.

    Attributes:
        order: the speakers, one letter a turn: ``u``, ``a``, ``s``, or ``x`` for a word the trainer does not know.
        regular: `order` is ``ua`` repeated.
        user_first: the first turn is the user's.
    """

    __slots__ = ("order", "regular", "user_first")

    def __init__(self, order: str) -> None:
        self.order = order
        self.regular = bool(order) and order == "ua" * (len(order) // 2)
        self.user_first = order.startswith("u")


class Roles(dict[tuple[str, ...], Order]):
    """Role words of a record -> `Order`; filled on first use."""

    def __init__(self, format: Format) -> None:
        super().__init__()
        self.speaker = format.speaker

    def __missing__(self, roles: tuple[str, ...]) -> Order:
        order = Order("".join((self.speaker(role) or "x")[0] for role in roles))
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
