"""MME-RealWorld: which letter an answer is taken for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmdata.scoring import score_rows
from mmdata.scoring.scorecard import find_task
from mmdata.scoring.tasks.mme_realworld import (
    HEADER,
    PROMPT,
    choices_in,
    read,
    strict_letter,
    upstream_letter,
)

TASK = find_task("mme-realworld-ad")
CHOICES = ["(A) a red car", "(B) a bus", "(C) a truck", "(D) a van", "(E) The image does not show it"]


@pytest.mark.parametrize(
    "answer, upstream, strict",
    [
        ("A", "A", "A"),
        ("(C)", "C", "C"),
        ("C. a truck", "C", "C"),
        ("The best answer is B", "B", "B"),
        ("The answer is (D).", "D", "D"),
        ("Based on the picture, the answer is C", "B", "C"),  # the B of Based
        ("The best option is D", "D", "D"),
        ("An answer I do not have", "A", ""),
        ("", "A", ""),  # "" is part of the first choice
        ("a bus", "B", "B"),
        ("bus", "B", ""),  # a part of a choice is none of its text
        ("nothing that is written in lower case with more than ten words here", "", ""),
        ("a tram", "", ""),
        ("A or B", "A", ""),
        ("(A) or (B)", "A", ""),
        ("F", "", ""),
    ],
)
def test_the_letter(answer, upstream, strict):
    assert upstream_letter(answer, CHOICES) == upstream
    assert strict_letter(answer, CHOICES) == strict


def test_prefixes_lose_their_text_wherever_it_stands():
    # after `The best answer is` is taken away no capital is left of it: the letter is the answer's own
    assert upstream_letter("The best answer is E", CHOICES) == "E"
    # two prefixes were joined for want of a comma, so this one stays, without a capital A to E in it
    assert upstream_letter("The best option is C", CHOICES) == "C"


@given(st.text(max_size=60))
def test_no_answer_raises_and_letters_are_letters(answer):
    assert upstream_letter(answer, CHOICES) in {"", *"ABCDE"}
    assert strict_letter(answer, CHOICES) in {"", *"ABCDE"}


def test_choices_are_found_in_a_question_of_either_header():
    for header in HEADER.values():
        assert choices_in("Which?" + header + "\n".join(CHOICES) + "\n" + PROMPT) == CHOICES
    assert choices_in("Which?") == []


def test_the_prompt_has_the_published_run_of_spaces():
    assert "based on the image." + " " * 13 + "Respond" in PROMPT


def row(number, output, letter, task="Perception", category="objects", **more):
    entry = {
        "output": output,
        "answer": "",
        "gt_answers": letter,
        "task": task,
        "category": category,
        "index": number,
    }
    return read(number, {**entry, "choices": CHOICES, **more})


def test_accuracy_over_all_and_by_task():
    rows = [row(0, "A", "A"), row(1, "A", "B"), row(2, "B", "B", task="Reasoning", category="attention")]
    card = score_rows(rows, TASK, resamples=0).cards["upstream"]
    assert {s.name: s.value for s in card.scores} == pytest.approx(
        {"accuracy": 2 / 3, "perception": 0.5, "reasoning": 1.0}
    )
    assert {name: s.value for name, s in card.kinds.items()} == {
        "Perception/objects": 0.5,
        "Reasoning/attention": 1.0,
    }


def test_a_file_of_the_published_script_is_scored_by_its_stored_letters_where_choices_are_missing():
    one = row(0, "whatever", "D", choices=None, answer="D")
    assert score_rows([one], TASK, ways=["upstream"], resamples=0).cards["upstream"].scores[0].value == 1


def test_a_task_that_the_published_table_has_not_stops_it():
    card = score_rows([row(0, "A", "A", task="Other")], TASK, resamples=0)
    assert "KeyError" in card.cards["upstream"].stopped
    assert card.cards["strict"].stopped == ""
    assert card.cards["strict"].scores[0].value == 1
