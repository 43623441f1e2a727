"""Time peers in processes of their own, in turns, and print ratios of medians."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

DATA = Path(__file__).parent / ".data"

_CHILD = """
import importlib, json, resource, sys, threading, time
rival = importlib.import_module("benchmarks.rivals." + sys.argv[1])
held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
cpu, wall = time.process_time(), time.perf_counter()
records = rival.run(sys.argv[2])
wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(json.dumps([records, wall, cpu, max(peak, child)]))
"""


@dataclass
class Figure:
    """What runs of one peer on one file showed.

    Attributes:
        label: the peer.
        rate: records a second, the median over the runs, by wall clock.
        peak: largest resident memory of one process, in MiB, libraries included.
    """

    label: str
    rate: float
    peak: float


def compare(
    rivals: list[str], path: Path, *, runs: int = 5, pythons: Mapping[str, Path] | None = None
) -> list[Figure]:
    """Run the peers on a file, shuffled in every round so that a slow minute of the machine hits all alike.

    Args:
        rivals: modules of `benchmarks.rivals`.
        path: the file.
        runs: rounds.
        pythons: rival -> interpreter, for those with an environment of their own.
    """
    rates: dict[str, list[float]] = {name: [] for name in rivals}
    peaks: dict[str, float] = dict.fromkeys(rivals, 0.0)
    for _ in range(runs):
        for name in random.sample(rivals, len(rivals)):
            records, wall, _, peak = measure(name, path, (pythons or {}).get(name))
            rates[name].append(records / wall)
            peaks[name] = max(peaks[name], peak / 1024)
    return [Figure(label(name), median(rates[name]), peaks[name]) for name in rivals]


def measure(name: str, path: Path, python: Path | None = None) -> tuple[int, float, float, float]:
    """One run: records, wall seconds, CPU seconds of the process itself, peak resident KiB."""
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent), "HF_HUB_OFFLINE": "1"}
    # An installed package has its byte code beside it; a shell that forbids it would time the compiler.
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    done = subprocess.run(
        [str(python or sys.executable), "-c", _CHILD, name, str(path)],
        capture_output=True,
        text=True,
        env=env,
    )
    if done.returncode:
        raise RuntimeError(f"{name}: {done.stderr.strip().splitlines()[-1]}")
    records, wall, cpu, peak = json.loads(done.stdout.splitlines()[-1])
    return records, wall, cpu, peak


def label(name: str) -> str:
    """A peer's label, read without importing its libraries."""
    text = (Path(__file__).parent / "rivals" / f"{name}.py").read_text()
    return next(line.split('"')[1] for line in text.splitlines() if line.startswith("LABEL"))


def show(title: str, figures: list[Figure], base: str) -> None:
    """Print a table: thousand records a second, ratio to `base`, peak memory."""
    reference = next(f.rate for f in figures if f.label == base)
    print(f"\n{title}\n{'':<22}{'k records/s':>12}{'x ' + base:>14}{'peak MiB':>10}")
    for f in figures:
        print(f"{f.label:<22}{f.rate / 1000:>12.1f}{f.rate / reference:>14.2f}{f.peak:>10.0f}")
