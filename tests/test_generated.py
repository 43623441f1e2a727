"""Generated files are what the code says, and the examples run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from mmdata.generated import stale

ROOT = Path(__file__).parent.parent


def test_generated_files_are_current() -> None:
    assert stale() == []


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
