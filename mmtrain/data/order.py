"""Data order: a pure function of (seed, epoch, position). No state, O(1) memory, the same on every rank."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import NamedTuple, Protocol


class EpochPlan(Protocol):
    """One epoch's records in training order, looked up lazily."""

    def __len__(self) -> int: ...

    def __getitem__(self, i: int, /) -> tuple[int, int]:
        """(source, record) of place `i`."""
        ...


class Place(NamedTuple):
    """A record's turn in training."""

    position: int
    epoch: int
    source: int
    record: int


class Order:
    """The records of a whole run, one after the other: epoch 0, epoch 1, …

    Args:
        plan: gives an epoch's plan; all epochs must be of one length.
        epochs: how many; a fraction is rounded up to whole samples. None is endless.

    Raises:
        ValueError: there is nothing to train on.
    """

    def __init__(self, plan: Callable[[int], EpochPlan], epochs: float | None) -> None:
        self._plan = plan
        self._held: dict[int, EpochPlan] = {}
        self.epoch_length = len(self.epoch(0))
        if self.epoch_length == 0:
            raise ValueError("no records to train on")
        self.length = None if epochs is None else -int(-epochs * self.epoch_length // 1)

    def epoch(self, number: int) -> EpochPlan:
        """The plan of an epoch; the two last used are held."""
        if number not in self._held:
            self._held = {k: v for k, v in self._held.items() if k >= number - 1}
            self._held[number] = self._plan(number)
        return self._held[number]

    def __getitem__(self, position: int) -> Place:
        if position < 0 or (self.length is not None and position >= self.length):
            raise IndexError(position)
        epoch, i = divmod(position, self.epoch_length)
        source, record = self.epoch(epoch)[i]
        return Place(position, epoch, source, record)


class ShuffledPlan:
    """Every record of every source once, shuffled."""

    def __init__(self, lengths: list[int], seed: int, epoch: int) -> None:
        self.lengths = lengths
        self._total = sum(lengths)
        self._key = int.from_bytes(hashlib.sha256(f"{seed}/{epoch}".encode()).digest()[:8], "little")

    def __len__(self) -> int:
        return self._total

    def __getitem__(self, i: int) -> tuple[int, int]:
        if not 0 <= i < self._total:
            raise IndexError(i)
        i = permuted(i, self._total, self._key)
        for source, length in enumerate(self.lengths):
            if i < length:
                return source, i
            i -= length
        raise AssertionError


def permuted(i: int, n: int, key: int, rounds: int = 4) -> int:
    """Where a keyed permutation of 0 … n-1 takes `i`: a Feistel network on the next power of four, cycles walked."""
    half = max(1, ((n - 1).bit_length() + 1) // 2)
    mask = (1 << half) - 1
    while True:
        left, right = i >> half, i & mask
        for k in range(rounds):
            f = (right * 0x9E3779B1 + (key >> (16 * k)) * 0x85EBCA6B + k * 0xC2B2AE35) & 0xFFFFFFFF
            f ^= f >> 15
            f = (f * 0x2C1B3C6D) & 0xFFFFFFFF
            f ^= f >> 12
            left, right = right, left ^ (f & mask)
        i = (left << half) | right
        if i < n:
            return i


class OrderHash:
    """Digest of every sample trained on so far, in order: equal digests mean equal data order.

    Args:
        digest: to go on from, as `hexdigest` gave it.
    """

    def __init__(self, digest: str = "") -> None:
        self.hexdigest = digest

    def update(self, rows: list[list[int]]) -> None:
        """Add one step: the positions of each row."""
        self.hexdigest = hashlib.sha256(f"{self.hexdigest}{rows}".encode()).hexdigest()[:32]
