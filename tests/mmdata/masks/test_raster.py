"""Rings cover the pixels that their trainer's own library covers, to the bit."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from pycocotools import mask as coco

from mmdata import masks
from mmdata.errors import DataError, UnknownName
from mmdata.masks import raster

pytestmark = [
    pytest.mark.usefixtures("both_ways"),
    pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning"),
]


def as_geopixel_draws(rings, size):
    canvas = np.zeros(size, np.uint8)
    for ring in rings:
        cv2.fillPoly(canvas, [np.array(ring).astype(np.int32)], 1)
    return canvas


def as_pycocotools_draws(rings, size):
    flat = [np.asarray(ring, float).ravel().tolist() for ring in rings]
    return coco.decode(coco.merge(coco.frPyObjects(flat, *size)))


def polygons(n, seed, fewest):
    """Random rings: whole and broken numbers, outside points, repeated points, self-crossing, tiny and wide."""
    rng = np.random.default_rng(seed)
    for i in range(n):
        h, w = (int(v) for v in rng.integers(1, 80, 2))
        rings = []
        for _ in range(rng.integers(1, 4)):
            wide = (1.2, 0.2, 4.0, 300.0)[rng.integers(4)]
            points = (rng.random((int(rng.integers(fewest, 12)), 2)) - 0.5) * wide * [w, h] + [w / 2, h / 2]
            points = (points, np.round(points), np.round(points, 1), np.floor(points) + 0.5)[i % 4]
            if i % 7 == 0:
                points = np.repeat(points, 2, axis=0)
            rings.append(points.tolist())
        yield rings, (h, w)


@pytest.mark.parametrize("n", [1250, pytest.param(30_000, marks=pytest.mark.slow)])
def test_opencv_is_geopixels_fill(n):
    for rings, size in polygons(n, seed=n, fewest=1):
        mask = masks.rasterize(rings, size=size, rule="opencv")
        assert mask.dtype == np.uint8
        assert mask.flags.c_contiguous
        assert np.array_equal(mask, as_geopixel_draws(rings, size)), (rings, size)
        assert np.array_equal(masks.rasterize([np.array(r) for r in rings], size, "opencv"), mask)


@pytest.mark.parametrize("small", [0, 1 << 17], ids=["crossings", "pycocotools"])
@pytest.mark.parametrize("n", [1250, pytest.param(30_000, marks=pytest.mark.slow)])
def test_coco_is_pycocotools_fill(n, small, monkeypatch):
    monkeypatch.setattr(raster, "_SMALL_CANVAS", small)
    for rings, size in polygons(n, seed=n + 1, fewest=3):
        mask = masks.rasterize(rings, size=size, rule="coco")
        assert mask.dtype == np.uint8
        assert mask.flags.c_contiguous
        assert np.array_equal(mask, as_pycocotools_draws(rings, size)), (rings, size)


def test_coco_is_pycocotools_fill_on_large_canvases_and_for_long_edges():
    rng = np.random.default_rng(2)
    for i in range(40):
        size = (900, 1100)
        points = rng.uniform(-1, 1, (5, 2)) * 10.0 ** rng.uniform(1, 5, (5, 2))
        if i % 2:
            angle = np.sort(rng.random(300)) * 2 * np.pi
            radius = 400 * (0.5 + 0.5 * rng.random(300))
            points = np.stack([550 + radius * np.cos(angle), 450 + radius * np.sin(angle)], 1)
        mask = masks.rasterize([points], size, "coco")
        assert np.array_equal(mask, as_pycocotools_draws([points], size)), points.tolist()


def test_no_rings_are_an_empty_mask_and_far_points_cost_no_memory():
    for rule in ("opencv", "coco"):
        assert not masks.rasterize([], (3, 4), rule).any()
    across = [[-9e6, 1.0], [9e6, 1.0], [9e6, 3.0], [-9e6, 3.0]]
    assert masks.rasterize([across], (5, 4), "coco")[1:3].all()


@pytest.mark.parametrize(
    ("rule", "ring", "kind"),
    [
        ("opencv", [], "empty"),
        ("opencv", [[float("nan"), 1]], "number"),
        ("opencv", [[1, float("inf")]], "number"),
        ("opencv", [[2**31, 1]], "far"),
        ("opencv", [[10**30, 1]], "far"),
        ("opencv", [[0, -(2**31)]], "far"),
        ("opencv", [1, 2, 3, 4], "shape"),
        ("opencv", [[1, 2, 3]], "shape"),
        ("opencv", [[1, 2], [3]], "shape"),
        ("opencv", [["1", "2"]], "type"),
        ("opencv", [[True, False]], "type"),
        ("opencv", [[None, 1]], "type"),
        ("opencv", "ring", "type"),
        ("coco", [], "empty"),
        ("coco", [[1, 1]], "short"),
        ("coco", [[1, 1], [2, 2]], "short"),
        ("coco", [[1, 1], [2, 2], [float("nan"), 1]], "number"),
        ("coco", [[1, 1], [2, 2], [1e12, 1]], "far"),
        ("coco", [[[1, 1], [2, 2], [3, 3]]], "shape"),
    ],
)
def test_a_ring_that_cannot_be_drawn_is_named(rule, ring, kind):
    good = [[0, 0], [2, 0], [2, 2]]
    with pytest.raises(masks.RingError, match="ring 1: ") as caught:
        masks.rasterize([good, ring], (4, 4), rule)
    assert caught.value.kind == kind
    assert caught.value.ring == 1


def test_what_is_no_size_rule_or_list_of_rings_is_named():
    for size in ((0, 4), (4, -1), (2.5, 2), 7, (10**9, 10**9), (1, 2, 3), None):
        with pytest.raises(DataError, match="size"):
            masks.rasterize([], size, "opencv")
    with pytest.raises(UnknownName, match="opencv"):
        masks.rasterize([], (4, 4), "opncv")
    for rings in (3, None, "abc", {"a": 1}):
        with pytest.raises(masks.RingError, match="list of rings"):
            masks.rasterize(rings, (4, 4), "coco")
