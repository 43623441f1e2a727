"""`orjson.loads` a line, or of the whole array."""

import orjson

LABEL = "orjson"


def run(path: str) -> int:
    """Parse, check nothing."""
    with open(path, "rb") as file:
        if path.endswith(".jsonl"):
            return sum(1 for line in file if orjson.loads(line))
        return len(orjson.loads(file.read()))
