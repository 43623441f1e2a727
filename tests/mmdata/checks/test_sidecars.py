"""The facts of a polygon file: complete numbers, bounded memory, and no file that raises or hangs."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdata.checks import sidecars
from mmdata.checks.sidecars import LISTED, MAX_PATH, SidecarFacts, load, named

SQUARE = [[10, 10], [20, 10], [20, 20], [10, 20]]


def write(folder: Path, content: Any) -> str:
    path = folder / "polygons.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)


def test_an_ordinary_file_is_settled_with_its_number_of_objects(tmp_path: Path) -> None:
    facts = load(write(tmp_path, {"id": 3, "polygons": [[SQUARE], [SQUARE[:3]]]}))
    assert (facts.problem, facts.n_objects, facts.settled) == (None, 2, 2)
    assert facts.bounds == (10, 10, 20, 20)


@pytest.mark.parametrize(
    "content, fact, number",
    [
        ({"polygons": [[SQUARE], []]}, "n_empty_objects", 1),
        ({"polygons": [[[]], [SQUARE]]}, "n_empty_rings", 1),
        ({"polygons": [[[[1, 1]], [[1, 1], [2, 2]]]]}, "n_short", 2),
        ({"polygons": [[[[1, 1], [5, 5], [9, 9]]]]}, "n_flat", 1),
        (
            {"polygons": [[[[0, 0], [0.9, 0], [0.9, 5], [0, 5]]]]},
            "n_flat",
            1,
        ),  # flat once cut to whole pixels
        ({"polygons": [[[[0, 0], [30, 0], [30, 30], [0, 30]], SQUARE]]}, "n_holes", 1),
        ({"polygons": [[[[10.5, 1], [20, 1.25], [20, 9]]]]}, "fractions", 2),
        ({"polygons": [[[[0, 0], [3e9, 0], [5, 5]]]]}, "beyond_int32", 1),
    ],
)
def test_each_fault_is_counted_and_unsettles(tmp_path: Path, content: Any, fact: str, number: int) -> None:
    facts = load(write(tmp_path, content))
    assert getattr(facts, fact) == number
    assert (facts.settled, facts.ordinary) == (-1, False)


@pytest.mark.parametrize(
    "content, settled",
    [
        ({"polygons": [[[[-0.5, 3], [9, 3], [9, 9]]]]}, -1),  # a fraction
        ({"polygons": [[[[-1, 3], [9, 3], [9, 9]]]]}, -1),  # outside of every picture
        ({"polygons": [[SQUARE], [[[10.0, 1], [20, 1], [20, 9]]]]}, 2),
        ({"polygons": []}, -1),
        ({"polygons": [[SQUARE]], "img": "a.png"}, 1),  # the record's picture is another question
        ({"polygons": [[SQUARE]], "gcg_description": "<p> A </p> [SEG]"}, 1),
        ({"polygons": [[SQUARE]], "gcg_description": "<p> A </p> [SEG] [SEG]"}, -1),
        ({"polygons": [[SQUARE]], "gcg_description": "no mask"}, 1),
        ({"polygons": [[SQUARE]], "gcg_description": 5, "img": ["a.png"]}, 1),
    ],
)
def test_settled_means_that_nothing_but_the_count_can_be_said(
    tmp_path: Path, content: Any, settled: int
) -> None:
    assert load(write(tmp_path, content)).settled == settled


def test_bounds_are_those_of_the_pixels_drawn(tmp_path: Path) -> None:
    facts = load(write(tmp_path, {"polygons": [[[[-0.9, 1.9], [9.9, 3], [4, 9.5]]]]}))
    assert facts.bounds == (0, 1, 9, 9)


@pytest.mark.parametrize(
    "content, problem",
    [
        ("", "not-json"),
        ("{'polygons': []}", "not-json"),
        ("\ufeff{}", "not-json"),
        ("[" * 100_000, "not-json"),
        ("[]", "no-polygons"),
        ("null", "no-polygons"),
        ('{"polygon": []}', "no-polygons"),
        ('{"polygons": null}', "nesting"),
        ('{"polygons": [[10, 10, 20, 10, 20, 20]]}', "nesting"),
        ('{"polygons": [[[10, 10], [20, 10], [20, 20]]]}', "nesting"),
        ('{"polygons": [[[[10, 10, 1], [20, 10, 1], [20, 20, 1]]]]}', "nesting"),
        ('{"polygons": [[[["1", "1"]]]]}', "nesting"),
        ('{"polygons": [[[[NaN, 1]]]]}', "nesting"),
    ],
)
def test_a_file_that_the_trainer_cannot_read_says_why(tmp_path: Path, content: str, problem: str) -> None:
    facts = load(write(tmp_path, content))
    assert facts.problem == problem
    assert facts.detail
    assert facts.settled == -1


@pytest.mark.parametrize(
    "path", ["gone.json", "a\0b.json", "\ud800.json", "", "x" * 5000, "polygons.json/deeper"]
)
def test_what_is_no_file_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, {"polygons": []})
    assert load(path).problem == "missing"


def test_directories_pipes_and_devices_are_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", Path("/dev/zero")):
        assert load(str(path)).problem == "unreadable"


def test_a_file_over_the_limit_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, {"polygons": [[SQUARE]]})
    monkeypatch.setattr(sidecars, "MAX_BYTES", 10)
    assert load(path).problem == "too-large"


def test_only_little_is_kept_of_a_file_with_many_faults(tmp_path: Path) -> None:
    facts = load(write(tmp_path, {"polygons": [[[[1, 1]]]] * 1000, "img": "x" * (MAX_PATH + 1)}))
    assert (facts.n_short, len(facts.short), facts.img) == (1000, LISTED, None)


coordinates = st.one_of(st.integers(-3, 70), st.floats(-3, 70, allow_nan=False))
polygon_lists = st.lists(
    st.lists(st.lists(st.tuples(coordinates, coordinates), max_size=5), max_size=3), max_size=4
)


@settings(max_examples=150, deadline=None)
@given(polygons=polygon_lists)
def test_the_numbers_are_those_of_a_plain_count(
    tmp_path_factory: pytest.TempPathFactory, polygons: Any
) -> None:
    facts = load(write(tmp_path_factory.getbasetemp(), {"polygons": polygons}))
    rings = [(o, r, ring) for o, rings in enumerate(polygons) for r, ring in enumerate(rings)]
    points = [point for _, _, ring in rings for point in ring]
    assert facts.problem is None
    assert facts.n_objects == len(polygons)
    assert facts.empty_objects == tuple(o for o, rings in enumerate(polygons) if not rings)[:LISTED]
    assert facts.n_empty_rings == sum(not ring for _, _, ring in rings)
    assert facts.short == tuple((o, r) for o, r, ring in rings if len(ring) in (1, 2))[:LISTED]
    assert facts.fractions == sum(any(c != math.trunc(c) for c in point) for point in points)
    if points:
        xs, ys = ([math.trunc(c) for c in axis] for axis in zip(*points, strict=True))
        assert facts.bounds == (min(xs), min(ys), max(xs), max(ys))
    else:
        assert facts.bounds is None


@settings(max_examples=100, deadline=None)
@given(data=st.binary(max_size=200))
def test_no_bytes_raise(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_bytes(b'{"polygons": ' + data)
    assert isinstance(load(str(path)), SidecarFacts)


def test_rings_are_named_up_to_three() -> None:
    assert named(((0, 1),), 1) == "object 0, ring 1"
    assert (
        named(((0, 1), (2, 0), (3, 0), (4, 0)), 9)
        == "object 0, ring 1; object 2, ring 0; object 3, ring 0 and 6 more"
    )
