"""Generated files are what the code says, and the examples run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from mmdata.generated import stale
from mmtrain.generated import stale as stale_of_mmtrain

ROOT = Path(__file__).parent.parent


def test_generated_files_are_current() -> None:
    assert stale() == []
    assert stale_of_mmtrain() == []


def test_the_reference_of_the_config_explains_every_key() -> None:
    """No key without values and meaning; the nested ones with the defaults of where they stand."""
    page = (ROOT / "docs" / "config.md").read_text("utf-8")
    rows = [
        [cell.strip() for cell in line.split(" | ")] for line in page.splitlines() if line.startswith("| `")
    ]
    assert {len(row) for row in rows} == {4}
    assert [row[0] for row in rows if not row[1] or not row[3].strip("| ")] == []
    assert "| `encoder.tuning` | `full`, `frozen` | `frozen` |" in page
    assert "| `decoder.tuning` | `full`, `frozen` | `full` |" in page


def test_the_demo_runs(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "demo.py")], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "G05" in done.stdout
    assert "no findings" in done.stdout


def test_the_readme_shows_what_the_command_prints() -> None:
    """The capture in the README is made by `examples/readme_capture.py`."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "readme_capture.py"), "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
