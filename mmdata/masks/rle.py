"""COCO run-length encoding: checked before use, and measured from the runs without decoding to pixels.

An RLE is ``{"size": [height, width], "counts": ...}``. The runs alternate between 0s and 1s, starting with 0s, and
go down the columns: pixel ``p`` of the sequence lies at ``y = p % height``, ``x = p // height``.

Compressed ``counts`` (str or bytes) hold one number after the other in characters 48..111 (``0`` to ``o``): five bits
a character, lowest first, bit 32 set where the number goes on, bit 16 of its last character the sign. From the
fourth run on, a number is the difference to the run two before.

pycocotools trusts all of that: runs that end early decode to uninitialised memory. Every function here checks first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmdata.errors import DataError
from mmdata.masks import compiled, kept_runs
from mmdata.masks.shown import shown

RLEKind = Literal[
    "mapping", "size", "limit", "counts", "bytes-repr", "alphabet", "truncated", "number", "negative", "sum"
]
Runs: TypeAlias = NDArray[np.int64]
AnyRuns: TypeAlias = NDArray[np.signedinteger[Any]]

LIMIT_PIXELS = 1 << 28
"""Largest canvas accepted unless the caller says otherwise: 16384 x 16384."""

# Below this many bytes a Python loop is faster than a handful of numpy calls.
_SHORT = 100
_ALPHABET = bytes(range(48, 112))
_GOES_ON = bytes(char >= 80 for char in range(256))
# Up to so many numbers of three characters or more are read by a loop: a mask has one or two, its first runs.
_FEW_LONG = 16
# A run below 2**35 needs seven characters. Eight, or seven with a sign, overflow the 32-bit shift of pycocotools.
_LONGEST_SHIFT = 35
_OVERLONG = re.compile(rb"[P-o]{7}|(?<![P-o])[P-o]{6}[@-O]")


def _pairs() -> NDArray[np.int32]:
    """The number that ends with a character, by 256 * character + the character before it: five bits each."""
    ends, goes_on = np.arange(48, 80), np.arange(80, 112)
    result = np.zeros((112, 256), np.int32)
    result[ends] = (ends[:, None] & 31) - 16
    result[48:80, 80:112] = 32 * ((ends[:, None] & 31) - 16) + (goes_on - 48 & 31)
    return result.reshape(-1)


_PAIRS = _pairs()

# For numbers of up to four characters as one integer each, by their number of characters.
_DIGITS_AT_ONCE = 4
_TURNED = np.uint32(0x10101010)
_OTHERS = np.array([0, 24, 16, 8, 0, 0, 0], np.uint32)
_SIGNS = np.array([0, *(1 << 5 * digits - 1 for digits in range(1, 7))], np.uint32)
_STEPS = tuple(
    tuple(map(np.uint32, step)) for step in ((3, 0x001F001F, 0x03E003E0), (6, 0x000003FF, 0x000FFC00))
)


class RLEError(DataError):
    """A mapping that is no decodable RLE.

    Attributes:
        kind: what is wrong: ``mapping`` (no mapping at all), ``size`` (not two positive ints), ``limit`` (more pixels than allowed), ``counts``
            (neither str, bytes nor a list of ints), ``bytes-repr`` (the printed form of a bytes object),
            ``alphabet`` (a character that is never written), ``truncated`` (the last number does not end),
            ``number`` (a number longer than any run), ``negative`` (a run below 0), ``sum`` (the runs do not fill
            the canvas).
    """

    def __init__(self, kind: RLEKind, message: str) -> None:
        super().__init__(message)
        self.kind: RLEKind = kind


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
            _as_bytes(counts), height, height * width
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
    if kept is None or type(counts) is not str or not _SHORT <= len(counts) <= kept_runs.LONGEST:
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
        text = _ascii(counts)
        lengths = _parse_short(text) if len(text) < _SHORT else _parse_long(text)
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
    found: Runs = compiled.kernels("rle").read(_as_bytes(counts), total)
    return found


def _as_bytes(counts: str | bytes) -> bytes:
    return counts.encode("utf-8", "surrogatepass") if isinstance(counts, str) else bytes(counts)


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


def _ascii(counts: str | bytes) -> bytes:
    """The text as bytes of the alphabet, every number of it complete."""
    text = _as_bytes(counts)
    foreign = text.translate(None, _ALPHABET)
    if foreign:
        printed = counts if isinstance(counts, str) else counts.decode("latin-1")
        if printed.lstrip().startswith(("b'", 'b"')):
            raise RLEError("bytes-repr", f"`counts` is the printed form of bytes: {shown(printed)}")
        at = next(i for i, c in enumerate(printed) if not "0" <= c <= "o")
        raise RLEError(
            "alphabet",
            f"character {at} of `counts` is {printed[at]!r}, RLE text has '0' to 'o' (48..111) only",
        )
    if text and text[-1] >= 80:
        raise RLEError("truncated", f"`counts` ends inside a number, after {len(text)} characters")
    return text


def _parse_short(text: bytes) -> list[int]:
    out: list[int] = []
    before = last = 0
    chars = iter(text)
    for char in chars:
        # The alphabet starts at 48, so that bit 16 of a number's last character is the sign turned over.
        value = (char & 31) - 16 if char < 80 else _long_number(char, chars, text)
        before, last = last, value + before
        out.append(last)
        if len(out) == 1:  # run 0 stands alone; 1 and 2 are absolute too
            last = 0
    return out


def _long_number(first: int, following: Iterator[int], text: bytes) -> int:
    """The number that starts with a character that is not its last; the others are taken from `following`."""
    value, shift = first - 80, 5
    for char in following:
        bits = char - 48
        value |= (bits & 31) << shift
        shift += 5
        if bits < 32:
            if bits & 16:
                value -= 1 << shift
            break
    if shift >= _LONGEST_SHIFT and (shift > _LONGEST_SHIFT or value < 0):
        raise _overlong(text)
    return value


def _parse_long(text: bytes) -> AnyRuns:
    """Run lengths, int32 where no sum of them can be too large for it: half the memory, half the time."""
    chars = np.frombuffer(text, np.uint8)
    goes_on = text.translate(_GOES_ON)
    digits = 1
    values: AnyRuns
    if b"\1" not in goes_on:
        values = ((chars & 31).view(np.int8) - np.int8(16)).astype(np.int32)
    elif b"\1\1" in goes_on and (goes_on.count(b"\1\1\0") > _FEW_LONG or b"\1\1\1\1\1\1" in goes_on):
        values, digits = _with_long_numbers(chars, text)
    else:
        # Every character with the one before it as one number: one look-up reads numbers of one or two characters.
        pairs: NDArray[np.uint16] = np.ndarray((len(text),), "<u2", b"0" + text, 0, (1,))
        values = _PAIRS.take(pairs[chars < 80])
        digits = _place_long_numbers(text, goes_on, values)
    # No sum of so many numbers of so many digits passes 31 bits, or the numbers themselves are asked.
    if (
        len(values) << 5 * digits - 1 >= 2**31
        and values.dtype == np.int32
        and max(int(values.max()), -int(values.min())) * len(values) >= 2**31
    ):
        values = values.astype(np.int64)
    # Runs 1 and 2 are absolute, and so are the first terms of the two running sums; run 0 stands alone.
    for chain in (values[1::2], values[2::2]):
        np.add.accumulate(chain, out=chain)
    return values


def _place_long_numbers(text: bytes, goes_on: bytes, values: AnyRuns) -> int:
    """Put numbers of three to six characters where they belong; returns the characters of the longest."""
    longest = 2
    start = goes_on.find(b"\1\1")
    while start >= 0:
        last = goes_on.find(b"\0", start)
        values[goes_on.count(b"\0", 0, start)] = _number_at(text, start, last)
        longest = max(longest, last - start + 1)
        start = goes_on.find(b"\1\1", last)
    return longest


def _number_at(text: bytes, start: int, last: int) -> int:
    """The number of characters `start` to `last`."""
    value = (text[last] & 31) - 16
    for char in text[last - 1 : start - 1 if start else None : -1]:
        value = value * 32 + (char - 48 & 31)
    return value


def _with_long_numbers(chars: NDArray[np.uint8], text: bytes) -> tuple[AnyRuns, int]:
    """The numbers of a text of which many have three characters or more, and the characters of the longest."""
    last = (chars < 80).nonzero()[0]
    digits = np.empty_like(last)
    digits[0] = last[0] + 1
    np.subtract(last[1:], last[:-1], digits[1:])
    longest = int(digits.max())
    longer = (digits > _DIGITS_AT_ONCE).nonzero()[0] if longest > _DIGITS_AT_ONCE else ()
    if longest > 6 or len(longer) > _FEW_LONG:
        return _with_endless_numbers(chars, text, last, digits), longest
    # The four characters that end with a number's last, as one integer, and of them the number's own; then the five
    # bits of each are moved together: first those of two characters, then those of four.
    bits: NDArray[np.uint32] = np.ndarray((len(text),), "<u4", b"000" + text, 0, (1,)).take(last)
    bits ^= _TURNED
    bits >>= _OTHERS.take(digits)
    for shift, low, high in _STEPS:
        upper = bits >> shift
        upper &= high
        bits &= low
        bits |= upper
    sign = _SIGNS.take(digits)
    bits ^= sign
    bits -= sign
    values = bits.view(np.int32)
    for number in longer:
        values[number] = _number_at(text, int(last[number] - digits[number]) + 1, int(last[number]))
    return values, longest


def _with_endless_numbers(chars: NDArray[np.uint8], text: bytes, last: Runs, digits: Runs) -> Runs:
    """The same, of numbers of seven characters or more too."""
    values = (chars[last] & 31).astype(np.int64) - 16
    place, left = 1, np.flatnonzero(digits > 1)
    while len(left):
        place += 1
        if 5 * place >= _LONGEST_SHIFT and (5 * place > _LONGEST_SHIFT or (values[left] < 0).any()):
            raise _overlong(text)
        values[left] = values[left] * 32 + (chars[last[left] - place + 1] - 48 & 31)
        left = left[digits[left] > place]
    return values


def _overlong(text: bytes) -> RLEError:
    found = _OVERLONG.search(text)
    where = found.start() if found else 0
    return RLEError("number", f"the number at character {where} of `counts` is longer than any run")


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
