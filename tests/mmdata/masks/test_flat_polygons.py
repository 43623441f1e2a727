"""Flat COCO polygons: what is reported, and that pycocotools takes what is not."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco

from mmdata.masks.flat_polygons import FAR, flat_faults

TRIANGLE = [1, 1, 8, 1, 8.5, 8]


@pytest.mark.parametrize(
    ("segmentation", "kind", "pointer"),
    [
        (None, "type", ""),
        ("abc", "type", ""),
        ({"size": [2, 2]}, "type", ""),
        ([], "empty", ""),
        (TRIANGLE, "flat", ""),
        ([[]], "empty", "/0"),
        ([None], "type", "/0"),
        ([TRIANGLE, "x"], "type", "/1"),
        ([[[1, 1], [8, 1], [8, 8]]], "points", "/0"),
        ([[[[1, 1], [8, 1], [8, 8]]]], "points", "/0"),
        ([[1, 1, 5, 5]], "short", "/0"),
        ([TRIANGLE, [1, 1, 5, 5, 5]], "short", "/1"),
        ([[*TRIANGLE, 4]], "odd", "/0"),
        ([[1, 1, 5, 5, 1, None]], "number", "/0/5"),
        ([[1, 1, 5, 5, 1, math.nan]], "number", "/0/5"),
        ([[1, 1, 5, 5, 1, math.inf]], "number", "/0/5"),
        ([[1, 1, 5, 5, True, 3]], "number", "/0/4"),
        ([[1, "1", 5, 5, 1, 3]], "number", "/0/1"),
        ([[1, 1, -FAR - 1, 5, 1, 3]], "far", "/0/2"),
        ([[1, 1, 10**400, 5, 1, 3]], "far", "/0/2"),
    ],
)
def test_each_fault_is_named_where_it_is(segmentation, kind, pointer):
    faults = flat_faults(segmentation)
    assert [(fault.kind, fault.pointer) for fault in faults] == [(kind, pointer)]
    assert len(faults[0].message) < 300


def test_every_wrong_polygon_is_reported_once():
    assert [fault.pointer for fault in flat_faults([[1], TRIANGLE, [1, 2, 3, None], "x"])] == [
        "/0",
        "/2/3",
        "/3",
    ]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(st.floats(-100, 200) | st.integers(-100, 200), max_size=14), max_size=4))
def test_what_has_no_fault_rasterizes(segmentation):
    if not flat_faults(segmentation):
        rles = coco.frPyObjects(segmentation, 64, 64)
        assert len(rles) == len(segmentation)


@settings(max_examples=100, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
        lambda inner: st.lists(inner, max_size=7) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
        max_leaves=20,
    )
)
def test_no_value_raises(segmentation):
    for fault in flat_faults(segmentation):
        target = segmentation
        for step in fault.pointer.split("/")[1:]:
            target = target[int(step)]
