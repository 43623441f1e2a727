"""pycocotools' decoder, which trusts its input, with a proof that its input can be trusted.

For masks of very many runs, reading the runs in numpy takes longer than decoding them in C. They are proved instead:

- The decoder refuses runs that pass the end of the canvas (a negative run is a huge one to it), so that what it
  accepts sums to height x width or less.
- ``area`` sums every second run, modulo 2**32. Asked of the text, and of the text with a run of zero length put in
  front, it gives the 1s and the 0s. If they add up to height x width, every pixel was written.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

_LAST = frozenset(range(48, 80))
_GOES_ON = bytes(code >= 80 for code in range(256))
_ALPHABET = bytes(range(48, 112))
_HEAD = 24  # three numbers of at most six characters, and more


def decode_checked(rle: Mapping[str, Any]) -> NDArray[np.uint8]:
    """The pixels, uint8 (h, w), C-contiguous, of a compressed RLE whose runs are known to fill the canvas."""
    import cv2
    from pycocotools import mask as reference

    with warnings.catch_warnings():
        # It hands its memory to numpy in a way that numpy 2 asks it to change.
        warnings.simplefilter("ignore", DeprecationWarning)
        pixels = reference.decode(rle)
    height, width = pixels.shape
    if height == 1 or width == 1:  # OpenCV takes these for vectors
        return np.ascontiguousarray(pixels)
    return np.asarray(cv2.transpose(pixels.T), np.uint8)


def decode_proved(counts: str | bytes, height: int, width: int) -> NDArray[np.uint8] | None:
    """The pixels, uint8 (h, w), C-contiguous; None where the proof fails, whatever the reason.

    Args:
        counts: RLE text, anything.
        height: rows, positive; height * width is below 2**31.
        width: columns, positive.
    """
    from pycocotools import mask as reference

    text = counts.encode("ascii", "replace") if isinstance(counts, str) else counts
    shifted = _with_a_run_in_front(text)
    if shifted is None or not _stops_at_the_end():
        return None
    size = [height, width]
    try:
        pixels = decode_checked({"size": size, "counts": text})
    except ValueError:
        return None
    ones, zeros = reference.area([{"size": size, "counts": text}, {"size": size, "counts": shifted}]).tolist()
    return pixels if ones + zeros == height * width else None


def _with_a_run_in_front(text: bytes) -> bytes | None:
    """The text with an empty run of 0s in front, so that 0s and 1s change places; None for what is no plain text."""
    if text.translate(None, _ALPHABET) or text[-1:] >= b"P":
        return None
    if b"\1" * 6 in text.translate(_GOES_ON):  # a number of seven characters may wrap around
        return None
    ends = [i + 1 for i, code in enumerate(text[:_HEAD]) if code in _LAST][:3]
    if len(ends) < 3:
        return None
    # From the fourth number on each is a difference to the one two before; the third of them becomes the fourth.
    first, third = _number(text[: ends[0]]), _number(text[ends[1] : ends[2]])
    return b"0" + text[: ends[1]] + _written(third - first) + text[ends[2] :]


def _number(text: bytes) -> int:
    value = sum((code - 48 & 31) << 5 * k for k, code in enumerate(text))
    return value - (1 << 5 * len(text)) if text[-1] - 48 & 16 else value


def _written(value: int) -> bytes:
    out = bytearray()
    while not -16 <= value < 16:
        out.append((value & 31) + 80)
        value >>= 5
    out.append((value & 31) + 48)
    return bytes(out)


@cache
def _stops_at_the_end() -> bool:
    """Whether this pycocotools refuses runs that pass the end; older ones write one byte too many here."""
    try:
        decode_checked({"size": [4, 4], "counts": b"0a0"})
    except ValueError:
        return True
    return False
