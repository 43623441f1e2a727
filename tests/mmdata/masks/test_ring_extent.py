"""Boxes, areas and RLE of rings without their pixels, against the pixels."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as reference

from mmdata import masks
from mmdata.masks import ring_extent, rle_encode
from mmdata.masks.ring_arrays import RingError

_VALUE = st.one_of(
    st.integers(-20, 60).map(float), st.floats(-20, 60, allow_nan=False).map(lambda v: round(v, 2))
)
_RINGS = st.lists(st.lists(st.tuples(_VALUE, _VALUE), min_size=3, max_size=9), min_size=1, max_size=3)


@pytest.mark.parametrize("walk", [0, 20_000], ids=["spans", "walked"])
@settings(max_examples=150, deadline=None)
@given(rings=_RINGS, height=st.integers(1, 40), width=st.integers(1, 40))
def test_what_rings_cover_is_told_as_their_pixels_tell_it(
    walk: int, rings: list[list[tuple[float, float]]], height: int, width: int
) -> None:
    before, ring_extent._SHORT_WALK = ring_extent._SHORT_WALK, walk
    try:
        box, area = ring_extent.coco_extent(rings, (height, width))
        rle = masks.rings_to_rle(rings, (height, width), "coco")
    finally:
        ring_extent._SHORT_WALK = before
    pixels = masks.rasterize(rings, (height, width), "coco")
    rows, columns = np.nonzero(pixels)
    assert area == len(rows)
    if area:
        left, top = columns.min(), rows.min()
        assert box == (left, top, columns.max() - left + 1, rows.max() - top + 1)
    else:
        assert box == (0, 0, 0, 0)
    assert rle == masks.encode(pixels)


def test_rings_that_pycocotools_cannot_draw_are_refused() -> None:
    with pytest.raises(RingError, match="2 points"):
        ring_extent.coco_extent([[(1, 1), (5, 5)]], (9, 9))
    with pytest.raises(RingError):
        ring_extent.coco_extent([[(1, 1), (5, float("nan")), (3, 3)]], (9, 9))
    assert ring_extent.coco_extent([], (9, 9)) == ((0, 0, 0, 0), 0)


@pytest.mark.parametrize("few", [0, 1 << 17], ids=["spans", "pycocotools"])
@settings(max_examples=150, deadline=None)
@given(
    rings=st.lists(st.lists(st.tuples(_VALUE, _VALUE), min_size=1, max_size=9), max_size=3),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
)
def test_what_opencv_draws_is_told_from_the_part_that_rings_reach(
    few: int, rings: list[list[tuple[float, float]]], height: int, width: int
) -> None:
    canvas = np.zeros((height, width), np.uint8)
    for ring in rings:
        cv2.fillPoly(canvas, [np.array(ring).astype(np.int32)], 1)
    rows, columns = np.nonzero(canvas)
    box = (0, 0, 0, 0)
    if len(rows):
        left, top = int(columns.min()), int(rows.min())
        box = (left, top, int(columns.max()) - left + 1, int(rows.max()) - top + 1)
    assert ring_extent.opencv_extent(rings, (height, width)) == (box, len(rows))
    before, rle_encode._SMALL = rle_encode._SMALL, few
    try:
        found = masks.rings_to_rle(rings, (height, width), "opencv")
    finally:
        rle_encode._SMALL = before
    counts = reference.encode(np.asfortranarray(canvas))["counts"].decode()
    assert found == {"size": [height, width], "counts": counts}


def test_rings_far_from_the_canvas_are_drawn_on_all_of_it() -> None:
    far = [(-40_000, 5), (40_000, 20), (3, 30)]
    canvas = np.zeros((40, 50), np.uint8)
    cv2.fillPoly(canvas, [np.array(far, np.int32)], 1)
    assert canvas.any()
    assert ring_extent.opencv_extent([far], (40, 50))[1] == np.count_nonzero(canvas)
    assert ring_extent.opencv_extent([[(90, 5), (95, 9)]], (40, 50)) == ((0, 0, 0, 0), 0)
    with pytest.raises(RingError, match="without points"):
        ring_extent.opencv_extent([[(1, 1)], []], (40, 50))
