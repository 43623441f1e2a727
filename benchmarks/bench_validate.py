"""Validation with every check against parsing alone and against peers, one process and two."""

from __future__ import annotations

from benchmarks import data
from benchmarks.harness import compare, show

FAST = ["json_loads", "orjson_loads", "mmdata_validate", "mmdata_validate_2"]
SLOW = ["json_loads", "pydantic_naive", "jsonschema_lib", "hf_datasets", "mmdata_validate"]


def main(runs: int = 5) -> None:
    """Print the tables."""
    files = {
        "InternVL JSONL, 200 MB": data.jsonl(200),
        "GeoPixel array, 300 MB, compact": data.array(300),
        "GeoPixel array, 300 MB, indented": data.array(300, indent=4),
    }
    for title, path in files.items():
        show(f"{title}: against parsing alone", compare(FAST, path, runs=runs), base="json")
    show(
        "InternVL JSONL, 20 MB: against peers",
        compare(SLOW, data.jsonl(20), runs=max(3, runs // 2)),
        base="json",
    )


if __name__ == "__main__":
    main()
