"""VideoRefer-Bench-Q: the published script's letters, and without its quirks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mmdata.scoring import find_task, score_file
from mmdata.scoring.tasks.videorefer_bench_q import letter_of, strict_correct, upstream_correct

TASK = find_task("videorefer-bench-q")


@pytest.mark.parametrize(
    ("said", "upstream", "strict"),
    [
        ("(B)", True, True),
        ("(B) a red car", True, True),
        ("B", True, True),
        ("b", True, True),
        ("b.", True, True),
        ("B) a red car", True, True),
        ("The answer is (B).", True, True),
        ("a red car", False, True),
        ("Both cars", True, False),  # the first letter of a word is taken for the option
        ("(B) or (C)", True, False),
        ("(C) not (B)", False, False),
        ("(A)", False, False),
        ("B: a red car", True, True),
        ("Be careful", True, False),
    ],
)
def test_letters(said: str, upstream: bool, strict: bool) -> None:
    row = TASK.read(0, {"pred": said, "Answer": "(B) a red car", "type": "Basic Questions"})
    assert upstream_correct(row)[0] is upstream
    assert strict_correct(row)[0] is strict


def test_what_names_no_option() -> None:
    assert [letter_of(text) for text in ("", "A cat", "none", "(A) and (B)", "...")] == [""] * 5


def test_the_table_by_type_and_an_empty_answer(tmp_path: Path) -> None:
    rows = [
        {"video": "a", "Answer": "(A) x", "pred": "(A)", "type": "Basic Questions"},
        {"video": "a", "Answer": "(B) y", "pred": "(A)", "type": "Basic Questions"},
        {"video": "b", "Answer": "(C)", "pred": "c", "type": "Future Predictions"},
    ]
    path = tmp_path / "predictions.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    for way, card in score_file(str(path), TASK.name).cards.items():
        assert card.scores[0].value == pytest.approx(2 / 3), way
        assert {kind: one.value for kind, one in card.kinds.items()} == {
            "Basic Questions": 0.5,
            "Future Predictions": 1.0,
        }
        assert not card.stopped
    path.write_text(path.read_text() + json.dumps({**rows[0], "pred": "."}) + "\n")
    cards = score_file(str(path), TASK.name).cards
    assert "IndexError" in cards["upstream"].stopped
    assert not cards["strict"].stopped
