"""Conversion with its output checks against ``json.loads`` + ``json.dumps`` of the same records, in turns.

``python -m benchmarks.bench_convert``; the ratio is the rate of `mmdata.convert` over that of the json module.
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from statistics import median

from mmdata.conversion import convert

RECORDS = 8000
ROUNDS = 3


def records(path: Path) -> None:
    """Six turns and a picture each."""
    talk = [
        {
            "from": "gpt" if turn % 2 else "human",
            "value": ("" if turn else "<image>\n") + "What can be seen in this picture of a harbour? " * 4,
        }
        for turn in range(6)
    ]
    with path.open("w") as file:
        for number in range(RECORDS):
            row = {"id": number, "image": f"images/{number % 997}.jpg", "conversations": talk}
            file.write(json.dumps(row) + "\n")


def main() -> None:
    """Print records a second and the ratio."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "in.jsonl"
        records(path)
        ratios = []
        for _ in range(ROUNDS):
            start = time.perf_counter()
            with path.open() as file, (Path(folder) / "copy.jsonl").open("w") as out:
                for line in file:
                    out.write(json.dumps(json.loads(line)) + "\n")
            middle = time.perf_counter()
            convert(path, Path(folder) / "out", to="xcomposer", format="internvl", force=True)
            end = time.perf_counter()
            ratios.append((middle - start) / (end - middle))
            print(
                f"json {RECORDS / (middle - start):,.0f} records/s, convert {RECORDS / (end - middle):,.0f}"
            )
        print(f"convert internvl -> xcomposer, carry and checks on: {median(ratios):.2f} x json")


if __name__ == "__main__":
    main()
