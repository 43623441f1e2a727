"""Merge, filter, deduplicate, split and compare: a data set made ready, with every record accounted for."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

COMMANDS = [
    ["merge", "a.jsonl", "b.jsonl", "-o", "all.jsonl", "--duplicate-ids", "rename"],
    ["filter", "all.jsonl", 'text_length > 20 and field("source") != "spam"', "-o", "good.jsonl"],
    ["dedup", "good.jsonl", "--by", "content", "-o", "unique.jsonl"],
    ["split", "unique.jsonl", "--parts", "train=0.8,val=0.2", "--by", "media"],
    ["sample", "unique-train.jsonl", "-n", "5", "--seed", "7", "-o", "small.jsonl"],
    ["diff", "unique.jsonl", "unique-train.jsonl", "--max-findings", "2"],
]


def record(number: int, source: str) -> str:
    """One record as a line."""
    turns = [
        {"from": "human", "value": "<image>\nWhat is it?"},
        {"from": "gpt", "value": f"Thing {number % 7}"},
    ]
    return (
        json.dumps({"id": number, "image": f"{number % 10}.png", "conversations": turns, "source": source})
        + "\n"
    )


def main(folder: str) -> None:
    """Write two files into `folder` and run every command there."""
    Path(folder, "a.jsonl").write_text("".join(record(i, "web" if i % 4 else "spam") for i in range(40)))
    Path(folder, "b.jsonl").write_text("".join(record(i, "web") for i in range(30, 60)))
    for command in COMMANDS:
        print(f"\n$ mmdata {' '.join(command)}", flush=True)
        code = "from mmdata.cli import main; main()"
        done = subprocess.run([sys.executable, "-c", code, *command], cwd=folder)
        if done.returncode == 2:
            sys.exit(2)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(sys.argv[1])
    else:
        with tempfile.TemporaryDirectory() as made:
            main(made)
