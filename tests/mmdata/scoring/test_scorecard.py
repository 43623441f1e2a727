"""Reading predictions, intervals, and how scores are shown."""

import json
import subprocess
import sys

import numpy as np
import pytest

from mmdata.errors import DataError, UnknownName, UsageError
from mmdata.scoring import all_tasks, score_file
from mmdata.scoring.bootstrap import interval, mean
from mmdata.scoring.markdown import as_markdown
from mmtrain.cli import main

ROWS = [
    {
        "question": "?",
        "response": "3",
        "gt_answer": "7",
        "index": 1,
        "question_type": "count",
        "image": "<b>.png",
    },
    {"question": "?", "response": "35", "gt_answer": "352m2", "index": 2, "question_type": "area"},
    {"question": "a|b\n<i>", "response": "Yes.", "gt_answer": "yes", "index": 3, "question_type": "presence"},
]


@pytest.fixture
def predictions(tmp_path):
    path = tmp_path / "p.json"
    path.write_text(json.dumps(ROWS))
    return path


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(ROWS),
        json.dumps(ROWS, indent=4),
        "\n".join(json.dumps(row) for row in ROWS) + "\n",
        json.dumps({"type_scores": {}, "outputs": ROWS}, indent=4),
        json.dumps({"outputs": ROWS}),
    ],
)
def test_every_layout_that_the_published_scripts_write(tmp_path, text):
    (tmp_path / "p").write_text(text)
    card = score_file(str(tmp_path / "p"), "rsvqa-hr-test1", resamples=0)
    assert (card.rows, card.only_upstream, card.only_strict) == (3, 2, 1)


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "no rows"),
        ("[", "not JSON"),
        ("[]", "no rows"),
        ('{"a": 1}', "no `response`"),
        ('{"outputs": 3}', "expected JSON Lines, an array of rows"),
        ("[1]", "row 0: expected an object"),
        (json.dumps([{**ROWS[0], "response": 3}]), "the response is int, not text"),
        (json.dumps([ROWS[0], ROWS[0]]), "the id 1 was answered already, in row 0"),
        (
            json.dumps([{"answer": "", "gt_answers": [1, 2, 3, 4], "image_size": [1, 1]}]),
            "the row is one of dior-rsvg",
        ),
        (json.dumps(ROWS[0]) + "\n{", "line 2: not JSON"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path, text, message):
    (tmp_path / "p").write_text(text)
    with pytest.raises(DataError, match=message):
        score_file(str(tmp_path / "p"), "rsvqa-hr-test1")


def test_answers_to_the_other_resolution_are_refused(predictions):
    with pytest.raises(
        DataError, match="'area': it belongs to rsvqa-hr-test1 or rsvqa-hr-test2, not to rsvqa-lr"
    ):
        score_file(str(predictions), "rsvqa-lr")


def test_no_such_file_task_or_data(predictions):
    with pytest.raises(UsageError, match="no such file"):
        score_file("nothing.json", "rsvqa-hr-test1")
    with pytest.raises(UnknownName, match="did you mean"):
        score_file(str(predictions), "rsvqa-l")
    with pytest.raises(UsageError, match="leave --test-file out"):
        score_file(str(predictions), "rsvqa-hr-test1", data="x")
    with pytest.raises(UsageError, match="cannot be scored without"):
        score_file(str(predictions), "drivelm")


def test_the_interval_of_a_share_is_about_the_binomial_one():
    values = np.array([1.0] * 300 + [0.0] * 100)
    low, high = interval(lambda chosen: mean(values[chosen]), 400)
    half = 1.96 * (0.75 * 0.25 / 400) ** 0.5
    assert (low, high) == pytest.approx((0.75 - half, 0.75 + half), abs=0.008)
    assert interval(lambda chosen: mean(values[chosen]), 400) == (low, high)  # the seed fixes it


def test_every_task_is_found_and_says_how_the_ways_differ():
    tasks = all_tasks()
    assert {
        "rsvqa-lr",
        "rsvqa-hr-test1",
        "rsvqa-hr-test2",
        "dior-rsvg",
        "mme-realworld-ad",
        "drivelm",
    } <= set(tasks)
    assert all(task.difference for task in tasks.values())


def run(*arguments):
    """The exit code of a command."""
    with pytest.raises(SystemExit) as end:
        main([*map(str, arguments)])
    return end.value.code


def test_the_command_line(predictions, tmp_path, capsys):
    page = tmp_path / "page.html"
    assert run("score", predictions, "--task", "rsvqa-hr-test1", "--html", page, "--resamples", "10") == 0
    assert "right by upstream alone: 2; by strict alone: 1" in capsys.readouterr().out
    assert "<i>" not in page.read_text().split("<h2>")[1].split("figcaption")[1]
    assert (
        run("score", predictions, "--task", "rsvqa-hr-test1", "--output-format", "json", "--resamples", "0")
        == 0
    )
    assert json.loads(capsys.readouterr().out)["cards"]["upstream"]["scores"][0]["value"] == 0.6667
    assert run("score", predictions, "--task", "dior-rsvg") == 2
    assert run("score", predictions, "--task", "rsvqa-hr-test1", "--judge", "x") == 2


def test_a_markdown_table_keeps_its_columns_whatever_is_answered(predictions):
    text = as_markdown(score_file(str(predictions), "rsvqa-hr-test1", resamples=0))
    rows = [line for line in text.splitlines() if line.startswith("| ") and "right" in line]
    assert rows
    assert {line.count(" | ") for line in rows} == {4}


def test_scoring_imports_no_torch(predictions):
    code = f"""
import sys
from mmtrain.cli import main
try:
    main(['score', {str(predictions)!r}, '--task', 'rsvqa-hr-test1'])
except SystemExit as end:
    assert end.code == 0
assert 'mmdata.scoring' in sys.modules and 'torch' not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
