"""DriveLM: the parts of the challenge's score that need no judge."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmdata.errors import DataError
from mmdata.scoring import find_task, score_file, score_rows
from mmdata.scoring.judge import judge_tasks, with_ratings
from mmdata.scoring.language import language_scores
from mmdata.scoring.tasks.drivelm import (
    decimals,
    language_part,
    matched,
    read,
    read_test,
    submission,
    tagged,
    upstream_mapped,
)

TASK = find_task("drivelm")
SEEN = "<c1,CAM_FRONT,100.5,200.5> and <c2,CAM_BACK,500.0,600.0>"


def scene(**stages):
    qa = {"perception": [], "prediction": [], "planning": [], "behavior": [], **stages}
    return {"s": {"key_frames": {"f": {"QA": qa, "image_paths": {}}}}}


def asked(question, answer, *tags):
    return {"Q": question, "A": answer, "tag": list(tags)}


@pytest.fixture
def files(tmp_path):
    """A test file and answers to it: the first answer finds one object of two."""
    test = scene(
        perception=[
            asked("What is there?", SEEN, 2, 3),
            asked("Does <c1,CAM_FRONT,100.5,200.5> move?", "Yes.", 0),
        ],
        prediction=[asked("Does <c2,CAM_BACK,500.0,600.0> stop?", "No.", 0)],
        behavior=[asked("What does the car do?", "It turns left.", 0, 1)],
    )
    answers = ["<c1,CAM_FRONT,101.0,201.0> and <c2,CAM_BACK,900.0,600.0>", "Yes.", "No.", "It stops."]
    rows = [
        {"id": f"s_f_{k}", "question": "", "answer": answer, "gt_answers": ""}
        for k, answer in enumerate(answers)
    ]
    (tmp_path / "test.json").write_text(json.dumps(test))
    (tmp_path / "answers.json").write_text(json.dumps(rows))
    return tmp_path


def scores(card, way):
    return {s.name: (s.value, s.rows) for s in card.cards[way].scores}


def test_questions_about_objects_that_the_first_answer_missed_are_left_out_by_upstream(files):
    card = score_file(str(files / "answers.json"), "drivelm", data=str(files / "test.json"), resamples=0)
    assert scores(card, "upstream")["accuracy"] == (0.5, 2)  # the question about c2 does not count
    assert scores(card, "strict")["accuracy"] == (pytest.approx(2 / 3), 3)
    assert scores(card, "upstream")["match"] == (pytest.approx(0.5), 1)


def test_points_of_the_two_ways():
    assert decimals("a 1.5 and 2.5 and 3.5").tolist() == [[1.5, 2.5]]  # the odd one falls off
    assert (
        decimals("<c1,CAM_BACK,0,450.0>").tolist() == []
    )  # a clamped 0 is no decimal, and so neither is its pair
    assert tagged("<c1,CAM_BACK,0,450.0> at 3.5, 4.5").tolist() == [[0, 450]]


POINTS = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=6)


@given(POINTS, POINTS)
def test_f1_by_brute_force(said, wanted):
    left, hits = list(wanted), 0
    for x, y in said:
        near = sorted((abs(x - p) + abs(y - q), k) for k, (p, q) in enumerate(left))
        if near and near[0][0] < 16:
            hits += 1
            left.pop(near[0][1])
    found, f1 = matched(np.array(said, float).reshape(-1, 2), np.array(wanted, float).reshape(-1, 2))
    assert len(found) == hits
    assert f1 == pytest.approx(2 * hits / (len(said) + len(wanted)) if said or wanted else 0, abs=1e-6)


def test_language_scores_are_pycocoevalcap_s_own():
    from pycocoevalcap.bleu.bleu import Bleu

    said = ["the car turns left", "a bus stands at the stop", "go"]
    wanted = ["the car turns right now", "a bus stands at the stop", "it goes on"]
    per_row, corpus = language_scores(said, wanted)
    whole, _ = Bleu(4).compute_score(
        {k: [w] for k, w in enumerate(wanted)}, {k: [s] for k, s in enumerate(said)}, verbose=0
    )
    for n in range(1, 5):
        assert corpus[f"bleu_{n}"](np.arange(3)) == pytest.approx(whole[n - 1], rel=1e-9)
    assert per_row["rouge_l"][1] == pytest.approx(1)
    assert set(per_row) == {"rouge_l", "cider"}


def test_the_language_part_of_perfect_answers():
    perfect = {"bleu_1": 1, "bleu_2": 1, "bleu_3": 1, "bleu_4": 1, "rouge_l": 1, "cider": 10}
    assert language_part(perfect) == 1


def work_of(files):
    test = read_test(str(files / "test.json"))
    rows = [read(k, row) for k, row in enumerate(json.loads((files / "answers.json").read_text()))]
    return rows, test, list(judge_tasks(rows, test))


def test_the_judge_gets_what_it_has_to_rate_and_no_more(files):
    test = json.loads((files / "test.json").read_text())
    # It asks about the object that the first answer missed: only strict scores it.
    test["s"]["key_frames"]["f"]["QA"]["prediction"][0]["tag"] = [1]
    (files / "test.json").write_text(json.dumps(test))
    _, _, work = work_of(files)
    assert [(one["id"], one["part"], one["scorers"]) for one in work] == [
        ("s_f_0", ["match"], ["upstream", "strict"]),
        ("s_f_2", ["judge"], ["strict"]),
        ("s_f_3", ["judge"], ["upstream", "strict"]),
    ]
    assert work[2]["reference"] == "It turns left."


def final(files, ratings, **options):
    rows, test, _ = work_of(files)
    (files / "ratings.jsonl").write_text("".join(json.dumps(one) + "\n" for one in ratings))
    return score_rows(rows, TASK, with_ratings(test, rows, str(files / "ratings.jsonl")), **options)


def test_the_final_score_by_hand(files):
    """0.4 judge + 0.2 language + 0.2 match + 0.2 accuracy, each from 0 to 1; match is half F1, half rating."""
    card = final(files, [{"id": "s_f_0", "rating": 80}, {"id": "s_f_3", "rating": "35"}], resamples=20)
    got = {name: value for name, (value, _) in scores(card, "upstream").items()}
    assert got["judge"] == pytest.approx(0.35)  # of the one question tagged 1
    assert got["match"] == pytest.approx(0.5)  # one object of two found, one named wrongly
    assert got["match_judged"] == pytest.approx((0.5 + 0.8) / 2)
    assert got["accuracy"] == 0.5  # "Yes." is right, "It stops." is not, the third is not asked
    assert got["language"] == pytest.approx(
        (
            (got["bleu_1"] + got["bleu_2"] + got["bleu_3"] + got["bleu_4"]) / 4
            + got["rouge_l"]
            + got["cider"] / 10
        )
        / 3
    )
    by_hand = 0.4 * 0.35 + 0.2 * got["language"] + 0.2 * 0.65 + 0.2 * 0.5
    assert got["final"] == pytest.approx(by_hand)
    strict = {name: value for name, (value, _) in scores(card, "strict").items()}
    assert strict["final"] == pytest.approx(by_hand + 0.2 * (2 / 3 - 0.5))  # one more right answer counts
    spread = next(s for s in card.cards["upstream"].scores if s.name == "final")
    assert spread.low <= spread.value <= spread.high


def test_without_ratings_there_is_no_final_score(files):
    rows, test, _ = work_of(files)
    names = set(scores(score_rows(rows, TASK, test, resamples=0), "upstream"))
    assert "language" in names
    assert not names & {"judge", "match_judged", "final"}


def test_ratings_that_strict_alone_needs_may_be_left_out(files):
    test = json.loads((files / "test.json").read_text())
    test["s"]["key_frames"]["f"]["QA"]["prediction"][0]["tag"] = [0, 1]
    (files / "test.json").write_text(json.dumps(test))
    card = final(files, [{"id": "s_f_0", "rating": 80}, {"id": "s_f_3", "rating": 35.5}], resamples=0)
    assert "final" in scores(card, "upstream")
    assert "final" not in scores(card, "strict")
    assert "strict: no judge, match_judged and final: 1 answers have no rating, first s_f_2" in card.notes


@pytest.mark.parametrize(
    "ratings, told",
    [
        ([{"id": "s_f_0", "rating": 80}], "1 answers have no rating, first s_f_3: the published score needs them"),
        ([{"id": "s_f_0", "rating": 80}, {"id": "s_f_3", "rating": None}], "first s_f_3"),
        ([{"id": "s_f_0", "rating": None}], "no `rating` is filled in"),
        ([{"id": "s_f_0", "rating": 101}], "s_f_0: the rating 101 is no number from 0 to 100"),
        ([{"id": "s_f_0", "rating": -1}], "s_f_0: the rating -1 is no number"),
        ([{"id": "s_f_0", "rating": True}], "s_f_0: the rating True is no number"),
        ([{"id": "s_f_0", "rating": "nan"}], "'nan' is no number"),
        ([{"id": "s_f_0", "rating": "good"}], "'good' is no number"),
        ([{"id": "s_f_9", "rating": 1}], "s_f_9: the test file has no such question"),
        ([{"id": "s_f_1", "rating": 1}], "s_f_1: its question is not rated by the judge"),
        ([{"id": "s_f_0", "rating": 1}] * 2, "s_f_0: rated twice"),
        ([{"id": "s_f_0", "rating": 1, "answer": "Else."}], "s_f_0: the rating is of another answer, 'Else.'"),
        ([{"name": "s_f_0"}], "entry 0: expected an object with `id` and `rating`"),
        ([{"id": f"x{n}", "rating": 1} for n in range(9)], r"\(and 4 more\)"),
    ],
)  # fmt: skip
def test_faulty_ratings_are_named(files, ratings, told):
    with pytest.raises(DataError, match=told):
        final(files, ratings, resamples=0)


def test_a_submission_holds_every_answer():
    rows = [read(0, {"id": "s_f_0", "question": "Q", "answer": "A", "gt_answers": "G"})]
    assert submission(rows, team="us") == {
        "method": "", "team": "us", "authors": [""], "email": "", "institution": "", "country": "",
        "results": [{"id": "s_f_0", "question": "Q", "answer": "A", "gt_answer": "G"}],
    }  # fmt: skip


def test_a_question_without_an_answer_is_no_score(files):
    rows = json.loads((files / "answers.json").read_text())
    (files / "few.json").write_text(json.dumps(rows[1:]))
    with pytest.raises(DataError, match="1 questions have no answer, first s_f_0"):
        score_file(str(files / "few.json"), "drivelm", data=str(files / "test.json"))


def test_what_cannot_be_paired_stops_the_published_script(tmp_path):
    test = scene(perception=[asked("Q", "1.5, 2.5, 3.5", 3)])
    (tmp_path / "t.json").write_text(json.dumps(test))
    (tmp_path / "p.json").write_text(
        json.dumps([{"id": "s_f_0", "question": "", "answer": "", "gt_answers": ""}])
    )
    card = score_file(str(tmp_path / "p.json"), "drivelm", data=str(tmp_path / "t.json"), resamples=0)
    assert "odd number of decimals" in card.cards["upstream"].stopped
    assert card.cards["strict"].stopped == ""


def test_another_file_than_the_test_file_is_named(tmp_path):
    (tmp_path / "t.json").write_text('{"s": {"frames": {}}}')
    with pytest.raises(DataError, match="not the challenge's test file"):
        read_test(str(tmp_path / "t.json"))


@pytest.mark.parametrize(
    "said, mapped",
    [
        ("<c1,CAM_BACK,[560,776]>", "<c1,CAM_BACK,1088.0,496.8>"),
        ("<c1, CAM_BACK,[560,776]>", "<c1, CAM_BACK,[560,776]>"),  # a space before the camera
        ("<c2,CAM_FRONT,[0,0]>", "<c2,CAM_FRONT,0,0>"),  # left of its tile, at its top: the integer 0
        ("<c2,CAM_FRONT,[999,900]>", "<c2,CAM_FRONT,1600,900>"),
        ("<c2,CAM_ROOF,[1,1]>", "<c2,CAM_ROOF,[1,1]>"),
        ("no tag", "no tag"),
    ],
)
def test_tags_as_the_published_script_maps_them(said, mapped):
    assert upstream_mapped(said) == mapped


def test_a_point_at_the_edge_is_seen_by_strict_alone(tmp_path):
    test = scene(perception=[asked("Q", "<c2,CAM_FRONT,0.0,0.0>", 0, 3)])
    said = "<c2,CAM_FRONT,[333,-1]>"
    row = TASK.answered({"id": "s_f_0", "question": "", "gt_answers": ""}, said)
    (tmp_path / "t.json").write_text(json.dumps(test))
    (tmp_path / "p.jsonl").write_text(json.dumps(row) + "\n")
    card = score_file(str(tmp_path / "p.jsonl"), "drivelm", data=str(tmp_path / "t.json"), resamples=0)
    assert scores(card, "strict")["match"][0] == pytest.approx(1)
    assert scores(card, "upstream")["match"][0] == 0
