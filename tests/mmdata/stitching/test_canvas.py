"""Coordinates between a camera and the canvas."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmdata.errors import UsageError
from mmdata.stitching.canvas import DRIVELM, NUSCENES_SIZE, Canvas

VIEWS = st.sampled_from(DRIVELM.views)
TENTHS = {
    "x": st.integers(0, 16000).map(lambda n: Fraction(n, 10)),
    "y": st.integers(0, 9000).map(lambda n: Fraction(n, 10)),
}


def test_published_example():
    assert DRIVELM.to_view("CAM_BACK", 560, 776, NUSCENES_SIZE) == (1088.0, 496.8)
    assert DRIVELM.to_canvas("CAM_BACK", 1088.0, Fraction("496.8"), NUSCENES_SIZE) == (560, 776)


@given(view=VIEWS, **TENTHS)
def test_there_and_back_is_within_half_a_unit(view, x, y):
    """A unit of the canvas is 4.8 x 1.8 pixels of the camera."""
    found = DRIVELM.to_view(view, *DRIVELM.to_canvas(view, x, y, NUSCENES_SIZE), NUSCENES_SIZE)
    assert abs(Fraction(str(found[0])) - x) <= Fraction("2.4")
    assert abs(Fraction(str(found[1])) - y) <= Fraction("0.9")


@given(view=VIEWS, **TENTHS)
def test_back_and_there_is_exact(view, x, y):
    point = DRIVELM.to_canvas(view, x, y, NUSCENES_SIZE)
    back = DRIVELM.to_view(view, *point, NUSCENES_SIZE)
    assert DRIVELM.to_canvas(view, Fraction(str(back[0])), Fraction(str(back[1])), NUSCENES_SIZE) == point


@given(view=VIEWS, x=st.integers(0, 1000), y=st.integers(0, 1000))
def test_back_is_the_arithmetic_of_the_published_evaluation(view, x, y):
    """Its floats and our fractions agree on every point of the canvas, clamped ones included."""
    column, row = {
        "CAM_FRONT_LEFT": (0, 0),
        "CAM_FRONT": (1, 0),
        "CAM_FRONT_RIGHT": (2, 0),
        "CAM_BACK_LEFT": (0, 1),
        "CAM_BACK": (1, 1),
        "CAM_BACK_RIGHT": (2, 1),
    }[view]
    expected_x = round(max(0, min(1600, (x / 1000 * 2688 - column * 896) / 896 * 1600)), 1)
    expected_y = round(max(0, min(900, (y / 1000 * 896 - row * 448) / 448 * 900)), 1)
    assert DRIVELM.to_view(view, x, y, NUSCENES_SIZE) == (expected_x, expected_y)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((0, 2, ("A",), (8, 8)), "at least one column"),
        ((1, 1, ("A", "B"), (8, 8)), "2 views do not fit"),
        ((2, 1, ("A", "A"), (8, 8)), "different names"),
        ((2, 1, (), (8, 8)), "different names"),
        ((9, 1, ("A",), (8000, 8)), "over the limit"),
    ],
)
def test_impossible_grids(arguments, message):
    with pytest.raises(UsageError, match=message):
        Canvas(*arguments)
