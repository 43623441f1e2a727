"""The example of containers runs and says that everything came back."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("pyarrow")

ROOT = Path(__file__).resolve().parents[3]


def test_example_runs() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "containers.py")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "the same annotations: True" in done.stdout
    assert "False" not in done.stdout
