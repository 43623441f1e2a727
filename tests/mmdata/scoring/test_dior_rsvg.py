"""DIOR-RSVG: how a box is read from an answer, and when it overlaps enough."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry import box as rectangle

from mmdata.errors import DataError
from mmdata.scoring import score_rows
from mmdata.scoring.scorecard import find_task
from mmdata.scoring.tasks.dior_rsvg import iou, read, strict_correct, upstream_correct

TASK = find_task("dior-rsvg")


def row(answer, reference=(100, 100, 300, 300), size=(1000, 1000), number=0):
    return read(
        number, {"answer": answer, "gt_answers": list(reference), "image_size": list(size), "index": number}
    )


@pytest.mark.parametrize(
    "answer, upstream, strict",
    [
        ("[[100, 100, 300, 300]]", True, True),
        ("<ref>a ship</ref><box>[[100, 100, 300, 300]]</box>", True, True),
        ("[100, 100, 300, 300]", False, True),  # a number is taken for the box
        ("[[100,100,300,300],[0,0,10,10]]", False, False),  # cut after the first box: no JSON
        ("[[0,0,10,10],[100,100,300,300]]", False, False),
        ("[[100,100,300,300]] and [[0,0,10,10]]", True, False),  # the first of two
        ("[[100,100,300,300]] or [[100,100,300,300]]", True, True),  # the same box twice
        ("", False, False),
        (None, False, False),
        ("a ship", False, False),
        ("[[a, b, c, d]]", False, False),
        ("[[100, 100, 300\n, 300]]", False, True),  # the published pattern stops at a new line
        ("[[300, 300, 100, 100]]", False, False),
        ("[[500, 500, 700, 700]]", False, False),
    ],
)
def test_reading_a_box(answer, upstream, strict):
    assert upstream_correct(row(answer))[0] is upstream
    assert strict_correct(row(answer))[0] is strict


def test_the_extra_pixel_decides_at_the_edge():
    # 10 x 10 against 10 x 20: half without the pixel, 11 * 11 / (11 * 21) above half with it
    edge = row("[[0, 0, 10, 10]]", reference=(0, 0, 10, 20))
    assert iou((0, 0, 10, 10), (0, 0, 10, 20)) == 0.5
    assert upstream_correct(edge)[0]
    assert strict_correct(edge)[0]
    below = row("[[0, 0, 100, 100]]", reference=(0, 0, 100, 201))
    assert strict_correct(below)[0] is False
    assert upstream_correct(below)[0] is False
    between = row("[[0, 0, 10, 10]]", reference=(0, 0, 10, 20.5))
    assert (upstream_correct(between)[0], strict_correct(between)[0]) == (True, False)


CORNER = st.tuples(st.integers(0, 40), st.integers(0, 40), st.integers(1, 40), st.integers(1, 40))


@given(CORNER, CORNER)
def test_iou_is_shapely_s(a, b):
    first, second = ((x, y, x + w, y + h) for x, y, w, h in (a, b))
    one, two = rectangle(*first), rectangle(*second)
    assert iou(first, second) == pytest.approx(one.intersection(two).area / one.union(two).area)
    # one pixel added to every extent: the rectangles of the pixels that the corners name
    one, two = (rectangle(x1, y1, x2 + 1, y2 + 1) for x1, y1, x2, y2 in (first, second))
    assert iou(first, second, extra=1) == pytest.approx(one.intersection(two).area / one.union(two).area)


@given(st.text(max_size=40) | st.from_regex(r"\[*[0-9., \[\]-]{0,30}\]*"))
def test_no_answer_raises(answer):
    upstream_correct(row(answer))
    strict_correct(row(answer))


@given(st.lists(st.tuples(CORNER, CORNER), min_size=1, max_size=10), st.randoms())
def test_order_does_not_matter_and_perfect_answers_score_1(pairs, shuffler: random.Random):
    rows = [
        row(f"[[{x}, {y}, {x + w}, {y + h}]]", reference=(x, y, x + w, y + h), number=k)
        for k, ((x, y, w, h), _) in enumerate(pairs)
    ]
    assert score_rows(rows, TASK, resamples=0).cards["strict"].scores[0].value == 1
    mixed = [
        row(f"[[{x}, {y}, {x + w}, {y + h}]]", reference=(p, q, p + r, q + s), number=k)
        for k, ((x, y, w, h), (p, q, r, s)) in enumerate(pairs)
    ]
    before = score_rows(mixed, TASK, resamples=0).cards
    shuffler.shuffle(mixed)
    assert score_rows(mixed, TASK, resamples=0).cards == before


@pytest.mark.parametrize(
    "change", [{"gt_answers": [1, 2, 3]}, {"image_size": "big"}, {"gt_answers": [1, 2, 3, "4"]}]
)
def test_a_row_that_cannot_be_scored_says_why(change):
    with pytest.raises(DataError, match="is no list of"):
        read(0, {"answer": "", "gt_answers": [1, 2, 3, 4], "image_size": [5, 5], **change})
