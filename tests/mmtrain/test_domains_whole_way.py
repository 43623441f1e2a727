"""Driving, remote sensing and medicine from published annotations to a page of scores, as the example goes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("deepspeed")

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_import_stitch_check_train_evaluate_and_report(tmp_path):
    """Some 60 seconds of CPU time; its data part alone is an everyday test beside the verbs for domains."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "domains.py"), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=1200,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "Traceback" not in done.stderr
    for recipe in ("drivelm", "remote", "medical"):
        assert f"mmtrain launch mini-internvl-1b-{recipe}.yaml" in done.stdout  # the check has said so
        assert f"runs/mini-internvl-1b-{recipe}" in done.stderr
    for task, questions in (("drivelm", 30), ("mme", 4), ("rsvqa-lr", 9), ("rsvqa-hr", 9), ("dior-rsvg", 3)):
        answers = (tmp_path / "answers" / task / "predictions.jsonl").read_text().splitlines()
        assert len(answers) == questions
        card = json.loads((tmp_path / "answers" / task / "scores.json").read_text())
        assert card["rows"] == questions
        assert set(card["cards"]) == {"upstream", "strict"}
    for page, pictures in (("drivelm", "stitch/scene"), ("mme", "AutonomousDriving/"), ("rsvqa", "data:image/png"), ("dior", "JPEGImages/")):  # fmt: skip
        text = (tmp_path / f"{page}.html").read_text()
        assert text.count("<figure>") >= 1
        assert pictures in text
    assert len(json.loads((tmp_path / "submission.json").read_text())["results"]) == 30
    work = [json.loads(line) for line in (tmp_path / "judge.jsonl").read_text().splitlines()]
    (tmp_path / "rated.jsonl").write_text(
        "".join(json.dumps({"id": one["id"], "rating": 50}) + "\n" for one in work)
    )
    scored = subprocess.run(
        [
            *(
                sys.executable,
                "-m",
                "mmtrain",
                "score",
                "answers/drivelm/predictions.jsonl",
                "--task",
                "drivelm",
            ),
            *("--test-file", "raw/drivelm/test.json", "--judge-ratings", "rated.jsonl", "--resamples", "0"),
            *("--output-format", "json"),
        ],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert scored.returncode == 0, scored.stderr
    names = {s["name"]: s["value"] for s in json.loads(scored.stdout)["cards"]["strict"]["scores"]}
    assert names["judge"] == 0.5
    assert names["final"] >= 0.2
    assert (tmp_path / "answers" / "medical" / "answer.json").is_file()
