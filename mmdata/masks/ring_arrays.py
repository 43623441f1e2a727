"""Rings as people write them, to checked arrays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mmdata.errors import DataError
from mmdata.masks.shown import shown

RingErrorKind = Literal["type", "shape", "empty", "short", "number", "far"]
Rings: TypeAlias = Iterable[ArrayLike]
"""Rings of one object: each a sequence of [x, y] or an array (n, 2), in pixels, y down."""


class RingError(DataError):
    """A ring that a raster rule cannot draw.

    Attributes:
        kind: ``type`` (values that are no numbers, or no list of rings), ``shape`` (not a list of [x, y]), ``empty``
            (no point), ``short`` (fewer points than the rule takes), ``number`` (NaN or infinite), ``far`` (beyond
            what the reference can hold or walk).
        object: number of the object, where the caller gave it.
        frame: key of the frame, where the caller gave it.
        ring: number of the ring in its object; None where it is not about one ring.
    """

    def __init__(
        self,
        kind: RingErrorKind,
        message: str,
        *,
        ring: int | None = None,
        object: int | None = None,
        frame: str | None = None,
    ) -> None:
        places = (("object", object), ("frame", frame), ("ring", ring))
        place = ", ".join(f"{word} {value}" for word, value in places if value is not None)
        super().__init__(f"{place}: {message}" if place else message)
        self.kind: RingErrorKind = kind
        self.reason = message
        self.object = object
        self.frame = frame
        self.ring = ring


def as_points(ring: ArrayLike, number: int) -> NDArray[Any]:
    """A ring's points, (n, 2), of an integer or floating dtype; n may be 0.

    Args:
        ring: a sequence of [x, y], or an array (n, 2).
        number: the ring's number in its object, for the message.

    Raises:
        RingError: kind ``type`` or ``shape``.
    """
    if isinstance(ring, np.ndarray):
        points = ring
    else:
        try:
            points = np.asarray(ring)
        except (ValueError, TypeError, OverflowError):
            raise RingError("shape", f"expected points [x, y], got {shown(ring)}", ring=number) from None
    if points.dtype.kind not in "iuf":
        if points.dtype.kind == "O" and _all_numbers(points):
            points = points.astype(np.float64)  # integers beyond 64 bits
        else:
            raise RingError("type", f"expected numbers, got {shown(ring)}", ring=number)
    if not points.size and points.ndim <= 2:
        return np.empty((0, 2), np.float64)
    if points.ndim != 2 or points.shape[1] != 2:
        raise RingError(
            "shape", f"expected points [x, y], got an array of the shape {points.shape}", ring=number
        )
    return points


def extent(points: NDArray[Any], number: int) -> tuple[float, float]:
    """Lowest and highest coordinate of points (n, 2), n at least 1.

    Raises:
        RingError: kind ``number``: one is NaN or infinite.
    """
    low, high = points.min().item(), points.max().item()
    if not (low > -np.inf and high < np.inf):
        at = int(np.flatnonzero(~np.isfinite(points).all(axis=1))[0])
        raise RingError("number", f"point {at} is {shown(points[at].tolist())}", ring=number)
    return low, high


def as_sequence(rings: Rings) -> Sequence[ArrayLike]:
    """The rings as a sequence.

    Raises:
        RingError: kind ``type``: they are no list of rings.
    """
    given: object = rings
    if type(given) is list:
        return given
    if isinstance(given, Iterable) and not isinstance(given, str | bytes | dict):
        return list(given)
    raise RingError("type", f"expected a list of rings, got {shown(rings)}")


def _all_numbers(points: NDArray[Any]) -> bool:
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in points.flat)
