"""How trainers cut pictures into tiles, and how many tokens the tiles cost: pure arithmetic, no picture is opened.

Sizes are (width, height) in pixels as stored; EXIF rotation is never applied. A `Grid` counts tiles: columns, rows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

INTERNVL_TILE = 448
"""Side of InternVL's square tiles in pixels (``--force_image_size``)."""

INTERNVL_MAX_TILES = 12
"""InternVL's default ``--max_dynamic_patch``."""

HD_TILE = 560
"""Side of XComposer 2.5's and GeoPixel's square tiles in pixels."""

MOST_TILES = 1000
"""More tiles than that are taken for this many: no trainer cuts finer, and the search grows with the number."""


class Grid(NamedTuple):
    """How many tiles lie side by side and one above the other."""

    columns: int
    rows: int

    @property
    def tiles(self) -> int:
        """Number of tiles, thumbnail not counted."""
        return self.columns * self.rows


# --- InternVL: dynamic tiling -------------------------------------------------------------------------------------


@lru_cache(maxsize=64)
def internvl_grids(min_tiles: int, max_tiles: int) -> tuple[Grid, ...]:
    """Every grid of `min_tiles` to `max_tiles` tiles, in the order in which the trainer tries them.

    By number of tiles; among equals in the order of a Python set of pairs, which decides exact ties.
    """
    top = min(max_tiles, MOST_TILES)
    pairs = [(i, j) for i in range(1, top + 1) for j in range(1, top // i + 1) if i * j >= min_tiles]
    # The trainer fills its set number by number: a pair comes in when the number reaches its larger part.
    pairs.sort(key=lambda pair: (max(min_tiles, *pair), pair))
    return tuple(Grid(*pair) for pair in sorted(set(pairs), key=lambda pair: pair[0] * pair[1]))


@lru_cache(maxsize=4096)
def internvl_grid(
    width: int,
    height: int,
    *,
    min_tiles: int = 1,
    max_tiles: int = INTERNVL_MAX_TILES,
    tile: int = INTERNVL_TILE,
) -> Grid:
    """The grid that InternVL resizes a picture to: the one nearest in aspect ratio.

    On an exact tie the later grid (more tiles) is taken if the picture has more than half its pixels.

    Args:
        width: pixels.
        height: pixels.
        min_tiles: ``--min_dynamic_patch``.
        max_tiles: ``--max_dynamic_patch``.
        tile: side of a tile in pixels.

    Raises:
        ValueError: a size below 1.
    """
    _positive(width, height)
    aspect, area = width / height, width * height
    best, nearest = Grid(1, 1), math.inf
    for grid in internvl_grids(min_tiles, max_tiles):
        distance = abs(aspect - grid.columns / grid.rows)
        if distance < nearest:
            best, nearest = grid, distance
        elif distance == nearest and area > 0.5 * tile * tile * grid.columns * grid.rows:
            best = grid
    return best


def internvl_tiles(
    sizes: Sequence[tuple[int, int]],
    *,
    max_tiles: int = INTERNVL_MAX_TILES,
    min_tiles: int = 1,
    tile: int = INTERNVL_TILE,
    thumbnail: bool = True,
) -> list[int]:
    """Tiles of each picture of one record, the thumbnail included.

    The pictures of a record share `max_tiles`: each gets ``max(1, max_tiles // number of pictures)``. A picture of
    more than one tile gets a thumbnail on top.

    Raises:
        ValueError: a size below 1.
    """
    share = max(1, max_tiles // len(sizes)) if len(sizes) > 1 else max_tiles
    counts = [internvl_grid(w, h, min_tiles=min_tiles, max_tiles=share, tile=tile).tiles for w, h in sizes]
    return [n + 1 if thumbnail and n != 1 else n for n in counts]


def internvl_tile_tokens(tile: int = INTERNVL_TILE, patch: int = 14, downsample: float = 0.5) -> int:
    """Tokens of one tile: 256 for a side of 448. Each picture has two more, ``<img>`` and ``</img>``."""
    return int((tile // patch) ** 2 * downsample**2)


# --- XComposer 2.5 and GeoPixel: HD transform ---------------------------------------------------------------------


@lru_cache(maxsize=4096)
def hd_grid(width: int, height: int, *, hd_num: int) -> Grid:
    """The grid of 560-pixel tiles that XComposer 2.5 and GeoPixel pad a picture to in training.

    The longer side gets `s` tiles: the largest `s` with ``s * ceil(s / ratio) <= hd_num``, but no more than half as
    many again as the picture fills. A portrait picture is transposed before and after.

    Args:
        width: pixels.
        height: pixels.
        hd_num: ``--hd_num``, the most tiles.

    Raises:
        ValueError: a size or `hd_num` below 1.
    """
    _positive(width, height, hd_num)
    longer, shorter = max(width, height), min(width, height)
    ratio = longer / shorter
    most = math.ceil(1.5 * longer / HD_TILE)
    side = 1
    while side < most and (side + 1) * math.ceil((side + 1) / ratio) <= hd_num:
        side += 1
    # A picture over 560 times as long as wide shrinks to no pixel at all upstream, and fails there: one row here.
    other = math.ceil(max(1, int(side * HD_TILE / ratio)) / HD_TILE)
    return Grid(side, other) if width >= height else Grid(other, side)


def hd_tokens(width: int, height: int, *, hd_num: int) -> int:
    """Tokens of one picture in XComposer 2.5 and GeoPixel.

    400 a tile and for the whole picture in small, one between the two, one at the end of each of their rows of 20:
    ``(h * w + 1) * 400 + 1 + (h + 1) * 20`` for h x w tiles.

    Raises:
        ValueError: a size or `hd_num` below 1.
    """
    grid = hd_grid(width, height, hd_num=hd_num)
    return (grid.tiles + 1) * 400 + 1 + (grid.rows + 1) * 20


def _positive(*numbers: int) -> None:
    if min(numbers) < 1:
        raise ValueError(f"expected sizes of at least 1, got {' x '.join(map(str, numbers))}")


__all__ = [
    "HD_TILE",
    "INTERNVL_MAX_TILES",
    "INTERNVL_TILE",
    "MOST_TILES",
    "Grid",
    "hd_grid",
    "hd_tokens",
    "internvl_grid",
    "internvl_grids",
    "internvl_tile_tokens",
    "internvl_tiles",
]
