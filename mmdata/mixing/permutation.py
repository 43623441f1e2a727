"""Random orders that are computed, not stored: position -> index, any position at once.

A keyed Feistel network permutes the numbers below the next power of two; a result that is not below `n` is permuted
again (cycle walking) until it is. Both are bijections, so every index below `n` comes exactly once. `draw` is the
counterpart with replacement. Both are pure functions of (key, position), vectorised over positions.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]
Keys = NDArray[np.uint64]

ROUNDS = 6
SMALL = 4096
"""Shorter orders are simply shuffled and kept: a network over few bits cannot reach all orders alike."""

_CHUNK = 1 << 15
"""Positions handled at a time, so that the intermediate results stay in the cache."""


def key_of(*parts: int | str) -> int:
    """A 64-bit key from words and numbers: the same on every machine and in every process."""
    text = "\0".join(f"{type(p).__name__}:{p}" for p in parts).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")


def mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Scramble 64-bit numbers (the finaliser of SplitMix64); a bijection.

    Args:
        values: uint64 array of any shape; not changed.
    """
    with np.errstate(over="ignore"):
        x = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return x ^ (x >> np.uint64(31))


def stream(key: int | Keys, counters: Indices) -> NDArray[np.uint64]:
    """A random 64-bit number for each counter, the same for the same key.

    Args:
        key: 64 bits, one for all or one for each counter.
        counters: int64 array.
    """
    start = np.uint64(key) if isinstance(key, int) else key
    with np.errstate(over="ignore"):
        return mix(mix(counters.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + start) + start)


def draw(key: int | Keys, counters: Indices, n: int | Indices) -> Indices:
    """An index below `n` for each counter, drawn with replacement.

    The bias is below n / 2^53.

    Args:
        key: see `stream`.
        counters: int64 array.
        n: how many to choose from, one number or one for each counter.
    """
    unit = (stream(key, counters) >> np.uint64(11)).astype(np.float64) * 2.0**-53
    found: Indices = np.minimum((unit * n).astype(np.int64), np.asarray(n) - 1)
    return found


class Permutation:
    """The numbers below `n` in a random order that is never stored.

    ``order[position]`` and ``order.take(positions)`` cost the same for every position.

    Args:
        n: how many; at least 0, below 2^62.
        key: 64 bits that choose the order; see `key_of`.
    """

    def __init__(self, n: int, key: int) -> None:
        if not 0 <= n < 1 << 62:
            raise ValueError(f"a permutation has between 0 and 2^62 members, got {n}")
        self.n = n
        self.key = key
        self._table: Indices | None = None
        if n <= SMALL:
            self._table = np.argsort(stream(key, np.arange(n, dtype=np.int64)), kind="stable").astype(
                np.int64
            )
            return
        bits = (n - 1).bit_length()
        low = bits // 2
        self._type: Any = np.uint32 if bits <= 32 else np.uint64
        width = 32 if bits <= 32 else 64
        seeds = stream(key, np.arange(2 * ROUNDS, dtype=np.int64))
        self._adds = [self._type(int(s) & ((1 << width) - 1)) for s in seeds[:ROUNDS]]
        self._factors = [self._type((int(s) | 1) & ((1 << width) - 1)) for s in seeds[ROUNDS:]]
        self._low = self._type(low)
        self._masks = (self._type((1 << low) - 1), self._type((1 << (bits - low)) - 1))
        self._fold = self._type(width // 2)
        # The best bits of a product are its upper ones.
        self._tops = (self._type(width - low), self._type(width - (bits - low)))

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, position: int) -> int:
        if not 0 <= position < self.n:
            raise IndexError(f"position {position} of {self.n}")
        return int(self.take(np.array([position], dtype=np.int64))[0])

    def take(self, positions: Indices) -> Indices:
        """The indices at many positions.

        Args:
            positions: int64 array of numbers in [0, n), one axis.

        Returns:
            int64 array of the same length.
        """
        if self._table is not None:
            return self._table[positions]
        result = np.empty(len(positions), dtype=np.int64)
        for start in range(0, len(positions), _CHUNK):
            result[start : start + _CHUNK] = self._walk(positions[start : start + _CHUNK].astype(self._type))
        return result

    def _walk(self, values: NDArray[Any]) -> NDArray[Any]:
        out = self._once(values)
        again = np.flatnonzero(out >= self.n)
        while len(again):
            moved = self._once(out[again])
            out[again] = moved
            again = again[moved >= self.n]
        return out

    def _once(self, values: NDArray[Any]) -> NDArray[Any]:
        """The Feistel network, once: each round changes one part by a function of the other."""
        parts = [values & self._masks[0], values >> self._low]
        with np.errstate(over="ignore"):
            for number in range(ROUNDS):
                here = number & 1
                x = parts[1 - here] + self._adds[number]
                x *= self._factors[number]
                x ^= x >> self._fold
                x *= self._factors[ROUNDS - 1 - number]
                x >>= self._tops[here]
                parts[here] ^= x
        parts[1] <<= self._low
        parts[1] |= parts[0]
        return parts[1]


__all__ = ["Indices", "Permutation", "draw", "key_of", "mix", "stream"]
