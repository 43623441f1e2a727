"""``python -m benchmarks [NAME... [SIZE...]] [--runs N]``: the named benchmarks, or all that install nothing."""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from pathlib import Path

parser = argparse.ArgumentParser(description=__doc__)
found = sorted(p.stem.removeprefix("bench_") for p in Path(__file__).parent.glob("bench_*.py"))
parser.add_argument(
    "names",
    nargs="*",
    metavar="NAME",
    help=f"{', '.join(found)}; masks may be followed by sizes: masks 256 800",
)
parser.add_argument("--runs", type=int, help="runs of each peer; each benchmark has its own default")
arguments = parser.parse_args()
names = [word for word in arguments.names if not word.isdigit()]
if unknown := [name for name in names if name not in found]:
    parser.error(f"no benchmark {', '.join(unknown)}; there are {', '.join(found)}")
sys.argv[1:] = arguments.names  # a benchmark reads its sizes there, and must not take the runs for one
for name in names or found:
    module = import_module(f"benchmarks.bench_{name}")
    if not names and getattr(module, "ON_REQUEST", False):
        print(f"\nleft out, since it installs its peers or wants a GPU: python -m benchmarks {name}")
        continue
    module.main(arguments.runs) if arguments.runs else module.main()
