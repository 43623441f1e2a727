"""COCO run-length encoding: checked before use, and measured from the runs without decoding to pixels.

An RLE is ``{"size": [height, width], "counts": ...}``. The runs alternate between 0s and 1s, starting with 0s, and
go down the columns: pixel ``p`` of the sequence lies at ``y = p % height``, ``x = p // height``.

Compressed ``counts`` (str or bytes) hold one number after the other in characters 48..111 (``0`` to ``o``): five bits
a character, lowest first, bit 32 set where the number goes on, bit 16 of its last character the sign. From the
fourth run on, a number is the difference to the run two before.

pycocotools trusts all of that: runs that end early decode to uninitialised memory. Every function here checks first.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate
from typing import Any

import numpy as np

from mmdata.masks import compiled, kept_runs
from mmdata.masks.rle_text import SHORT, as_bytes, ascii_of, parse_long, parse_short
from mmdata.masks.run_lengths import AnyRuns, RLEError, Runs
from mmdata.masks.shown import shown

LIMIT_PIXELS = 1 << 28
"""Largest canvas accepted unless the caller says otherwise: 16384 x 16384."""


def check(rle: Mapping[str, Any], *, limit_pixels: int = LIMIT_PIXELS) -> None:
    """Make sure that an RLE, compressed or not, describes every pixel of its canvas exactly once.

    Args:
        rle: ``{"size": [height, width], "counts": str | bytes | list[int]}``.
        limit_pixels: largest ``height * width`` accepted.

    Raises:
        RLEError: it does not; `RLEError.kind` says how.
    """
    lengths_of(rle, limit_pixels)


def runs(rle: Mapping[str, Any], *, limit_pixels: int = LIMIT_PIXELS) -> Runs:
    """The run lengths, int64 (m,), alternating 0s and 1s and starting with 0s; they sum to ``height * width``.

    Raises:
        RLEError: as `check`.
    """
    return np.array(lengths_of(rle, limit_pixels)[2], dtype=np.int64)


def area(rle: Mapping[str, Any], *, limit_pixels: int = LIMIT_PIXELS) -> int:
    """Number of pixels set.

    Raises:
        RLEError: as `check`.
    """
    lengths = lengths_of(rle, limit_pixels)[2]
    return sum(lengths[1::2]) if isinstance(lengths, list) else int(lengths[1::2].sum(dtype=np.int64))


def is_empty(rle: Mapping[str, Any], *, limit_pixels: int = LIMIT_PIXELS) -> bool:
    """Whether no pixel is set.

    Raises:
        RLEError: as `check`.
    """
    return area(rle, limit_pixels=limit_pixels) == 0


def bbox_xywh(rle: Mapping[str, Any], *, limit_pixels: int = LIMIT_PIXELS) -> tuple[int, int, int, int]:
    """Smallest box around the pixels set: left, top, width, height; ``(0, 0, 0, 0)`` for an empty mask.

    Raises:
        RLEError: as `check`.
    """
    height, _, start, end = _spans(rle, limit_pixels)
    return box_of_spans(height, start, end)


def extent(
    rle: Mapping[str, Any], *, limit_pixels: int = LIMIT_PIXELS
) -> tuple[tuple[int, int, int, int], int]:
    """`bbox_xywh` and `area`, for one reading of the runs.

    Raises:
        RLEError: as `check`.
    """
    counts = rle.get("counts") if isinstance(rle, Mapping) else None  # type: ignore[redundant-expr] # callers may err
    if isinstance(counts, str | bytes) and compiled.ready():
        height, width = size_of(rle, limit_pixels=limit_pixels)
        left, top, right, bottom, pixels = compiled.kernels("rle").extent(
            as_bytes(counts), height, height * width
        )
        if left >= 0:
            return ((left, top, right - left, bottom - top) if pixels else (0, 0, 0, 0)), pixels
    height, width, lengths = lengths_of(rle, limit_pixels)
    if not isinstance(lengths, np.ndarray):
        lengths = np.array(lengths, np.int64)
    # Places in the sequence fit the type of the runs wherever their sum does.
    kind = np.int32 if height * width < 2**31 else np.int64
    edges = np.add.accumulate(lengths, dtype=kind)
    start, end = edges[: len(edges) & ~1 : 2], edges[1::2]
    ones = lengths[1::2]
    if not ones.all():
        some = ones > 0
        start, end = start[some], end[some]
    if not len(start):
        return (0, 0, 0, 0), 0
    last = end - 1
    first_column, last_column = start // height, last // height
    left, right = int(first_column[0]), int(last_column[-1]) + 1
    if (first_column != last_column).any():
        # A run that passes from one column to the next covers the last row of one and the first row of the other.
        top, bottom = 0, height
    else:
        first_column *= height
        start = start - first_column
        last -= first_column
        top, bottom = int(start.min()), int(last.max()) + 1
    return (left, top, right - left, bottom - top), int(ones.sum(dtype=np.int64))


def box_of_spans(height: int, start: AnyRuns, end: AnyRuns) -> tuple[int, int, int, int]:
    """Left, top, width and height in pixels of ascending spans none of which is empty; zeros where there is none."""
    if not len(start):
        return 0, 0, 0, 0
    last = end - 1
    left, right = int(start[0] // height), int(last[-1] // height)
    if (start // height != last // height).any():
        # A run that passes from one column to the next covers the last row of one and the first row of the other.
        top, bottom = 0, height - 1
    else:
        top, bottom = int((start % height).min()), int((last % height).max())
    return left, top, right - left + 1, bottom - top + 1


def spans(rle: Mapping[str, Any], *, limit_pixels: int = LIMIT_PIXELS) -> tuple[Runs, Runs]:
    """Start and end (exclusive) of every run of 1s that has pixels, int64 (n,) each, in the column-major sequence.

    Runs that adjoin (a run of no 0s between them) are not merged.

    Raises:
        RLEError: as `check`.
    """
    return _spans(rle, limit_pixels)[2:]


def touches_only_last_row_or_column(rle: Mapping[str, Any], *, limit_pixels: int = LIMIT_PIXELS) -> bool:
    """Whether there are pixels and all of them lie on the last row or the last column of the canvas.

    Raises:
        RLEError: as `check`.
    """
    height, width, start, end = _spans(rle, limit_pixels)
    if not len(start):
        return False
    if height == 1:
        return True
    inner_end = np.minimum(end, (width - 1) * height)  # the part of each run that is left of the last column
    inner = start < inner_end
    on_last_row = (inner_end - start == 1) & (start % height == height - 1)
    return bool((~inner | on_last_row).all())


def size_of(rle: Mapping[str, Any], *, limit_pixels: int = LIMIT_PIXELS) -> tuple[int, int]:
    """The canvas as (height, width).

    Raises:
        RLEError: kind ``size`` or ``limit``.
    """
    if not isinstance(rle, Mapping):
        raise RLEError("mapping", f"an RLE is an object with `size` and `counts`, got {shown(rle)}")
    size = rle.get("size")
    if (
        not isinstance(size, list | tuple)
        or len(size) != 2
        or not all(type(n) is int and n > 0 for n in size)
    ):
        raise RLEError("size", f"`size` must be two positive integers [height, width], got {shown(size)}")
    height, width = size
    if height * width > limit_pixels:
        raise RLEError("limit", f"`size` {shown(size)} is over the limit of {limit_pixels} pixels")
    return height, width


def lengths_of(rle: Mapping[str, Any], limit_pixels: int) -> tuple[int, int, list[int] | AnyRuns]:
    """Height, width and checked run lengths, not to be changed: a list where they are few, else int32 or int64 (m,).

    Raises:
        RLEError: as `check`.
    """
    height, width = size_of(rle, limit_pixels=limit_pixels)
    counts = rle.get("counts")
    kept = kept_runs.kept
    if kept is None or type(counts) is not str or not SHORT <= len(counts) <= kept_runs.LONGEST:
        return height, width, _lengths(counts, height, width)
    found: list[int] | AnyRuns | None = kept.get((counts, height * width))
    if found is None:
        found = _lengths(counts, height, width)
        if len(kept) >= kept_runs.MOST:
            kept.clear()
        kept[counts, height * width] = found
    return height, width, found


def _lengths(counts: Any, height: int, width: int) -> list[int] | AnyRuns:
    """Checked run lengths of a canvas."""
    lengths: list[int] | AnyRuns
    if isinstance(counts, str | bytes):
        if compiled.ready():
            quickly = _read_compiled(counts, height * width)
            if len(quickly):
                return quickly
        text = ascii_of(counts)
        lengths = parse_short(text) if len(text) < SHORT else parse_long(text)
    elif isinstance(counts, list | tuple):
        lengths = _integers(counts)
    else:
        raise RLEError("counts", f"`counts` must be RLE text or a list of integers, got {shown(counts)}")
    if isinstance(lengths, list):
        lowest, total = min(lengths, default=0), sum(lengths)
    else:
        lowest = int(np.minimum.reduce(lengths, initial=0))
        total = int(np.add.reduce(lengths, dtype=np.int64))
    if lowest < 0:
        where = next(i for i, n in enumerate(lengths) if n < 0)
        raise RLEError("negative", f"run {where} of `counts` has the length {shown(int(lengths[where]))}")
    if total != height * width:
        raise RLEError("sum", _sum_message(total, height, width, counts))
    return lengths


def _read_compiled(counts: str | bytes, total: int) -> Runs:
    """The runs, or none where anything is wrong with them, of which `lengths_of` knows what."""
    found: Runs = compiled.kernels("rle").read(as_bytes(counts), total)
    return found


def _sum_message(
    total: int, height: int, width: int, counts: str | bytes | list[int] | tuple[int, ...]
) -> str:
    message = (
        f"the runs of `counts` sum to {shown(total)}, `size` [{height}, {width}] has {height * width} pixels"
    )
    text = counts.decode("ascii") if isinstance(counts, bytes) else counts
    if isinstance(text, str) and "\\\\" in text:
        try:
            check(
                {"size": [height, width], "counts": text.replace("\\\\", "\\")}, limit_pixels=height * width
            )
        except RLEError:
            return message
        message += "; they fit when every doubled backslash is a single one (escaped twice?)"
    return message


def _integers(counts: list[Any] | tuple[Any, ...]) -> list[int]:
    if set(map(type, counts)) <= {int}:
        return list(counts)
    at = next(i for i, n in enumerate(counts) if type(n) is not int)
    raise RLEError("counts", f"`counts` must be a list of integers, element {at} is {shown(counts[at])}")


def _spans(rle: Mapping[str, Any], limit_pixels: int) -> tuple[int, int, Runs, Runs]:
    """Height, width, and start and end (exclusive) of every run of 1s that has pixels, adjoining runs not merged."""
    height, width, lengths = lengths_of(rle, limit_pixels)
    if isinstance(lengths, list):
        ends = np.fromiter(accumulate(lengths), np.int64, len(lengths))
        ones = np.array(lengths[1::2], dtype=np.int64)
    else:
        ends = np.cumsum(lengths, dtype=np.int64)
        ones = lengths[1::2].astype(np.int64)
    filled = ones > 0
    end = ends[1::2][filled]
    return height, width, end - ones[filled], end
