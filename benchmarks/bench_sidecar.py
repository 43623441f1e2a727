"""Reading a GeoPixel polygon file of 100 000 points, nesting checked, against `orjson.loads` alone."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from statistics import median

import orjson

from benchmarks import data


def main(runs: int = 15) -> None:
    """Print the ratio of the medians of interleaved runs."""
    from mmdata.masks.rings import load_polygon_file

    blob = data.sidecar().read_bytes()
    times: dict[str, list[float]] = {"orjson.loads": [], "mmdata": []}
    work: dict[str, Callable[[bytes], object]] = {"orjson.loads": orjson.loads, "mmdata": load_polygon_file}
    for _ in range(runs):
        for name, function in work.items():
            gc.collect()
            gc.disable()
            start = time.perf_counter()
            function(blob)
            times[name].append(time.perf_counter() - start)
            gc.enable()
    base = median(times["orjson.loads"])
    print(f"\npolygon file, 100 000 points, {len(blob) / 1e6:.1f} MB (collector off for both)")
    for name, values in times.items():
        print(f"{name:<22}{1000 * median(values):>8.1f} ms   x orjson.loads {base / median(values):.2f}")


if __name__ == "__main__":
    main()
