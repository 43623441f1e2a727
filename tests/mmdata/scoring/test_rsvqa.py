"""RSVQA: every branch of the published rule, and what the strict one does instead."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmdata.scoring import score_rows
from mmdata.scoring.scorecard import find_task
from mmdata.scoring.tasks.rsvqa import number_in, read, strict_correct, upstream_correct

TASK = find_task("rsvqa-lr")


def row(kind, response, reference, number=0):
    return read(
        number, {"response": response, "gt_answer": reference, "question_type": kind, "index": number}
    )


@pytest.mark.parametrize(
    "kind, response, reference, upstream, strict",
    [
        ("count", "0", "0", True, True),
        ("count", "1", "100", True, False),  # one bucket
        ("count", "100", "101", False, False),
        ("count", "101", "1000", True, False),
        ("count", "1000", "1001", False, False),
        ("count", "5000", "1001", True, False),
        ("count", "-1", "-1", False, True),  # below 0 there is no bucket
        ("count", None, "0", True, False),  # no answer counts as 0
        ("count", None, "3", False, False),
        ("count", "", "0", False, False),
        ("count", " 12 ", "12", True, True),  # int() takes the spaces
        ("count", "1_000", "900", True, False),  # and underscores
        ("count", "3.", "3", False, True),
        ("count", "3 cars", "3", False, True),
        ("count", "3 or 4", "3", False, False),
        ("count", "1,200", "1200", False, True),
        ("count", "three", "3", False, False),
        ("area", "35", "352m2", True, False),  # `352m2` loses every m and 2 at its end
        ("area", "352m2", "352m2", False, True),  # the answer itself loses nothing
        ("area", "90", "22m2", False, False),  # nothing is left of 22m2
        ("area", "352", "352m2", False, True),  # 35 and 352 lie in different buckets
        ("area", "350", "351m2", True, False),
        ("area", "352 m²", "352m2", False, True),
        ("area", "0", "0m2", True, True),
        ("presence", "Yes", "yes", True, True),
        ("presence", "Yes.", "yes", False, True),
        ("presence", " yes", "yes", False, True),
        ("presence", "", "", False, False),
        ("presence", None, "no", False, False),
        ("presence", "no", "yes", False, False),
        ("rural_urban", "URBAN", "urban", True, True),
    ],
)
def test_every_branch(kind, response, reference, upstream, strict):
    one = row(kind, response, reference)
    assert upstream_correct(one)[0] is upstream
    assert strict_correct(one)[0] is strict


@given(st.integers(-(10**6), 10**6), st.integers(-(10**6), 10**6))
def test_two_counts_are_alike_if_they_lie_in_one_bucket(said, wanted):
    edges = [range(1), range(1, 101), range(101, 1001), range(1001, 10**6 + 1)]
    same = any(said in edge and wanted in edge for edge in edges)
    assert upstream_correct(row("count", str(said), str(wanted)))[0] is same


def test_a_right_answer_has_no_reason_and_a_wrong_one_has():
    for kind, response, reference in [("count", "3", "3"), ("area", "x", "3m2"), ("presence", "no", "yes")]:
        for judge in (upstream_correct, strict_correct):
            right, _, why = judge(row(kind, response, reference))
            assert right is (why == "")


@pytest.mark.parametrize(
    "text, number", [("12 m2", 12), ("about 5", 5), ("", None), ("2 to 3", None), ("7, 7", 7)]
)
def test_the_one_number_of_a_text(text, number):
    assert number_in(text) == number


ANSWERS = st.tuples(
    st.sampled_from(["count", "area", "presence", "comp"]),
    st.one_of(st.none(), st.text(max_size=8)),
    st.text(max_size=8),
)


@given(st.lists(ANSWERS, min_size=1, max_size=20), st.randoms())
def test_scores_lie_between_0_and_1_and_order_does_not_matter(answers, shuffler: random.Random):
    rows = [row(*answer, number=k) for k, answer in enumerate(answers)]
    card = score_rows(rows, TASK, resamples=0)
    shuffler.shuffle(rows)
    again = score_rows(rows, TASK, resamples=0)
    for way in ("upstream", "strict"):
        assert card.cards[way].scores == again.cards[way].scores
        assert card.cards[way].kinds == again.cards[way].kinds
        assert all(s.value is None or 0 <= s.value <= 1 for s in card.cards[way].scores)


def test_total_and_useful_as_the_published_table_has_them():
    rows = [
        row("count", "5", "7"),
        row("area", "x", "3m2"),
        row("comp", "yes", "yes"),
        row("comp", "no", "yes"),
    ]
    rows.append(row("rural_urban", "rural", "rural"))
    scores = {s.name: s.value for s in score_rows(rows, TASK, resamples=0).cards["upstream"].scores}
    assert scores == {"total": 0.6, "useful": round(2 / 3, 4)}  # micro means, four decimals
