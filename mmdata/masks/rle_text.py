"""The numbers of compressed ``counts``; `mmdata.masks.rle` says how they are written."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from mmdata.masks.run_lengths import AnyRuns, RLEError, Runs
from mmdata.masks.shown import shown

# Below this many bytes a Python loop is faster than a handful of numpy calls.
SHORT = 100
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


def as_bytes(counts: str | bytes) -> bytes:
    """The text as bytes, whatever it holds."""
    return counts.encode("utf-8", "surrogatepass") if isinstance(counts, str) else bytes(counts)


def ascii_of(counts: str | bytes) -> bytes:
    """The text as bytes of the alphabet, every number of it complete."""
    text = as_bytes(counts)
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


def parse_short(text: bytes) -> list[int]:
    """The run lengths of a text of few characters.

    Raises:
        RLEError: a number is longer than pycocotools can read.
    """
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


def parse_long(text: bytes) -> AnyRuns:
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


__all__ = ["SHORT", "as_bytes", "ascii_of", "parse_long", "parse_short"]
