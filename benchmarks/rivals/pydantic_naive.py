"""The project's own pydantic types, applied to every record: types only, no checks."""

import json

from schemas import GeoPixelRecord, InternVLRecord

LABEL = "pydantic"


def run(path: str) -> int:
    """Validate types, check nothing else."""
    if path.endswith(".jsonl"):
        with open(path, "rb") as file:
            return sum(1 for line in file if InternVLRecord.model_validate_json(line))
    with open(path, encoding="utf-8") as file:
        return sum(1 for record in json.load(file) if GeoPixelRecord.model_validate(record))
