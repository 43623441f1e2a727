"""Conversion against the preprocessing of ms-swift and LLaMA-Factory, on the same records.

As `benchmarks.bench_loaders`, whose environments it shares: what is timed is the peer's own loading of the rows that it trains
on, into its own layout, in its own process, after its imports.
"""

from __future__ import annotations

from benchmarks import data
from benchmarks.harness import compare, show
from benchmarks.venvs import constant, pythons_of

PEERS = ("ms_swift", "llama_factory")
MEGABYTES = 50

ON_REQUEST = True
"""It installs its peers: it runs when it is named."""


def main(runs: int = 3) -> None:
    """Print the table, what each peer does, and why one is missing."""
    pythons = pythons_of(PEERS)
    path = data.for_loaders(MEGABYTES)
    figures = compare([*pythons, "json_convert", "mmdata_convert"], path, runs=runs, pythons=pythons)
    show(f"InternVL-like records, {MEGABYTES} MB: preprocessing against converting", figures, base="mmdata")
    ours = next(figure.rate for figure in figures if figure.label == "mmdata")
    for name, figure in zip(pythons, figures, strict=False):
        print(f"mmdata convert: {ours / figure.rate:.1f} x the records a second of {figure.label}")
        print(f"  {figure.label} {constant(name, 'DOES')}")
    print(
        "  mmdata translates, carries the original, checks the output as its trainer reads it, writes files"
    )


if __name__ == "__main__":
    main()
