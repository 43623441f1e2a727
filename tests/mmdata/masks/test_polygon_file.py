"""A sidecar is read to the digit, and what is wrong with it is named to the place."""

from __future__ import annotations

import gc
import json
import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mmdata.masks import polygon_file
from mmdata.masks.number_scan import scan
from mmdata.masks.polygon_file import PolygonFileError, load_polygon_file

SQUARE = [[10, 10], [20, 10], [20, 20], [10, 20]]

coordinates = (
    st.integers(-5000, 5000)
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.decimals(-4096, 4096, places=2).map(float)
)
points = st.lists(coordinates, min_size=2, max_size=2)
polygons = st.lists(st.lists(st.lists(points, max_size=6), max_size=4), max_size=4)
filled = st.lists(
    st.lists(st.lists(points, min_size=1, max_size=6), min_size=1, max_size=4), min_size=1, max_size=4
)
layouts = st.sampled_from([{"separators": (",", ":")}, {}, {"indent": 2}, {"indent": "\t"}])


def as_lists(file):
    return [
        [file.ring(r).tolist() for r in range(file.object_offsets[k], file.object_offsets[k + 1])]
        for k in range(file.n_objects)
    ]


def fits_a_float(value):
    try:
        return math.isfinite(float(value))
    except OverflowError:
        return False


@settings(max_examples=200, deadline=None)
@given(polygons | filled, layouts)
@example([[[[1e-7, 1e22]]]], {})
@example([[[[-0.0, -3]]], [], [[]]], {})
def test_every_polygon_list_comes_back_as_python_reads_it(value, layout):
    text = json.dumps({"id": 3, "polygons": value, "img": "é.png"}, **layout).encode()
    numbers = [n for rings in value for ring in rings for point in ring for n in point]
    if not all(map(fits_a_float, numbers)):
        with pytest.raises(PolygonFileError) as caught:
            load_polygon_file(text)
        assert caught.value.kind == "number"
        return
    file = load_polygon_file(text)
    assert as_lists(file) == [[[[float(n) for n in p] for p in ring] for ring in rings] for rings in value]
    assert file.extras == {"id": 3, "img": "é.png"}
    assert file.points.dtype == np.float64
    assert (file.n_rings, file.n_points) == (sum(map(len, value)), len(numbers) // 2)
    scanned = scan(json.dumps(value, **layout).encode())
    if scanned is not None:
        for ours, read in zip(scanned, (file.points, file.ring_offsets, file.object_offsets), strict=True):
            assert np.array_equal(ours, read)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.lists(
            st.lists(
                st.lists(
                    st.integers(-9999, 9999) | st.decimals(0, 999, places=3).map(float),
                    min_size=2,
                    max_size=2,
                ),
                min_size=1,
                max_size=5,
            ),
            min_size=1,
            max_size=3,
        ),
        min_size=1,
        max_size=3,
    ),
    layouts,
)
def test_the_scanner_takes_every_ordinary_list(value, layout):
    assert scan(json.dumps(value, **layout).encode()) is not None


nests = st.recursive(
    st.integers(-9, 99) | st.floats(-9, 9) | st.none() | st.booleans() | st.text('[],0e-"', max_size=4),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=30,
)


@settings(max_examples=500, deadline=None)
@given(nests, layouts)
@example([[[[1, 2]], "[5,6]", [[7, 8]]]], {"separators": (",", ":")})
@example([[[[1, 2], [3, 4]], [5, 6]]], {"separators": (",", ":")})
@example([[[[1], [2, 3, 4]]]], {})
def test_the_scanner_never_accepts_what_is_no_polygon_list(value, layout):
    scanned = scan(json.dumps(value, **layout).encode())
    ordinary = not violations(value)
    assert scanned is None or ordinary


@settings(max_examples=400, deadline=None)
@given(nests)
def test_the_first_wrong_value_is_named(value):
    wrong = violations(value)
    text = json.dumps({"polygons": value}).encode()
    for read in (load_polygon_file, polygon_file._read_slowly):
        if not wrong:
            read(text)
            continue
        with pytest.raises(PolygonFileError) as caught:
            read(text)
        pointer = caught.value.pointer
        assert pointer.startswith("/polygons")
        target = value
        for step in pointer.split("/")[2:]:
            target = target[int(step)]
        path = tuple(map(int, pointer.split("/")[2:]))
        assert any(path == w[: len(path)] for w in wrong)


def violations(value, path=()):
    """Paths of all values that do not belong where they stand in object -> ring -> point -> number."""
    depth = len(path)
    if depth == 4:
        good = isinstance(value, int | float) and not isinstance(value, bool)
        return [] if good else [path]
    if not isinstance(value, list):
        return [path]
    found = [path] if depth == 3 and len(value) != 2 else []
    return found + [w for i, inner in enumerate(value) for w in violations(inner, (*path, i))]


@pytest.mark.parametrize(
    ("content", "kind", "pointer", "said"),
    [
        ({"polygons": [[[1, 2, 3, 4, 5, 6]]]}, "flat", "/polygons/0/0", "in a row"),
        ({"polygons": [[1, 2, 3, 4, 5, 6]]}, "flat", "/polygons/0", "in a row"),
        ({"polygons": [1, 2, 3]}, "flat", "/polygons/0", "list of rings"),
        ({"polygons": [SQUARE, SQUARE]}, "no-object-level", "/polygons/0/0", "point [10, 10]"),
        ({"polygons": SQUARE}, "no-object-level", "/polygons/0", "point [10, 10]"),
        ({"polygons": [[[SQUARE]]]}, "too-deep", "/polygons/0/0/0/0", "[10, 10]"),
        ({"polygons": [[SQUARE, [[1, 2, 3]]]]}, "point-length", "/polygons/0/1/0", "[1, 2, 3]"),
        ({"polygons": [[SQUARE], [[[1, "2"]]]]}, "number", "/polygons/1/0/0/1", "'2'"),
        ({"polygons": [[[[1, None]]]]}, "number", "/polygons/0/0/0/1", "None"),
        ({"polygons": [[[[True, 1]]]]}, "number", "/polygons/0/0/0/0", "True"),
        ({"polygons": [[[[math.nan, 1]]]]}, "number", "/polygons/0/0/0/0", "nan"),
        ({"polygons": [[[[1, 10**400]]]]}, "number", "/polygons/0/0/0/1", "bits"),
        ({"polygons": [[{"a": 1}]]}, "type", "/polygons/0/0", "keys ['a']"),
        ({"polygons": [None]}, "type", "/polygons/0", "None"),
        ({"polygons": None}, "type", "/polygons", "None"),
        ({"polygons": "a.json"}, "type", "/polygons", "'a.json'"),
        ({"polygon": [[SQUARE]]}, "no-polygons", "", "['polygon']"),
        ({}, "no-polygons", "", "empty object"),
        ([[SQUARE]], "not-object", "", "list"),
    ],
)
@pytest.mark.parametrize("padding", [0, 30_000], ids=["small", "large"])
def test_each_fault_has_kind_place_and_words(content, kind, pointer, said, padding):
    if padding and isinstance(content, dict):
        content = {"gcg_description": "x" * padding, **content}
    with pytest.raises(PolygonFileError) as caught:
        load_polygon_file(json.dumps(content).encode())
    error = caught.value
    assert (error.kind, error.pointer) == (kind, pointer)
    assert said in str(error) if not (padding and kind == "no-polygons") else error.got
    assert len(str(error)) < 500


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b'{"polygons": [[[[1,2]]]}',
        b'{"polygons": [[[[1,2]]]]} x',
        b'{"polygons": [[[[01,2]]]]}',
        b'{"polygons": [[[[1.,2]]]]}',
        b'{"polygons": [[[[.5,2]]]]}',
        b'{"polygons": [[[[1,2],]]]}',
        b"\xef\xbb\xbf{}",
        b'{"polygons": "\xff"}',
        b'{"polygons": ' + b"[" * 100_000,
        b'{"polygons": ' + b"[" * 50_000 + b"]" * 50_000 + b"}",
        b'{"polygons": [[[[' + b"1" * 5000 + b",2]]]]}",
    ],
)
def test_text_that_pythons_parser_refuses_is_not_json(text):
    with pytest.raises(PolygonFileError) as caught:
        load_polygon_file(text)
    assert caught.value.kind == "not-json"


def test_what_only_pythons_parser_takes_is_read_as_it_reads_it():
    text = b'{"id": NaN, "note": "\\ud800", "polygons": [], "polygons": [[[[1, 2]]]]}'
    assert json.loads(text)["polygons"] == [[[[1, 2]]]]
    file = load_polygon_file(text)
    assert as_lists(file) == [[[[1.0, 2.0]]]]
    assert file.extras["note"] == "\ud800"


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60), st.integers(0, 400), st.integers(0, 30))
def test_no_damage_raises_anything_else(noise, at, cut):
    good = json.dumps({"img": "a", "polygons": [[SQUARE, SQUARE], [SQUARE]]}).encode()
    broken = good[:at] + noise + good[at + cut :]
    try:
        content = json.loads(broken.decode())
        wrong = not isinstance(content, dict) or "polygons" not in content or violations(content["polygons"])
    except (ValueError, RecursionError):
        wrong = True
    for data in (broken, broken + b" " * polygon_file._SMALL):
        if wrong:
            with pytest.raises(PolygonFileError):
                load_polygon_file(data)
        else:
            assert as_lists(load_polygon_file(data)) == content["polygons"]


def test_places_and_the_collector():
    file = load_polygon_file(json.dumps({"polygons": [[], [SQUARE, SQUARE], [], [SQUARE]]}).encode())
    assert [file.place(r) for r in range(3)] == [(1, 0), (1, 1), (3, 0)]
    assert gc.isenabled()
    gc.disable()
    try:
        load_polygon_file(b'{"polygons": []}')
        assert not gc.isenabled()
    finally:
        gc.enable()
