"""The examples about masks run and say what they promise."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.mark.parametrize(
    "name, says",
    [
        ("tensors.py", "equal to resizing the full masks: True"),
        ("rasterize.py", "png: 6 records, 6 with masks, 6 files"),
    ],
)
def test_example(name: str, says: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name)], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert says in done.stdout
