"""``python -m benchmarks [NAME...] [--runs N]``: run the named benchmarks, or all that install nothing."""

from __future__ import annotations

import argparse
from importlib import import_module
from pathlib import Path

parser = argparse.ArgumentParser(description=__doc__)
found = sorted(p.stem.removeprefix("bench_") for p in Path(__file__).parent.glob("bench_*.py"))
parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(found))
parser.add_argument("--runs", type=int, help="runs of each peer; each benchmark has its own default")
arguments = parser.parse_args()
for name in arguments.names or found:
    module = import_module(f"benchmarks.bench_{name}")
    if not arguments.names and getattr(module, "ON_REQUEST", False):
        print(f"\nleft out, since it installs its peers: python -m benchmarks {name}")
        continue
    module.main(arguments.runs) if arguments.runs else module.main()
