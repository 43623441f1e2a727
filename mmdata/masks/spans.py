"""Spans: runs of 1s as (start, end), end exclusive, in the column-major pixel sequence."""

from __future__ import annotations

import numpy as np

from mmdata.masks.run_lengths import Runs


def deeper(start: Runs, end: Runs, depth: int) -> tuple[Runs, Runs]:
    """The spans (start, end) that at least `depth` of the given spans cover, in order, none adjoining another."""
    at = np.concatenate([start, end])
    order = np.argsort(at, kind="stable")
    at = at[order]
    change = np.where(order < len(start), 1, -1)
    level = np.cumsum(change)
    # Several changes at one place count together: only the last level there stands.
    last = np.flatnonzero(np.append(at[1:] != at[:-1], True)) if len(at) else np.empty(0, np.int64)
    inside = level[last] >= depth
    turn = np.flatnonzero(inside != np.concatenate([[False], inside[:-1]]))
    edges = at[last[turn]]
    return edges[0::2], edges[1::2]


def lengths_between(start: Runs, end: Runs, total: int) -> Runs:
    """Run lengths int64 (m,), starting with 0s, of ascending spans that do not touch, in `total` pixels."""
    edges = np.empty(2 * len(start) + 2, np.int64)
    edges[0], edges[1:-1:2], edges[2:-1:2], edges[-1] = 0, start, end, total
    lengths = np.diff(edges)
    return lengths if lengths[-1] else lengths[:-1]
