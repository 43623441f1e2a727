"""Tiles and their tokens agree with the trainers' rules, written out here the long way."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdata.tiling import (
    MOST_TILES,
    Grid,
    hd_grid,
    hd_tokens,
    internvl_grid,
    internvl_grids,
    internvl_tile_tokens,
    internvl_tiles,
)

sizes = st.one_of(st.integers(1, 5000), st.sampled_from([1, 448, 560, 896, 1344, 800, 1600, 900]))


def brute_internvl(width: int, height: int, low: int, high: int, tile: int = 448) -> tuple[int, int]:
    """Every grid of every number of tiles, the nearest ratio, ties by area."""
    found = set()
    for n in range(low, high + 1):
        for i in range(1, n + 1):
            for j in range(1, n + 1):
                if low <= i * j <= high:
                    found.add((i, j))
    best, nearest = (1, 1), math.inf
    for i, j in sorted(found, key=lambda pair: pair[0] * pair[1]):
        distance = abs(width / height - i / j)
        if distance < nearest or (distance == nearest and width * height > 0.5 * tile * tile * i * j):
            best, nearest = (i, j), distance
    return best


@given(sizes, sizes, st.integers(1, 4), st.integers(1, 24))
@settings(max_examples=300, deadline=None)
def test_internvl_grid_is_the_brute_force_one(width: int, height: int, low: int, high: int) -> None:
    assert internvl_grid(width, height, min_tiles=low, max_tiles=high) == brute_internvl(
        width, height, low, high
    )


def test_internvl_exact_ties_go_as_in_the_brute_force() -> None:
    """Pictures whose ratio lies exactly between two grids, or on one that several grids share."""
    rng = random.Random(1)
    for _ in range(400):
        a, b, c, d = (rng.randint(1, 6) for _ in range(4))
        k = rng.choice([1, 7, 100, 300])
        width, height = k * (a * d + c * b), k * 2 * b * d  # the mean of a/b and c/d
        assert internvl_grid(width, height, min_tiles=1, max_tiles=12) == brute_internvl(width, height, 1, 12)
        assert internvl_grid(a * k, b * k, min_tiles=2, max_tiles=6) == brute_internvl(a * k, b * k, 2, 6)


@pytest.mark.parametrize("low, high", [(1, 1), (1, 6), (1, 12), (3, 12), (1, 40), (2, 2), (5, 3)])
def test_internvl_grids_come_in_the_order_of_the_trainers_set(low: int, high: int) -> None:
    pairs = {
        (i, j)
        for n in range(low, high + 1)
        for i in range(1, n + 1)
        for j in range(1, n + 1)
        if low <= i * j <= high
    }
    assert list(internvl_grids(low, high)) == sorted(pairs, key=lambda pair: pair[0] * pair[1])


@pytest.mark.parametrize(
    "size, grid, tiles", [((800, 800), (2, 2), 5), ((1600, 900), (4, 2), 9), ((2688, 896), (6, 2), 13)]
)
def test_internvl_published_sizes(size: tuple[int, int], grid: tuple[int, int], tiles: int) -> None:
    assert internvl_grid(*size) == grid
    assert internvl_tiles([size]) == [tiles]


def test_internvl_a_small_square_stays_one_tile_without_thumbnail() -> None:
    assert internvl_tiles([(400, 400)]) == [1]
    assert internvl_tiles([(2688, 896)], thumbnail=False) == [12]


def test_internvl_pictures_of_a_record_share_the_tiles() -> None:
    assert (
        internvl_tiles([(2688, 896)] * 2, max_tiles=12) == [internvl_tiles([(2688, 896)], max_tiles=6)[0]] * 2
    )
    assert internvl_tiles([(2688, 896)] * 20, max_tiles=12) == [1] * 20
    assert internvl_tiles([]) == []


def test_internvl_tokens_of_a_tile() -> None:
    assert internvl_tile_tokens() == 256
    assert internvl_tile_tokens(224) == 64
    assert internvl_tiles([(2688, 896)])[0] * internvl_tile_tokens() == 3328


def test_absurd_numbers_of_tiles_are_bounded() -> None:
    assert max(grid.tiles for grid in internvl_grids(1, 10**9)) == MOST_TILES
    assert hd_grid(100_000, 100_000, hd_num=10**9).columns == math.ceil(1.5 * 100_000 / 560)


def brute_hd(width: int, height: int, hd_num: int) -> Grid:
    if width < height:
        columns, rows = brute_hd(height, width, hd_num)
        return Grid(rows, columns)
    ratio = width / height
    side = max(s for s in range(1, hd_num + 1) if s * math.ceil(s / ratio) <= hd_num)
    side = min(side, math.ceil(1.5 * width / 560))
    return Grid(side, math.ceil(max(1, int(side * 560 / ratio)) / 560))


@given(sizes, sizes, st.integers(1, 40))
@settings(max_examples=400, deadline=None)
def test_hd_grid_is_the_brute_force_one(width: int, height: int, hd_num: int) -> None:
    grid = hd_grid(width, height, hd_num=hd_num)
    assert grid == brute_hd(width, height, hd_num)
    assert 1 <= grid.tiles <= hd_num


@pytest.mark.parametrize("hd_num, tokens", [(1, 841), (9, 4081)])
def test_hd_tokens_of_800_square(hd_num: int, tokens: int) -> None:
    assert hd_tokens(800, 800, hd_num=hd_num) == tokens


@given(sizes, sizes, st.integers(1, 25))
@settings(deadline=None)
def test_hd_tokens_are_the_rows_of_both_views(width: int, height: int, hd_num: int) -> None:
    """The tiles and the picture in small are rows of 20 tokens a tile, each row closed by one, one between the two."""
    grid = hd_grid(width, height, hd_num=hd_num)
    tiled = 20 * grid.rows * (20 * grid.columns + 1)
    small = 20 * (20 + 1)
    assert hd_tokens(width, height, hd_num=hd_num) == tiled + 1 + small


@pytest.mark.parametrize("width, height", [(0, 5), (5, 0), (-1, 3)])
def test_sizes_below_one_are_refused(width: int, height: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        internvl_grid(width, height)
    with pytest.raises(ValueError, match="at least 1"):
        hd_grid(width, height, hd_num=9)
