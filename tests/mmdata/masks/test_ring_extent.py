"""Boxes, areas and RLE of rings without their pixels, against the pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdata import masks
from mmdata.masks import ring_extent
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
