"""The examples of mixtures and of the verbs over files of records run, and say what they promise."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run(name: str, folder: Path) -> str:
    command = [sys.executable, str(ROOT / "examples" / name), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_mixture(tmp_path: Path) -> None:
    shown = run("mixture.py", tmp_path)
    assert "100 of 100 records" in shown
    assert "together the plan: True" in shown


def test_dataset_verbs(tmp_path: Path) -> None:
    shown = run("dataset_verbs.py", tmp_path)
    assert "70 read = 70 written" in shown
    assert len((tmp_path / "small.jsonl").read_text().splitlines()) == 5


def test_neighbours(tmp_path: Path) -> None:
    shown = run("neighbours.py", tmp_path)
    assert '"bbox": [[0.25, 0.2, 0.5, 0.5]], "bbox_type": "norm1"' in shown
    assert "the same record: True" in shown
