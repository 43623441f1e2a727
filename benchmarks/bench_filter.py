"""`mmdata filter` of JSON Lines against the loop people write by hand, and `datasets.filter` where installed."""

from __future__ import annotations

from importlib.util import find_spec

from benchmarks import data
from benchmarks.harness import compare, label, show


def main(runs: int = 3, megabytes: int = 50) -> None:
    """Print thousand records a second, ratios and peak memory."""
    path = data.jsonl(megabytes)
    filters = ["json_filter", "mmdata_filter"]
    if find_spec("datasets") is not None:
        filters.append("hf_datasets_filter")
    show(f"filter, {megabytes} MB of InternVL JSONL", compare(filters, path, runs=runs), label("json_filter"))


if __name__ == "__main__":
    main()
