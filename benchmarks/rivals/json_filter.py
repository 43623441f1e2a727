"""What people write by hand: json.loads, a test, the line written out again."""

import json
import os

LABEL = "json.loads loop"


def run(path: str) -> int:
    """Keep the records with a long text."""
    out, count = f"{path}.filtered-json.jsonl", 0
    with open(path, encoding="utf-8") as lines, open(out, "w", encoding="utf-8") as kept:
        for line in lines:
            record = json.loads(line)
            count += 1
            turns = record["conversations"]
            if len(turns) >= 2 and sum(len(t["value"]) for t in turns) > 300:
                kept.write(line)
    os.unlink(out)
    return count
