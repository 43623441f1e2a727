"""Numbers and nesting of ``[[[[x, y], …], …], …]`` straight from JSON bytes, without building the lists."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Positions: TypeAlias = NDArray[np.int64]
Selection: TypeAlias = Positions | slice
Scan: TypeAlias = tuple[NDArray[np.float64], Positions, Positions]

# Integers below 10**15 and powers of ten up to 10**15 are exact floats: their quotient is rounded once, as it must be.
_MAX_DIGITS = 15
_POWERS = 10.0 ** np.arange(_MAX_DIGITS + 1)
_ZERO, _MINUS, _POINT, _COMMA, _OPEN, _CLOSE = b"0-.,[]"


def scan(raw: bytes) -> Scan | None:
    """Points, ring offsets and object offsets of a polygon list.

    Args:
        raw: one JSON value; it must be known to be valid JSON.

    Returns:
        points float64 (n, 2), ring_offsets int64 (rings + 1,), object_offsets int64 (objects + 1,), with exactly the
        values that a JSON parser gives; None for everything that is not an ordinary polygon list (strings, empty
        lists, wrong nesting, exponents, numbers of more than 15 digits), to be read or refused by someone slower.
    """
    if b'"' in raw:
        return None
    text = raw.translate(None, b" \n\t\r")  # in valid JSON no white space stands inside a number
    if not (text.startswith(b"[[[[") and text.endswith(b"]]]]")):
        return None
    chars = np.frombuffer(text, np.uint8)
    digits = chars - np.uint8(_ZERO)
    is_digit = digits < 10
    edges = np.flatnonzero(is_digit[1:] != is_digit[:-1]) + 1
    run_starts, run_ends = edges[0::2], edges[1::2]
    if not len(run_starts):
        return None
    wholes: Selection = slice(None)
    owners: Selection = slice(None)
    fractions: Selection | None = None
    starts, ends = run_starts, run_ends
    if b"." in text:
        wholes, fractions, owners = _fractions(chars[run_starts - 1] == _POINT)
        starts, ends = run_starts[wholes], run_ends[wholes].copy()
        ends[owners] = run_ends[fractions]
    negative = chars[starts - 1] == _MINUS if b"-" in text else None
    if negative is not None:
        starts = starts - negative
    n = len(starts)
    if n % 2 or starts[0] != 4 or ends[-1] != len(text) - 4:
        return None
    between = _separators(chars, starts, ends)
    if between is None:
        return None
    lengths = run_ends - run_starts
    runs = _digit_runs(digits, run_ends, lengths)
    if runs is None:
        return None
    values = runs[wholes]
    if fractions is not None:
        if (ends - starts).max() > _MAX_DIGITS + 1:
            return None
        scale = _POWERS[lengths[fractions]]
        values[owners] = (values[owners] * scale + runs[fractions]) / scale
    if negative is not None:
        values = np.where(negative, -values, values)
    new_ring = np.flatnonzero(between >= 5)
    new_object = np.flatnonzero(between[new_ring] == 7)
    ring_offsets = np.concatenate(([0], new_ring + 1, [n // 2]))
    object_offsets = np.concatenate(([0], new_object + 1, [len(new_ring) + 1]))
    return values.reshape(-1, 2), ring_offsets, object_offsets


def _separators(chars: NDArray[np.uint8], starts: Positions, ends: Positions) -> Positions | None:
    """Length of the text between one point and the next: 3 (``],[``), 5 (``]],[[``) or 7 (``]]],[[[``).

    That first, middle and last character decide is a fact of JSON's grammar, strings being absent: with ``]`` first,
    ``,`` in the middle and ``[`` last, only closing brackets fit before the comma and only opening ones after it; a
    second comma would need an empty list, a literal or a number beside it, for which there is no room. An exponent
    leaves a gap of another kind.
    """
    gaps = starts[1:] - ends[:-1]
    between = gaps[1::2]
    if (gaps[0::2] != 1).any() or (chars[ends[0::2]] != _COMMA).any():
        return None
    if len(between) and (between.min() < 3 or between.max() > 7 or not (between & 1).all()):
        return None
    first = ends[1:-1:2]
    if (
        (chars[first] != _CLOSE).any()
        or (chars[first + (between >> 1)] != _COMMA).any()
        or (chars[starts[2::2] - 1] != _OPEN).any()
    ):
        return None
    return between


def _fractions(is_fraction: NDArray[np.bool_]) -> tuple[Selection, Selection, Selection]:
    """Which runs of digits are whole numbers, which are fractions, and which whole numbers those belong to."""
    if not is_fraction[0::2].any() and is_fraction[1::2].all() and len(is_fraction) % 2 == 0:
        # Every number has a fraction, as Python writes floats: views are much faster than gathered copies.
        return slice(0, None, 2), slice(1, None, 2), slice(None)
    fractions = np.flatnonzero(is_fraction)
    return np.flatnonzero(~is_fraction), fractions, fractions - np.arange(1, len(fractions) + 1)


def _digit_runs(digits: NDArray[np.uint8], ends: Positions, lengths: Positions) -> NDArray[np.float64] | None:
    """Every run of digits as a number; None when one has more digits than are exact."""
    longest = int(lengths.max())
    if longest > _MAX_DIGITS:
        return None
    runs = digits[ends - 1].astype(np.float64)
    for k in range(2, longest + 1):
        runs += digits[ends - k] * (lengths >= k) * _POWERS[k - 1]
    return runs
