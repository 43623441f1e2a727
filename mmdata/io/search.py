"""Every place of a short string in a block of bytes, several times faster than `bytes.find` in a loop."""

from __future__ import annotations

import numpy as np


def places_of(needle: bytes, data: bytes) -> list[int]:
    """Offsets at which `needle` stands in `data`, ascending, overlapping ones included.

    One pass looks for the first byte; the few places that it finds are narrowed down byte by byte.
    """
    characters = np.frombuffer(data, np.uint8)
    places = np.flatnonzero(characters[: max(0, len(data) - len(needle) + 1)] == needle[0])
    for offset, byte in enumerate(needle[1:], 1):
        places = places[characters[places + offset] == byte]
    found: list[int] = places.tolist()
    return found
