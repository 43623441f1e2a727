"""Rings made from a mask draw that mask again, pixel for pixel, under the rule they were made for."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from pycocotools import mask as coco

from mmdata import masks
from mmdata.errors import UnknownName
from mmdata.masks import contours

pytestmark = [
    pytest.mark.usefixtures("both_ways"),
    pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning"),
]


def drawn_by_opencv(rings, size):
    canvas = np.zeros(size, np.uint8)
    for ring in rings:
        cv2.fillPoly(canvas, [np.array(ring, np.int32)], 1)
    return canvas


def drawn_by_pycocotools(rings, size):
    if not rings:
        return np.zeros(size, np.uint8)
    flat = [[float(v) for point in ring for v in point] for ring in rings]
    return coco.decode(coco.merge(coco.frPyObjects(flat, *size)))


REFERENCE = {"opencv": drawn_by_opencv, "coco": drawn_by_pycocotools}


@pytest.mark.parametrize("rule", ["opencv", "coco"])
@pytest.mark.parametrize("n", [600, pytest.param(10_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("small", [0, 1 << 20], ids=["cropped", "whole"])
def test_no_pixel_changes_for_any_mask(masks_like, rule, n, small, monkeypatch):
    monkeypatch.setattr(contours, "_SMALL", small)
    for mask in masks_like(n, seed=n + 5, largest=64):
        rings = masks.to_rings(mask, rule)
        assert np.array_equal(REFERENCE[rule](rings, mask.shape), mask), mask.tolist()
        assert np.array_equal(masks.rasterize(rings, mask.shape, rule), mask)


@pytest.mark.parametrize("rule", ["opencv", "coco"])
def test_no_pixel_changes_for_large_masks_with_holes_and_noise(rule):
    rng = np.random.default_rng(1)
    for density in (0.02, 0.5, 0.6, 0.98):
        mask = (rng.random((300, 341)) < density).astype(np.uint8)
        assert np.array_equal(masks.rasterize(masks.to_rings(mask, rule), mask.shape, rule), mask)
    mask = np.zeros((900, 1000), np.uint8)
    cv2.circle(mask, (500, 450), 400, 1, -1)
    for x, y in rng.integers(200, 700, (60, 2)).tolist():
        cv2.circle(mask, (x, y), 12, 0, -1)
    assert np.array_equal(masks.rasterize(masks.to_rings(mask, rule), mask.shape, rule), mask)


def test_rings_are_plain_lists_of_integers_inside_the_canvas():
    mask = np.ones((3, 5), np.uint8)
    assert masks.to_rings(mask, "opencv") == [[[0, 0], [0, 2], [4, 2], [4, 0]]]
    (ring,) = masks.to_rings(mask, "coco")
    assert sorted(ring) == [[0, 0], [0, 3], [5, 0], [5, 3]]
    assert type(ring[0][0]) is int
    dot = np.zeros((3, 3), np.uint8)
    dot[1, 2] = 1
    assert masks.to_rings(dot, "opencv") == [[[2, 1]]]
    assert len(masks.to_rings(dot, "coco")[0]) == 4
    assert masks.to_rings(np.zeros((3, 3), bool), "coco") == []


def farthest_change(mask, drawn):
    """Brute force: for every changed pixel the nearest pixel of the mask that has its new value."""
    worst = 0.0
    for y, x in np.argwhere(mask != drawn).tolist():
        same = np.argwhere(mask == drawn[y, x])
        worst = max(worst, float(np.sqrt(((same - [y, x]) ** 2).sum(1)).min()) if len(same) else np.inf)
    return worst


@pytest.mark.parametrize("rule", ["opencv", "coco"])
def test_simplified_rings_keep_their_promise(masks_like, rule):
    fewer = 0
    for mask in masks_like(250, seed=11):
        exact = masks.to_rings(mask, rule)
        for limit in (1.0, 2.5):
            rings = masks.to_rings(mask, rule, simplify=limit)
            drawn = REFERENCE[rule](rings, mask.shape)
            assert farthest_change(mask, drawn) <= limit + 1e-4
            fewer += sum(map(len, rings)) < sum(map(len, exact))
        rings = masks.to_rings(mask, rule, min_iou=0.9)
        drawn = REFERENCE[rule](rings, mask.shape)
        assert not mask.any() or (mask & drawn).sum() / (mask | drawn).sum() >= 0.9
        assert masks.to_rings(mask, rule, simplify=0) == exact
    assert fewer > 50


def test_impossible_requests_are_named():
    mask = np.ones((3, 3), np.uint8)
    with pytest.raises(UnknownName):
        masks.to_rings(mask, "pil")
    with pytest.raises(masks.MaskError):
        masks.to_rings(mask * 255, "opencv")
    with pytest.raises(ValueError, match="pixels"):
        masks.to_rings(mask, "coco", simplify=-1)
    with pytest.raises(ValueError, match="between"):
        masks.to_rings(mask, "coco", min_iou=2)
