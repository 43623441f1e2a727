"""The objects of a picture looked at together: what pycocotools says of each alone, with compiled loops and without."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco

from mmdata import jit, masks
from mmdata.masks import compiled
from mmdata.masks.picture_rings import Picture
from mmdata.masks.ring_arrays import RingError
from mmdata.masks.ring_extent import coco_extent
from mmdata.masks.rle import extent


@pytest.fixture(scope="module", params=["numpy", "kernels"])
def way(request):
    if request.param == "kernels" and not jit.available():
        pytest.skip("numba is not installed")
    compiled.use(request.param == "kernels")
    yield
    compiled.use(None)


pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools

# Inside, outside, on the border, on the grid of fifths on which pycocotools draws.
NUMBERS = st.one_of(
    st.integers(-12, 60),
    st.integers(-60, 300).map(lambda n: n / 5),
    st.integers(-60, 300).map(lambda n: n / 5 + 0.1),
    st.floats(-30, 90, allow_subnormal=False),
)
RINGS = st.lists(st.tuples(NUMBERS, NUMBERS), min_size=3, max_size=9).map(
    lambda points: [value for point in points for value in point]
)
PICTURES = st.lists(st.lists(RINGS, min_size=1, max_size=3), min_size=1, max_size=4)
SIZES = st.sampled_from([(40, 33), (1, 50), (50, 1), (1, 1), (17, 60)])


@settings(max_examples=60, deadline=None)
@given(objects=PICTURES, size=SIZES)
def test_box_and_pixels_of_every_object_are_pycocotools_own(way, objects, size):
    picture = Picture()
    rings = [picture.add(flat) for flat in objects]
    for flat, one in zip(objects, rings, strict=True):
        mask = coco.decode(coco.merge(coco.frPyObjects([[float(v) for v in ring] for ring in flat], *size)))
        left, top, width, height = cv2.boundingRect(np.ascontiguousarray(mask))
        box, pixels = coco_extent(one, size)
        assert pixels == int(mask.sum())
        assert box == ((left, top, width, height) if pixels else (0, 0, 0, 0))


@settings(max_examples=40, deadline=None)
@given(objects=PICTURES, size=SIZES, rule=st.sampled_from(["opencv", "coco"]))
def test_redrawn_rings_are_those_of_the_pixels_and_cover_them(way, objects, size, rule):
    picture = Picture()
    rings = [picture.add(flat) for flat in objects]
    for flat, one in zip(objects, rings, strict=True):
        mask = coco.decode(coco.merge(coco.frPyObjects([[float(v) for v in ring] for ring in flat], *size)))
        found = masks.redrawn(one, size, "coco", rule)
        assert found == masks.to_rings(mask, rule)
        assert (masks.rasterize(found, size, rule) == mask).all()


def test_rings_read_as_lists_of_points():
    rings = Picture().add([[1, 2, 3.5, 4, 5, 6], [0, 0, 9, 0, 9, 9]])
    expected = [[[1, 2], [3.5, 4], [5, 6]], [[0, 0], [9, 0], [9, 9]]]
    assert list(rings) == rings[:] == expected
    assert rings == expected
    assert rings[1] == expected[1]
    assert len(rings) == 2


def test_an_object_added_later_and_another_size_are_seen(way):
    picture = Picture()
    first = picture.add([[0, 0, 4, 0, 4, 4, 0, 4]])
    assert coco_extent(first, (10, 10)) == ((0, 0, 4, 4), 16)
    second = picture.add([[2, 2, 8, 2, 8, 8, 2, 8]])
    assert coco_extent(second, (10, 10)) == ((2, 2, 6, 6), 36)
    assert coco_extent(second, (5, 4)) == ((2, 2, 2, 3), 6)
    assert masks.redrawn(first, (10, 10), "coco", "coco") == [[[0, 0], [0, 4], [4, 4], [4, 0]]]


@pytest.mark.parametrize("bad", [1e7 + 1, -1e8, 1e300, float("nan"), float("inf")])
def test_a_bad_coordinate_is_named_for_its_own_object_alone(way, bad):
    picture = Picture()
    good = picture.add([[0, 0, 4, 0, 4, 4, 0, 4]])
    wrong = picture.add([[0, 0, 1, 1, 2, 2], [0, 0, 4, bad, 4, 4]])
    assert coco_extent(good, (10, 10)) == ((0, 0, 4, 4), 16)
    for ask in (
        lambda: coco_extent(wrong, (10, 10)),
        lambda: masks.redrawn(wrong, (10, 10), "coco", "opencv"),
    ):
        with pytest.raises(RingError, match="ring 1") as caught:
            ask()
        assert caught.value.kind == ("far" if abs(bad) < float("inf") else "number")


def test_edges_that_pass_very_many_columns_are_looked_at_one_by_one():
    compiled.use(False)
    try:
        picture = Picture()
        wide = picture.add([[0, 0, 200, 50] * 8000])
        small = picture.add([[0, 0, 4, 0, 4, 4, 0, 4]])
        assert picture.extent(0, (100, 200)) is None
        assert coco_extent(small, (100, 200)) == ((0, 0, 4, 4), 16)
        assert coco_extent(wide, (100, 200))[1] == 0
    finally:
        compiled.use(None)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_extent_of_rle_is_that_of_its_pixels(way, data):
    height, width = data.draw(st.integers(1, 7)), data.draw(st.integers(1, 7))
    cuts = sorted(data.draw(st.lists(st.integers(0, height * width), max_size=8)))
    runs = np.diff([0, *cuts, height * width]).tolist()
    rle = {"size": [height, width], "counts": runs}
    mask = masks.decode(rle)
    box, pixels = extent(rle)
    assert pixels == int(mask.sum())
    assert box == tuple(cv2.boundingRect(mask))
