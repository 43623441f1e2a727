"""Pictures that look alike: difference hashes, and an index that finds every hash within a distance.

The picture is averaged down to a 9 x 9 grid. 64 bits say whether a cell is brighter than its left neighbour, 64 whether it is
brighter than the one above. A pair counts as alike if at most `distance` bits differ *and* the grids' grey levels are on the
average within `MAX_GREY`: flat pictures have the same bits and are told apart by their brightness.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from mmdata.errors import DataError

BITS = 128
MAX_DISTANCE = 15
MAX_GREY = 12.0
"""Mean difference of grey levels (0 to 255) up to which two pictures are alike."""

_STEP = 1.0
"""A cell is brighter from this difference on: noise of compression in flat areas is no pattern."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a picture looks like.

    Attributes:
        bits: 128 bits of brightness steps.
        grid: 9 x 9 uint8 grey levels, row by row.
    """

    bits: int
    grid: bytes

    def alike(self, other: Fingerprint, distance: int) -> bool:
        """Whether two pictures look alike."""
        if (self.bits ^ other.bits).bit_count() > distance:
            return False
        a, b = (np.frombuffer(f.grid, np.uint8).astype(np.int16) for f in (self, other))
        return float(np.abs(a - b).mean()) <= MAX_GREY


def fingerprint(path: str) -> Fingerprint:
    """The fingerprint of a picture file; EXIF rotation is not applied, as no trainer does.

    Raises:
        DataError: the file is not there, or no picture that can be decoded.
    """
    from PIL import Image

    from mmdata.media.images import open_quietly

    try:
        with open(path, "rb") as file, open_quietly(file) as image:
            image.draft("L", (72, 72))
            small = image.convert("L").resize((9, 9), Image.Resampling.BOX)
    except Exception as error:  # Pillow's readers raise whatever they stumble over
        raise DataError(f"{path}: cannot be decoded: {type(error).__name__}: {error}") from None
    return of_grid(np.asarray(small, dtype=np.uint8))


def of_grid(grid: NDArray[np.uint8]) -> Fingerprint:
    """The fingerprint of a (9, 9) uint8 grid of grey levels."""
    levels = grid.astype(np.float32)
    right = levels[:8, 1:] - levels[:8, :-1] > _STEP
    down = levels[1:, :8] - levels[:-1, :8] > _STEP
    bits = np.packbits(np.concatenate([right.ravel(), down.ravel()]))
    return Fingerprint(int.from_bytes(bits.tobytes(), "big"), grid.tobytes())


class NearIndex:
    """Finds every fingerprint within a distance: two hashes that differ in d bits agree in one of d + 1 bands.

    Args:
        distance: bits that may differ, 0 to `MAX_DISTANCE`.
    """

    def __init__(self, distance: int) -> None:
        if not 0 <= distance <= MAX_DISTANCE:
            raise ValueError(f"a distance lies between 0 and {MAX_DISTANCE}, got {distance}")
        self.distance = distance
        edges = [BITS * k // (distance + 1) for k in range(distance + 2)]
        self._bands = [(low, (1 << (high - low)) - 1) for low, high in pairwise(edges)]
        self._tables: list[dict[int, list[int]]] = [{} for _ in self._bands]
        self._known: list[tuple[Fingerprint, int]] = []

    def add(self, fingerprint: Fingerprint, item: int) -> None:
        """Remember a picture as belonging to `item`."""
        number = len(self._known)
        self._known.append((fingerprint, item))
        for table, (low, mask) in zip(self._tables, self._bands, strict=True):
            table.setdefault((fingerprint.bits >> low) & mask, []).append(number)

    def find(self, fingerprint: Fingerprint) -> list[int]:
        """The items of all pictures that look alike, in the order they were added."""
        candidates = {
            number
            for table, (low, mask) in zip(self._tables, self._bands, strict=True)
            for number in table.get((fingerprint.bits >> low) & mask, ())
        }
        return [
            item
            for known, item in (self._known[n] for n in sorted(candidates))
            if known.alike(fingerprint, self.distance)
        ]


__all__ = ["BITS", "MAX_DISTANCE", "MAX_GREY", "Fingerprint", "NearIndex", "fingerprint", "of_grid"]
