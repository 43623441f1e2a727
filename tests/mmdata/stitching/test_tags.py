"""DriveLM's tags: pixels of a camera to the canvas and back."""

import json
import re
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmdata.importers.drivelm import canvas_of
from mmdata.stitching.tags import NOT_UNDERSTOOD, OUTSIDE, to_cameras, to_canvas

CAMERAS = st.sampled_from(
    ["CAM_FRONT_LEFT", "CAM_FRONT", "CAM_FRONT_RIGHT", "CAM_BACK_LEFT", "CAM_BACK", "CAM_BACK_RIGHT"]
)
TAGS = st.tuples(st.integers(1, 20), CAMERAS, st.integers(0, 16000), st.integers(0, 9000))
TEXTS = st.text(st.characters(exclude_characters="<>", exclude_categories=("Cs",)), max_size=12)
UNITS = {"stitch": (Fraction("2.4"), Fraction("0.9")), "images": (Fraction("0.8"), Fraction("0.45"))}


def place(arrange):
    return lambda view: canvas_of(view, arrange)


@given(parts=st.lists(st.tuples(TEXTS, TAGS), max_size=4), arrange=st.sampled_from(["stitch", "images"]))
def test_there_and_back(parts, arrange):
    """Every tag comes back within half a unit and the text around it unchanged; a second time nothing moves."""
    text = "".join(f"{words}<c{n},{camera},{x / 10},{y / 10}>" for words, (n, camera, x, y) in parts)
    there = to_canvas(text, place(arrange))
    assert there.tags == len(parts)
    assert not there.problems
    back = to_cameras(there.text, place(arrange))
    assert back.tags == len(parts)
    tag = re.compile(r"<c(\d+),(\w+),(\d+\.\d),(\d+\.\d)>")
    assert tag.sub("#", back.text) == tag.sub("#", text)
    for (_, (n, camera, x, y)), found in zip(parts, tag.findall(back.text), strict=True):
        assert found[:2] == (str(n), camera)
        assert abs(Fraction(found[2]) - Fraction(x, 10)) <= UNITS[arrange][0]
        assert abs(Fraction(found[3]) - Fraction(y, 10)) <= UNITS[arrange][1]
    assert to_canvas(back.text, place(arrange)).text == there.text


@given(tag=TAGS)
def test_the_published_evaluation_finds_every_tag(tag):
    """Its pattern and its way of taking a tag apart (InternVL, eval/domain_specific/drivelm/evaluate.py)."""
    n, camera, x, y = tag
    text = to_canvas(f"At <c{n},{camera},{x / 10},{y / 10}>.", place("stitch")).text
    (found,) = re.findall(
        r"<c[^,]*,\s*[^,]*,\s*\[\s*-?[0-9]*\.?[0-9]+\s*,\s*-?[0-9]*\.?[0-9]+\s*\]\s*>", text
    )
    name, view, *numbers = found.strip("<>").split(",")
    assert (name, view) == (f"c{n}", camera)
    assert all(0 <= value <= 1000 for value in json.loads(",".join(numbers)))


@pytest.mark.parametrize(
    "text, reason",
    [
        ("<c1,CAM_ROOF,10.0,20.0>", NOT_UNDERSTOOD),
        ("<c1,CAM_BACK,ten,20.0>", NOT_UNDERSTOOD),
        ("<c1,CAM_BACK,10.0>", NOT_UNDERSTOOD),
        ("<c1,CAM_BACK,10.0,20.0", NOT_UNDERSTOOD),
        ("<c1,CAM_BACK,1700.0,20.0>", OUTSIDE),
    ],
)
def test_what_cannot_be_mapped_is_named(text, reason):
    mapped = to_canvas(f"See {text} there", place("stitch"))
    assert [problem for problem, _ in mapped.problems] == [reason]
    if reason is NOT_UNDERSTOOD:
        assert mapped.text == f"See {text} there"


def test_spaces_in_a_tag_are_written_without():
    assert to_canvas("< c1, CAM_BACK , 1088.0, 496.8 >", place("stitch")).text == "<c1,CAM_BACK,[560,776]>"
