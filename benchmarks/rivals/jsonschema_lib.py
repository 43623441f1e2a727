"""The jsonschema library with the project's JSON Schema, on the first `LIMIT` records: it is slow."""

import json
from itertools import islice

import jsonschema

from mmdata.schema_export import schema

LABEL = "jsonschema"
LIMIT = 5_000


def run(path: str) -> int:
    """Validate types of at most `LIMIT` records."""
    name = "internvl" if path.endswith(".jsonl") else "geopixel"
    validator = jsonschema.Draft202012Validator(schema(name, record=True))
    with open(path, encoding="utf-8") as file:
        records = map(json.loads, file) if path.endswith(".jsonl") else iter(json.load(file))
        return sum(1 for record in islice(records, LIMIT) if validator.is_valid(record))
