"""The least that any script does: `json.loads` and `json.dumps` of each record, nothing translated, nothing checked."""

import json
import os

LABEL = "json"


def run(path: str) -> int:
    """Write every record again."""
    out = f"{path}.json-copy"
    count = 0
    with open(out, "w", encoding="utf-8") as written:
        if path.endswith(".jsonl"):
            with open(path, encoding="utf-8") as file:
                for line in file:
                    written.write(json.dumps(json.loads(line)) + "\n")
                    count += 1
        else:
            with open(path, encoding="utf-8") as file:
                for record in json.load(file):
                    written.write(json.dumps(record) + "\n")
                    count += 1
    os.unlink(out)
    return count
