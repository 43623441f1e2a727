"""What people write by hand: json.loads, sorted json.dumps without the id, a set."""

import json
import os

LABEL = "json and a set"


def run(path: str) -> int:
    """Keep the first of records that are equal but for their id."""
    out, count, seen = f"{path}.dedup-json.jsonl", 0, set()
    with open(path, encoding="utf-8") as lines, open(out, "w", encoding="utf-8") as kept:
        for line in lines:
            record = json.loads(line)
            count += 1
            record.pop("id", None)
            key = json.dumps(record, sort_keys=True)
            if key not in seen:
                seen.add(key)
                kept.write(line)
    os.unlink(out)
    return count
