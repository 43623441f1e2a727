"""From rows to micro-batches: which rank trains what, decoded in worker processes ahead of time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from mmdata.errors import DataError
from mmtrain.data.collate import Batch, packed, padded
from mmtrain.data.encode import Encoded
from mmtrain.data.order import Order, OrderHash, Place
from mmtrain.data.packing import Rows, State
from mmtrain.data.sources import BadSample, Reader
from mmtrain.losses import Reduction


@dataclass(slots=True)
class Job:
    """What one worker makes one micro-batch of.

    Attributes:
        places: the samples.
        step: whether it is the last micro-batch of its optimizer step, and then what stands after it.
        bad: samples that measuring found unusable.
    """

    places: list[Place]
    step: StepEnd | None
    bad: list[BadSample]


@dataclass(frozen=True, slots=True)
class StepEnd:
    """Where the data stand after an optimizer step.

    Attributes:
        state: of the rows.
        order_hash: of all positions trained on.
        epoch: samples taken so far by samples of an epoch.
    """

    state: State
    order_hash: str
    epoch: float


class Jobs:
    """The micro-batches of one rank, in order; a step takes its rows from all ranks' common list.

    Args:
        order: the data order.
        rows: the rows; every rank makes the same.
        rank: of this process.
        world: number of ranks.
        batch: rows of a micro-batch.
        accumulation: micro-batches of a step.
        order_hash: to go on from.
    """

    def __init__(
        self,
        order: Order,
        rows: Rows,
        *,
        rank: int,
        world: int,
        batch: int,
        accumulation: int,
        order_hash: str = "",
    ) -> None:
        self.order, self.rows = order, rows
        self.rank, self.world, self.batch, self.accumulation = rank, world, batch, accumulation
        self.order_hash = OrderHash(order_hash)

    def __iter__(self) -> Iterator[Job]:
        each = self.batch
        while rows := self.rows.take(each * self.accumulation * self.world):
            found = iter(self.order.places([p for row in rows for p in row]))
            placed = [list(islice(found, len(row))) for row in rows]
            self.order_hash.update(placed)
            state = self.rows.snapshot()
            end = StepEnd(state, self.order_hash.hexdigest, state.taken / self.order.epoch_length)
            bad, self.rows.bad = self.rows.bad, []
            for micro in range(self.accumulation):
                at = (micro * self.world + self.rank) * each
                places = [place for row in placed[at : at + each] for place in row]
                last = micro == self.accumulation - 1
                yield Job(places, end if last else None, bad if last and self.rank == 0 else [])


class Batches:
    """Makes a `Batch` of a `Job`; used as a map-style data set whose indices are jobs.

    Args:
        reader: reads and encodes.
        packing: one packed sequence, or rows padded to the longest.
        filler: whether batches without a picture get one of zeros.
        reduction: weight of tokens.
        stop: whether a bad sample ends the run.
    """

    def __init__(
        self, reader: Reader, *, packing: bool, filler: bool, reduction: Reduction, stop: bool
    ) -> None:
        self.reader = reader
        self.packing, self.filler, self.reduction, self.stop = packing, filler, reduction, stop
        self._dummy: Encoded | None = None

    def __getitem__(self, job: Job) -> Batch | DataError:
        """The batch, or why the run must stop; it is returned because a worker would wrap what is raised."""
        bad = list(job.bad)
        samples: list[Encoded] = []
        for place in job.places:
            one = self.reader.encode(place.source, place.record)
            if isinstance(one, BadSample):
                bad.append(one)
            else:
                samples.append(one)
        if bad and self.stop:
            return DataError(f"{bad[0]} (on_bad_sample: quarantine leaves such samples out and lists them)")
        batch = self.collate(samples)
        batch.notes = {"bad": bad, "step": job.step}
        return batch

    def collate(self, samples: list[Encoded]) -> Batch:
        """Encoded samples as a batch."""
        if self._dummy is None:
            self._dummy = self.reader.encoder.dummy()
        filler = self._dummy if self.filler or not samples else None
        if self.packing:
            return packed(samples, filler, self.reduction)
        pad = self.reader.encoder.tokenizer.pad_token_id or 0
        return padded(samples, filler, self.reduction, pad)


def _identity(batch: Any) -> Any:
    return batch


def loader(
    jobs: Jobs, batches: Batches, *, workers: int, prefetch: int, pin: bool
) -> Iterator[Batch | DataError]:
    """Batches in the order of the jobs, made in `workers` processes (0: in this one).

    The jobs are made in this thread, where batches are taken: with them goes the exchange of sizes among ranks
    (`mmtrain.data.measuring`), which must stand in the same place on every rank.
    """
    import torch
    from torch.utils.data import DataLoader

    return iter(
        DataLoader(
            batches,  # type: ignore[arg-type]
            sampler=jobs,
            batch_size=None,
            collate_fn=_identity,
            num_workers=workers,
            prefetch_factor=prefetch if workers else None,
            multiprocessing_context="spawn" if workers else None,
            pin_memory=pin,
            generator=torch.Generator(),  # the loader draws a seed; the global state must not move when a run is resumed
        )
    )
