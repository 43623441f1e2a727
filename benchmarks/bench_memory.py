"""Peak memory of validation over file sizes: it must not grow with the file."""

from __future__ import annotations

from benchmarks import data
from benchmarks.harness import label, measure


def main(runs: int = 1) -> None:
    """Print peak resident memory for files of growing size, libraries included."""
    del runs
    print("\npeak resident memory of one process, MiB (libraries included)")
    for title, path in (
        ("InternVL JSONL, 20 MB", data.jsonl(20)),
        ("InternVL JSONL, 200 MB", data.jsonl(200)),
        ("GeoPixel array, 30 MB", data.array(30)),
        ("GeoPixel array, 300 MB", data.array(300)),
    ):
        ours, theirs = measure("mmdata_validate", path)[3] / 1024, measure("json_loads", path)[3] / 1024
        print(f"{title:<26}mmdata {ours:>6.0f}   json {theirs:>6.0f}")
    for name in ("mmdata_validate", "mmdata_validate_2"):
        records, wall, _, peak = measure(name, data.long_jsonl(10))
        print(
            f"InternVL JSONL, 10 GB     {label(name)} {peak / 1024:>6.0f}   {records} records, {wall:.0f} s"
        )


if __name__ == "__main__":
    main()
