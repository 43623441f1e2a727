"""Validation with every check against the data loading of ms-swift and LLaMA-Factory, on the same records.

Each peer has an environment of its own below ``benchmarks/.data/venvs``, since the versions of `datasets` that they
want exclude each other. The first run installs them, some 4 GB. What is timed is the peer's own loading of the rows that
it trains on, in its own process, after its imports.
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
    figures = compare([*pythons, "mmdata_validate"], path, runs=runs, pythons=pythons)
    show(f"InternVL-like records, {MEGABYTES} MB: loading against validating", figures, base="mmdata")
    ours = next(figure.rate for figure in figures if figure.label == "mmdata")
    for name, figure in zip(pythons, figures, strict=False):
        print(f"mmdata validate: {ours / figure.rate:.1f} x the records a second of {figure.label}")
        print(f"  {figure.label} {constant(name, 'DOES')}")
    print(
        "  mmdata types every key, runs every check of the format, names record, line and pointer; media off"
    )


if __name__ == "__main__":
    main()
