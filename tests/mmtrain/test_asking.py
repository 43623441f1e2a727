"""Asking all questions of a set: shared among ranks, resumable, in order."""

import json
from pathlib import Path

import pytest
from PIL import Image

from mmdata.errors import DataError, UsageError
from mmdata.scoring import find_task, score_file
from mmtrain.asking import PREDICTIONS, ask, sample_of
from schemas.sample import MediaPart, TextPart

TASK = find_task("rsvqa-lr")


class Echo:
    """A model that answers with what it was asked, and notes how often."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.asked: list[str] = []
        self.stop_after = stop_after

    def reply(self, sample, *, max_new_tokens):
        if self.stop_after is not None and len(self.asked) == self.stop_after:
            raise KeyboardInterrupt
        text = "".join(part.text for part in sample.turns[-1].parts if isinstance(part, TextPart))
        self.asked.append(text)
        return type("Answer", (), {"text": text.split("?")[0].strip()})

    def answers(self, samples, *, max_new_tokens):
        return [self.reply(sample, max_new_tokens=max_new_tokens).text for sample in samples]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Seven questions about two pictures."""
    root = tmp_path / "data"
    (root / "val").mkdir(parents=True)
    (root / "images/RSVQA_L/Images_LR").mkdir(parents=True)
    for name in "ab":
        Image.new("RGB", (8, 8)).save(root / f"images/RSVQA_L/Images_LR/{name}.png")
    asked = [
        {"id": k, "image": f"{'ab'[k % 2]}.png", "question": f"{k}?", "gt_answer": str(k), "type": "count"}
        for k in range(7)
    ]
    (root / "val/rsvqa_l_test_instruct.json").write_text(json.dumps(asked))
    return root


def rows(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / PREDICTIONS).read_text().splitlines()]


def run(model, data, out, **options):
    return ask(lambda: model, TASK, data, out, model_name="m", **options)


@pytest.mark.parametrize("batch_size", [1, 3])
def test_every_question_once_and_in_order(data, tmp_path, batch_size):
    model = Echo()
    asked = run(model, data, tmp_path / "out", batch_size=batch_size)
    assert (asked.questions, asked.resumed, len(model.asked)) == (7, 0, 7)
    assert [row["index"] for row in rows(tmp_path / "out")] == list(range(7))
    assert [row["response"] for row in rows(tmp_path / "out")] == [str(k) for k in range(7)]
    assert score_file(str(asked.predictions), "rsvqa-lr", resamples=0).cards["strict"].scores[0].value == 1


def test_a_killed_run_goes_on(data, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(Echo(stop_after=4), data, tmp_path / "out")
    partial = tmp_path / "out/answers.0.partial.jsonl"
    partial.write_bytes(partial.read_bytes()[:-5])  # and its last line was cut off
    model = Echo()
    asked = run(model, data, tmp_path / "out")
    assert (asked.resumed, len(model.asked)) == (3, 4)
    assert [row["index"] for row in rows(tmp_path / "out")] == list(range(7))
    again = Echo()
    run(again, data, tmp_path / "out")
    assert again.asked == []


def test_answers_of_other_ranks_are_taken_over(data, tmp_path, monkeypatch):
    whole = tmp_path / "whole"
    run(Echo(), data, whole)
    header, *lines = (whole / "answers.0.partial.jsonl").read_bytes().splitlines(keepends=True)
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "answers.0.partial.jsonl").write_bytes(header + b"".join(lines[::2]))
    (shared / "answers.1.partial.jsonl").write_bytes(header + lines[1])
    model = Echo()
    assert run(model, data, shared).resumed == 5
    assert len(model.asked) == 2
    assert rows(shared) == rows(whole)


def test_answers_to_something_else_are_not_mixed_in(data, tmp_path):
    run(Echo(), data, tmp_path / "out")
    with pytest.raises(UsageError, match="max_new_tokens differ"):
        run(Echo(), data, tmp_path / "out", max_new_tokens=3)


def test_a_set_of_the_other_resolution_is_refused(data, tmp_path):
    path = data / "val/rsvqa_l_test_instruct.json"
    asked = json.loads(path.read_text())
    asked[3]["type"] = "area"
    path.write_text(json.dumps(asked))
    with pytest.raises(DataError, match="belongs to rsvqa-hr-test1 or rsvqa-hr-test2, not to rsvqa-lr"):
        run(Echo(), data, tmp_path / "out")


def test_a_missing_picture_is_named_before_anything_is_asked(data, tmp_path):
    (data / "images/RSVQA_L/Images_LR/b.png").unlink()
    model = Echo()
    with pytest.raises(DataError, match=r"question 1: no picture .*b\.png"):
        run(model, data, tmp_path / "out")
    assert model.asked == []


def test_the_picture_stands_where_the_question_says(data):
    question = next(iter(TASK.questions(data)))
    media, text = sample_of(question).turns[0].parts
    assert isinstance(media, MediaPart)
    assert text.text.startswith("\n0?")
    question.prompt = "Look: <image>\nWhat?"
    assert [getattr(p, "text", None) for p in sample_of(question).turns[0].parts] == [
        "Look: ",
        None,
        "\nWhat?",
    ]


@pytest.mark.parametrize("words", [["--nproc", "2"], ["--nproc=2"]])
def test_ranks_get_every_argument_but_the_number_of_them(words):
    from mmtrain.cli._ask import without

    rest = ["evaluate", "m", "--count", "2", "--batch-size", "2"]
    for place in range(2, len(rest) + 1, 2):
        assert without([*rest[:place], *words, *rest[place:]], "--nproc") == rest


def test_scores_of_a_data_file_are_printed_a_line_each() -> None:
    from mmtrain.cli._file_task import _as_text
    from mmtrain.evaluate.results import Evaluated

    text = _as_text(Evaluated(None, [], None, {"ciou": 0.5, "missing": 3, "ap50": None, "bad": ["x"]}))
    assert [line.split() for line in text.splitlines()] == [
        ["ciou", "0.5000"],
        ["missing", "3"],
        ["ap50", "-"],
    ]
