"""Ring facts against plain definitions, shapely and OpenCV."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdata.masks import rings
from mmdata.masks.inner_rings import inner_rings


def load(polygons):
    return rings.load_polygon_file(json.dumps({"polygons": polygons}).encode())


def square(low, high):
    return [[low, low], [high, low], [high, high], [low, high]]


point = st.tuples(st.floats(-50, 50), st.integers(-50, 50)).map(list)
# Sixteenths: of sides of 1e-157 pixels no area is left, which neither side of a comparison can be right about.
plain_point = st.tuples(st.integers(-800, 800).map(lambda n: n / 16), st.integers(-50, 50)).map(list)
objects = st.lists(st.lists(st.lists(point, max_size=6), max_size=4), max_size=4)


@settings(max_examples=150, deadline=None)
@given(objects)
def test_facts_agree_with_their_definitions(polygons):
    file = load(polygons)
    every = [ring for obj in polygons for ring in obj]
    assert rings.objects_without_rings(file).tolist() == [k for k, obj in enumerate(polygons) if not obj]
    assert rings.empty_rings(file).tolist() == [i for i, ring in enumerate(every) if not ring]
    assert rings.short_rings(file).tolist() == [i for i, ring in enumerate(every) if 1 <= len(ring) <= 2]
    flat = [xy for ring in every for xy in ring]
    assert rings.has_fraction(file.points) == sum(any(c != int(c) for c in xy) for xy in flat)
    outside = sum(not (0 <= int(x) < 20 and 0 <= int(y) < 30) for x, y in flat)
    assert rings.out_of_bounds(file.points, 20, 30) == outside
    assert rings.truncated(file.points).tolist() == [[int(x), int(y)] for x, y in flat]
    extent = rings.bounds(file.points)
    assert (extent is None) == (not flat)
    if extent:
        xs, ys = zip(*flat, strict=True)
        assert extent == (min(xs), min(ys), max(xs), max(ys))
    for i, ring in enumerate(every):
        shape = shapely.polygons(ring).area if len(ring) >= 3 else 0.0
        assert rings.ring_area(file)[i] == pytest.approx(shape, abs=1e-6)
        cut = [[int(x), int(y)] for x, y in ring]
        collapsed = len(ring) >= 3 and shapely.make_valid(shapely.polygons(cut)).area == 0
        assert (i in rings.zero_area(file)) == collapsed


@pytest.mark.parametrize(
    ("ring", "nothing"),
    [
        (square(0, 5), False),
        ([[0, 0], [20, 10], [20, 0], [0, 10]], False),  # a figure of eight whose halves cancel
        ([[1, 1], [5, 5], [9, 9]], True),
        ([[0, 0], [5, 0], [5, 5], [5, 0]], True),  # there and back along a corner
        ([[3, 3], [3, 3], [3, 3]], True),
        ([[3.1, 3.2], [3.9, 3.1], [3.5, 3.9]], True),  # one pixel once truncated
    ],
)
def test_zero_area_is_about_what_a_ring_encloses(ring, nothing):
    assert rings.zero_area(load([[square(0, 3), ring]])).tolist() == ([1] if nothing else [])


def test_truncation_goes_toward_zero_and_stays_in_int32():
    cut = rings.truncated(np.array([[-0.9, 0.9], [-1.5, 3e9], [-3e9, 2.0]]))
    assert cut.tolist() == [[0, 0], [-1, 2**31 - 1], [-(2**31), 2]]
    assert (
        rings.beyond_int32(np.array([[2.0**31, 0], [0, -(2.0**31) - 1], [2**31 - 0.5, -(2.0**31) - 0.5]]))
        == 2
    )


def test_a_point_just_below_zero_is_inside_and_one_on_the_far_edge_is_not():
    points = np.array([[-0.5, 0.0], [9.9, 9.9], [10.0, 3.0], [3.0, -1.0]])
    assert rings.out_of_bounds(points, 10, 10) == 2


@pytest.mark.parametrize(
    ("name", "polygons", "expected"),
    [
        ("hole", [[square(0, 10), square(2, 5)]], [(1, 0)]),
        ("hole first", [[square(2, 5), square(0, 10)]], [(0, 1)]),
        ("other object", [[square(0, 10)], [square(2, 5)]], []),
        ("overlap", [[square(0, 10), square(5, 15)]], []),
        ("beside", [[square(0, 3), square(5, 9)]], []),
        ("touching the border", [[square(0, 10), square(0, 5)]], [(1, 0)]),
        ("twice the same", [[square(0, 4), square(0, 4), square(0, 4)]], [(1, 0), (2, 0)]),
        ("same box, outer second", [[[[5, 0], [10, 5], [5, 10], [0, 5]], square(0, 10)]], [(0, 1)]),
        ("line inside", [[square(0, 10), [[1, 1], [2, 2], [3, 3]]]], []),
        ("short ring inside", [[square(0, 10), [[1, 1], [2, 2]], []]], []),
        (
            "inside a lobe of a bow tie",
            [[[[0, 0], [20, 10], [20, 0], [0, 10]], [[15, 4], [18, 4], [18, 6]]]],
            [(1, 0)],
        ),
        ("across a bow tie", [[[[0, 0], [20, 10], [20, 0], [0, 10]], [[2, 5], [18, 4], [18, 6]]]], []),
        ("nested thrice", [[square(0, 30), square(5, 25), square(10, 20)]], [(1, 0), (2, 0)]),
    ],
)
def test_inner_rings(name, polygons, expected):
    found = inner_rings(load(polygons))
    assert found.complete
    assert [inner for inner, _ in found.pairs] == [inner for inner, _ in expected]
    for inner, outer in found.pairs:
        assert outer != inner
        assert (
            shapely.polygons(polygons[0][outer])
            .buffer(0.1)
            .buffer(0)
            .covers(shapely.points(polygons[0][inner]))
            .all()
        )


@settings(max_examples=80, deadline=None)
@given(st.lists(st.lists(plain_point, min_size=3, max_size=5), min_size=2, max_size=6))
def test_inner_rings_of_simple_rings_are_those_that_shapely_covers(ring_list):
    shapes = [shapely.polygons(ring) for ring in ring_list]
    found = {inner for inner, _ in inner_rings(load([ring_list])).pairs}
    for i, small in enumerate(shapes):
        if not small.is_valid or not all(other.is_valid for other in shapes):
            continue
        outers = [o for o, big in enumerate(shapes) if o != i and big.covers(small)]
        strict = [o for o in outers if o < i or not small.covers(shapes[o])]
        assert (i in found) == bool(strict)


def test_hostile_rings_cost_bounded_time_and_say_so():
    noise = np.random.default_rng(0).random((20_000, 2))
    started = time.perf_counter()
    crossing = inner_rings(load([[noise.tolist(), (noise * 0.01 + 0.5).tolist()]]))
    nested = inner_rings(load([[square(i, 90_000 - i) for i in range(3000)]]), max_pairs=50)
    limited = inner_rings(load([[square(i, 9000 - i) for i in range(200)]]), max_work=5000)
    assert time.perf_counter() - started < 10
    assert crossing.pairs == []
    assert len(nested.pairs) == 50
    assert not nested.complete
    assert not limited.complete
    assert len(limited.pairs) < 199


def test_absurd_coordinates_are_measured_without_a_warning():
    file = load([[[[1e300, 0], [-1e300, 5], [1e300, 1e300], [0, -1e300]], square(0, 1)]])
    assert rings.beyond_int32(file.points) == 4
    assert rings.zero_area(file).tolist() == []
    assert not np.isfinite(rings.ring_area(file)[0])
    inner_rings(file)


def test_rings_whose_signed_area_cancels_are_told_as_a_repair_tells_them():
    rng = np.random.default_rng(4)
    found = []
    while len(found) < 400:
        ring = rng.integers(0, rng.integers(2, 7), (rng.integers(3, 9), 2))
        if rng.random() < 0.3:
            ring = np.concatenate([ring, ring[-2:0:-1]])
        x, y = ring.T
        if len(ring) > 2 and (x * np.roll(y, -1) - np.roll(x, -1) * y).sum() == 0:
            file = load([[ring.tolist()]])
            repaired = shapely.make_valid(shapely.polygons(ring)).area > 0
            assert rings.enclosing(file, rings.truncated(file.points)).tolist() == [repaired]
            found.append(repaired)
    assert {True, False} <= set(found)


def test_a_tangle_and_its_mirror_image_enclose_something():
    tangle = np.random.default_rng(6).integers(0, 1000, (100, 2))
    mirrored = 2 * tangle[0] - tangle
    mirrored[:, 1] = tangle[:, 1]
    file = load([[np.concatenate([tangle, mirrored]).tolist()]])
    assert rings.ring_area(file).tolist() == [0]
    assert rings.enclosing(file, file.points).tolist() == [True]
