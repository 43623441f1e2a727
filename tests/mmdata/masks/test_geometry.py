"""Facts about rings as shapes, against shapely's own answers and brute force."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdata import masks
from mmdata.masks.geometry import clipped_area, crossings, extents, repeated_points, straight_points
from mmdata.masks.polygon_file import PolygonFile
from mmdata.masks.transposed import reads_across
from mmdata.masks.twins import ring_iou, twins

POINT = st.tuples(st.integers(-20, 80), st.integers(-20, 80))
RING = st.lists(POINT, min_size=1, max_size=12)


def polygon_file(*objects: list[list[tuple[float, float]]]) -> PolygonFile:
    rings = [np.asarray(ring, np.float64).reshape(-1, 2) for rings in objects for ring in rings]
    return PolygonFile(
        np.concatenate([np.empty((0, 2)), *rings]),
        np.cumsum([0, *map(len, rings)], dtype=np.int64),
        np.cumsum([0, *map(len, objects)], dtype=np.int64),
    )


@given(st.lists(st.lists(RING, max_size=3), max_size=4))
def test_a_ring_meets_itself_where_shapely_calls_it_invalid(
    objects: list[list[list[tuple[int, int]]]],
) -> None:
    file = polygon_file(*objects)
    found = {c.ring for c in crossings(file).found}
    for i in range(file.n_rings):
        ring = file.ring(i)
        if len(ring) >= 3 and abs(shapely.make_valid(shapely.polygons(ring)).area) > 0:
            assert (i in found) == (not shapely.is_valid(shapely.polygons(ring)))
        else:
            assert i not in found


def test_the_place_of_a_crossing_and_a_touch() -> None:
    bow = [(10, 10), (30, 30), (30, 10), (10, 30), (0, 25)]
    touch = [(0, 0), (20, 0), (10, 10), (20, 20), (0, 20), (10, 10)]
    spur = [(0, 0), (20, 0), (20, 20), (30, 20), (20, 20), (0, 20)]
    twice = [(0, 0), (20, 0), (20, 20), (0, 20), (0, 0), (10, 0), (10, 10), (0, 10)]
    found = crossings(polygon_file([bow], [touch], [spur], [twice])).found
    assert [(c.ring, c.touch) for c in found] == [(0, False), (1, True), (2, True), (3, False)]
    assert [(c.x, c.y) for c in found[:2]] == [(20, 20), (10, 10)]


def fan(points: int) -> list[tuple[float, float]]:
    """Edges whose boxes all meet and that never cross: the worst case of a search by boxes."""
    k = np.arange(points // 2)
    return [*np.stack([k, 0 * k, k + 1e6, 0 * k + 1e6], axis=1).reshape(-1, 2).tolist(), (-9, 2e6), (-9, -9)]


def test_hostile_rings_are_searched_in_part_and_named() -> None:
    rng = np.random.default_rng(0)
    noise = rng.uniform(0, 1000, (100_000, 2)).tolist()
    again = np.tile([[0, 0], [10, 0], [10, 10], [0, 10.0]], (25_000, 1)).tolist()
    found = crossings(polygon_file([noise], [again], [fan(100_000)]))
    assert [c.ring for c in found.found] == [0, 1]
    assert found.unsearched == [2]


def test_the_crossing_found_early_is_one() -> None:
    noise = np.random.default_rng(1).uniform(0, 1000, (700, 2))
    (crossing,) = crossings(polygon_file([noise.tolist()]), max_meetings=10).found
    edges = shapely.linestrings(np.stack([noise, np.roll(noise, -1, axis=0)], axis=1))
    assert (shapely.distance(edges, shapely.points(crossing.x, crossing.y)) < 1e-6).sum() == 2


@given(RING)
def test_needless_points_by_brute_force(ring: list[tuple[int, int]]) -> None:
    file = polygon_file([ring])
    repeats = sum(a == b for a, b in pairwise(ring))
    assert repeated_points(file).tolist() == [repeats]
    kept = [p for i, p in enumerate(ring) if i == 0 or p != ring[i - 1]]
    if len(kept) > 1 and kept[0] == kept[-1]:
        kept.pop()
    straight = 0
    for i, (x, y) in enumerate(kept):
        (a, b), (c, d) = kept[i - 1], kept[(i + 1) % len(kept)]
        straight += (x - a) * (d - y) == (y - b) * (c - x) and (x - a) * (c - x) + (y - b) * (d - y) > 0
    assert straight_points(file).tolist() == [straight]


@given(st.lists(POINT, min_size=3, max_size=10), st.integers(1, 60), st.integers(1, 60))
def test_clipped_area_is_shapelys_for_simple_rings(ring: list[tuple[int, int]], w: int, h: int) -> None:
    shape = shapely.polygons(np.asarray(ring, float))
    if shapely.is_valid(shape):
        expected = shapely.intersection(shape, shapely.box(0, 0, w, h)).area
        got = clipped_area(np.asarray(ring, float), np.array([w, h]))
        assert got == pytest.approx(expected, abs=1e-6)


def test_share_outside() -> None:
    half, away, flat = [(44, 10), (84, 10), (84, 30), (44, 30)], [(70, 0), (80, 0), (80, 9)], [(1, 1), (5, 5)]
    inside = [(0, 0), (64, 0), (64, 48), (0, 48)]
    file = polygon_file([half], [away], [flat], [inside], [])
    boxes, areas, outside = extents(file, (48, 64))
    np.testing.assert_array_equal(outside, [0.5, 1.0, np.nan, 0.0, np.nan])
    assert areas.tolist() == [800, 45, 0, 64 * 48, 0]
    assert boxes[0].tolist() == [44, 10, 84, 30]
    assert np.isnan(boxes[4]).all()


def test_coordinates_beyond_reason_do_no_harm() -> None:
    file = polygon_file([[(1e308, 0), (-1e308, 5), (0, 1e308)]], [[(0, 0), (5, 0), (5, 5)]])
    crossings(file)
    assert extents(file, (48, 64)).outside[1] == 0
    straight_points(file)
    repeated_points(file)


@settings(max_examples=60)
@given(st.integers(8, 60), st.integers(8, 60), st.integers(0, 2**32 - 1))
def test_runs_along_rows_are_told_from_runs_down_columns(h: int, w: int, seed: int) -> None:
    if abs(h - w) < 4:
        return
    rng = np.random.default_rng(seed)
    mask = np.zeros((h, w), np.uint8)
    y, x = rng.integers(0, h // 4, 2)[0], rng.integers(0, w // 4)
    mask[y : y + h // 2, x : x + w // 2] = 1
    assert not reads_across(masks.encode(mask))
    assert not reads_across(masks.encode(rng.integers(0, 2, (h, w), dtype=np.uint8)))


@pytest.mark.parametrize("h, w", [(48, 64), (800, 600), (100, 333)])
def test_both_ways_of_exchanging_are_seen(h: int, w: int) -> None:
    yy, xx = np.mgrid[:h, :w]
    disc = ((yy - h / 2) ** 2 + (xx - w / 2) ** 2 < (min(h, w) / 3) ** 2).astype(np.uint8)
    in_rows = masks.encode(np.ascontiguousarray(disc.ravel().reshape(w, h).T))
    exchanged = {"size": [w, h], "counts": masks.encode(disc)["counts"]}
    assert reads_across(in_rows)
    assert reads_across(exchanged)
    assert not reads_across(masks.encode(disc))


def test_twins_are_all_pairs_above_the_limit() -> None:
    rng = np.random.default_rng(3)
    rings = [
        np.array([[x, y], [x + 30, y], [x + 30, y + 30], [x, y + 30]], float)
        for x, y in rng.integers(0, 12, (40, 2))
    ]
    boxes = np.array([[*r.min(axis=0), *r.max(axis=0)] for r in rings])
    areas = np.full(40, 900.0)
    compare = lambda i, j: ring_iou([rings[i]], [rings[j]])  # noqa: E731
    drawn = [masks.rasterize([r], (60, 60), "opencv") for r in rings]
    expected = {
        (i, j)
        for i in range(40)
        for j in range(i + 1, 40)
        if (drawn[i] & drawn[j]).sum() / (drawn[i] | drawn[j]).sum() >= 0.8
    }
    result = twins(boxes, areas, compare, least=0.8)
    assert result.complete
    assert {(i, j) for i, j, _ in result.pairs} == expected
    assert expected
    assert not twins(boxes, areas, compare, least=0.8, max_pairs=3).complete
