"""Rings, flat polygons, RLE and boxes turn into each other without a pixel or a digit changing."""

from __future__ import annotations

import numpy as np
import pytest

from mmdata import masks
from mmdata.errors import UnknownName

pytestmark = pytest.mark.usefixtures("both_ways")


@pytest.mark.parametrize("rule", ["opencv", "coco"])
def test_polygons_to_rle_to_polygons_to_mask(rule):
    rng = np.random.default_rng(8)
    for _ in range(300):
        size = tuple(int(v) for v in rng.integers(5, 70, 2))
        rings = [(rng.random((int(rng.integers(3, 9)), 2)) * size[::-1]).tolist() for _ in range(2)]
        drawn = masks.rasterize(rings, size, rule)
        rle = masks.rings_to_rle(rings, size, rule)
        assert np.array_equal(masks.decode(rle), drawn)
        for target in ("opencv", "coco"):
            again = masks.rle_to_rings(rle, target)
            assert np.array_equal(masks.rasterize(again, size, target), drawn)


def test_flat_polygons_and_rings_keep_every_number():
    flat = [[0, 0, 4.25, 0, 4.25, 1e-7], [1, 1, 2, 2, 3, 3, -4.5, 0]]
    rings = masks.flat_to_rings(flat)
    assert rings[0] == [[0, 0], [4.25, 0], [4.25, 1e-7]]
    assert masks.rings_to_flat(rings) == flat
    assert masks.flat_to_rings([]) == masks.rings_to_flat([]) == []


@pytest.mark.parametrize(
    ("segmentation", "kind", "ring"),
    [
        ([[1, 2, 3, 4]], "short", 0),
        ([[1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 6, 7]], "shape", 1),
        ([[[1, 2], [3, 4], [5, 6]]], "shape", 0),
        ([[1, 2, 3, 4, 5, float("nan")]], "number", 0),
        ([[1, 2, 3, 4, 5, 1e9]], "far", 0),
        ([1, 2, 3, 4, 5, 6], "type", None),
        (5, "type", None),
    ],
)
def test_what_is_no_flat_polygon_is_named(segmentation, kind, ring):
    with pytest.raises(masks.RingError) as caught:
        masks.flat_to_rings(segmentation)
    assert (caught.value.kind, caught.value.ring) == (kind, ring)


def test_boxes_in_every_form_from_pixels_and_from_runs(masks_like):
    for mask in masks_like(400, seed=2):
        ys, xs = np.nonzero(mask)
        for source in (mask, masks.encode(mask)):
            if not len(xs):
                assert masks.box(source) is masks.box(source, "xyxy") is None
                continue
            x0, y0, x1, y1 = int(xs.min()), int(ys.min()), int(xs.max()), int(ys.max())
            assert masks.box(source) == (x0, y0, x1 - x0 + 1, y1 - y0 + 1)
            assert masks.box(source, "xyxy") == (x0, y0, x1 + 1, y1 + 1)
            assert masks.box(source, "xyxy-inclusive") == (x0, y0, x1, y1)
    with pytest.raises(UnknownName):
        masks.box(np.ones((2, 2), bool), "cxcywh")
