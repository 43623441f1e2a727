"""dedup of a JSON Lines file against the loop people write by hand; for filter see `bench_filter`."""

from __future__ import annotations

from benchmarks import data
from benchmarks.harness import compare, label, show


def main(runs: int = 3, megabytes: int = 50) -> None:
    """Print thousand records a second, ratios and peak memory."""
    peers = ["json_dedup", "mmdata_dedup"]
    found = compare(peers, data.jsonl(megabytes), runs=runs)
    show(f"dedup by content, {megabytes} MB", found, label("json_dedup"))


if __name__ == "__main__":
    main()
