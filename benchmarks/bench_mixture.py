"""An epoch plan over 10⁸ records: memory and indices a second, against `numpy.random.permutation` of the same length.

Each peer runs in a process of its own. The permutation must be made and held before the first index is there; the plan has
nothing to make. Both then hand out the whole epoch in order, a slice at a time, as (data set, record).
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from statistics import median

RECORDS = 100_000_000

_START = """
import json, resource, sys, time
import numpy as np
n = int(sys.argv[1])
sizes = {"a": n * 6 // 10, "b": n * 3 // 10, "c": n - n * 6 // 10 - n * 3 // 10}
"""

_PLAN = """
import mmdata
from mmdata.mixing import mixture
held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
start = time.perf_counter()
plan = mmdata.Mixture(dict.fromkeys(sizes, 1), records=sizes).plan(seed=1)
plan[0]
first = time.perf_counter() - start
total = 0
for at in range(0, n, 1 << 16):
    source, record = plan.take(np.arange(at, min(at + (1 << 16), n)))
    total += len(record)
"""

_NUMPY = """
held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
start = time.perf_counter()
bounds = np.cumsum([0, *sizes.values()])
order = np.random.default_rng(1).permutation(n)
order[0]
first = time.perf_counter() - start
total = 0
for at in range(0, n, 1 << 16):
    part = order[at : at + (1 << 16)]
    source = np.searchsorted(bounds, part, side="right") - 1
    record = part - bounds[source]
    total += len(record)
"""

_END = """
whole = time.perf_counter() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
assert total == n
print(json.dumps([first, whole, peak / 1024, (peak - held) / 1024]))
"""


def main(runs: int = 3, records: int = RECORDS) -> None:
    """Print time to the first index, indices a second and memory of both, and the ratios."""
    code = {"numpy permutation": _NUMPY, "mmdata plan": _PLAN}
    found: dict[str, list[list[float]]] = {name: [] for name in code}
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    for _ in range(runs):
        for name in random.sample(sorted(code), len(code)):
            command = [sys.executable, "-c", _START + code[name] + _END, str(records)]
            done = subprocess.run(command, capture_output=True, text=True, env=env, check=True)
            found[name].append(json.loads(done.stdout))
    print(f"\nepoch plan, {records:,} records of three data sets")
    print(f"{'':<20}{'first index':>14}{'M indices/s':>13}{'x numpy':>9}{'peak MiB':>10}{'grown MiB':>11}")
    base = median(r[1] for r in found["numpy permutation"])
    for name, rows in found.items():
        first, whole, peak, grown = (median(r[i] for r in rows) for i in range(4))
        print(
            f"{name:<20}{first * 1000:>11.1f} ms{records / whole / 1e6:>13.1f}{base / whole:>9.2f}{peak:>10.0f}{grown:>11.0f}"
        )


if __name__ == "__main__":
    main()
