"""Data order: a pure function of (seed, epoch, position). No state, O(1) memory, the same on every rank."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from mmdata.errors import UsageError
from mmdata.mixing.plan import EpochPlan


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
        UsageError: there is nothing to train on.
    """

    def __init__(self, plan: Callable[[int], EpochPlan], epochs: float | None) -> None:
        self.epoch = lru_cache(16)(plan)
        self.epoch_length = len(self.epoch(0))
        if self.epoch_length == 0:
            raise UsageError("data: no records to train on")
        # As a person wrote it: a tenth of 30 samples is 3, not the next whole number above 3.0000000000000004.
        self.length = None if epochs is None else math.ceil(Fraction(str(epochs)) * self.epoch_length)

    def __getitem__(self, position: int) -> Place:
        return self.places([position])[0]

    def places(self, positions: Sequence[int]) -> list[Place]:
        """What stands at many positions.

        Raises:
            IndexError: there is no such position.
        """
        for position in positions:
            if position < 0 or (self.length is not None and position >= self.length):
                raise IndexError(position)
        numbers = np.array(positions, dtype=np.int64)
        epochs, at = np.divmod(numbers, self.epoch_length)
        sources, records = np.empty_like(at), np.empty_like(at)
        for epoch in np.unique(epochs).tolist():
            here = np.flatnonzero(epochs == epoch)
            sources[here], records[here] = self.epoch(epoch).take(at[here])
        columns = (positions, epochs.tolist(), sources.tolist(), records.tolist())
        return [Place(*one) for one in zip(*columns, strict=True)]


class OrderHash:
    """Digest of every sample trained on so far, in order: equal digests mean equal data order.

    Args:
        digest: to go on from, as `hexdigest` gave it.
    """

    def __init__(self, digest: str = "") -> None:
        self.hexdigest = digest

    def update(self, rows: Sequence[Sequence[Place]]) -> None:
        """Add one step: the places of each row; they count with file, record and turn."""
        text = f"{self.hexdigest}{[[tuple(place) for place in row] for row in rows]}"
        self.hexdigest = hashlib.sha256(text.encode()).hexdigest()[:32]
