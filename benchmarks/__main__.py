"""``python -m benchmarks [NAME...] [--runs N]``: run the named benchmarks, or all of them."""

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
    main = import_module(f"benchmarks.bench_{name}").main
    main(arguments.runs) if arguments.runs else main()
