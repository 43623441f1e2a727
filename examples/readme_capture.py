"""Put a real terminal capture of a finding into the README: ``python examples/readme_capture.py [--check]``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from make_data import main as make_data

README = Path(__file__).resolve().parent.parent / "README.md"
BEGIN, END = "<!-- capture -->\n\n```text\n", "```\n\n<!-- /capture -->"


def capture() -> str:
    """What `mmdata validate` prints of a file with one [SEG] too few."""
    with tempfile.TemporaryDirectory() as folder:
        home = make_data(os.path.join(folder, "data"))
        records = json.loads((home / "geopixel.json").read_text())[:2]
        records[1]["conversations"][1]["value"] = "One <p> tank </p> [SEG] is left."
        (home / "train.json").write_text(json.dumps(records, indent=2))
        command = [
            sys.executable,
            "-c",
            "from mmdata.cli import main; main()",
            "validate",
            "train.json",
            "--select",
            "G05",
        ]
        return subprocess.run(command, cwd=home, capture_output=True, text=True, check=False).stdout


def main() -> int:
    """Write the capture, or compare it with ``--check``."""
    text = README.read_text("utf-8")
    start, end = text.index(BEGIN) + len(BEGIN), text.index(END)
    if "--check" in sys.argv:
        if text[start:end] == capture():
            return 0
        print("README.md shows another output than mmdata prints; run examples/readme_capture.py")
        return 1
    README.write_text(text[:start] + capture() + text[end:], "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
