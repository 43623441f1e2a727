"""Where the features of a vision encoder lie on a picture, and how much of each a mask covers.

A family's media encoder (`mmtrain.families`) that has ``canvases`` can be asked about regions: for every picture or frame it
tells over which rectangle of the picture each feature lies, and the number of that feature among all of the sample.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from schemas.sample import Media

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Canvas:
    """Features over a picture or a frame, as rows and columns of cells.

    Attributes:
        rows: (R + 1,) edges of the rows in pixels of the picture, ascending; beyond the picture where it is padded.
        columns: (C + 1,) the same of the columns.
        cells: (R, C): number of each cell's feature among those of the sample, counted as they are handed to the encoder.
    """

    rows: Floats
    columns: Floats
    cells: Ints

    def under(self, mask: npt.NDArray[np.uint8]) -> tuple[Ints, Floats]:
        """Numbers (P,) of the features that a mask (H, W) touches, ascending by row and column, and the pixels of it (P,)
        that lie in each, by their parts.
        """
        areas = covered(mask, self.rows, self.columns)
        at = np.nonzero(areas)
        return self.cells[at], areas[at]


class Canvases(NamedTuple):
    """Of a sample.

    Attributes:
        pictures: of every medium the canvas of its picture, or of each of its frames in order.
        features: how many there are in all.
    """

    pictures: list[list[Canvas]]
    features: int


class HasCanvases(Protocol):
    """A media encoder that knows where its family's features lie."""

    def canvases(self, media: list[Media], root: str | None, max_tiles: int | None) -> Canvases:
        """From headers alone.

        Raises:
            DataError: a file cannot be used.
        """
        ...

    def features(self, inputs: Mapping[str, npt.NDArray[Any]]) -> int:
        """How many features the vision encoder makes of inputs of `MediaEncoder.pixels`."""
        ...


def even(pixels: int, parts: int) -> Floats:
    """Edges of so many equal parts."""
    edges: Floats = np.arange(parts + 1, dtype=np.float64) * (pixels / parts)
    return edges


def tiled(rows: int, columns: int, side: int, first: int) -> Ints:
    """Numbers of the features of tiles in rows from the top left, each of ``side × side``: (rows * side, columns * side)."""
    numbers = first + np.arange(rows * columns * side * side)
    grid = numbers.reshape(rows, columns, side, side).transpose(0, 2, 1, 3)
    return grid.reshape(rows * side, columns * side)


def covered(mask: npt.NDArray[np.uint8], rows: Floats, columns: Floats) -> Floats:
    """Pixels of a mask within each cell: (R, C); one on an edge counts in both cells by its parts.

    Args:
        mask: (H, W) of 0 and 1.
        rows: (R + 1,) edges in pixels, ascending; what lies beyond the mask is not covered.
        columns: (C + 1,) the same.
    """
    found: Floats = _summed(_summed(mask.astype(np.float64), rows).T, columns).T
    # Sums of parts of pixels leave rounding where there is nothing.
    found[found <= 1e-9] = 0.0
    return found


def _summed(values: Floats, edges: Floats) -> Floats:
    """Sums between edges along the first axis: the running sum is a straight line within a pixel."""
    length = len(values)
    running = np.zeros((length + 1, values.shape[1]))
    np.cumsum(values, axis=0, out=running[1:])
    inside = np.clip(edges, 0, length)
    whole = np.minimum(inside.astype(int), length - 1)
    at = running[whole] + (inside - whole)[:, None] * values[whole]
    found: Floats = at[1:] - at[:-1]
    return found
