"""Encoded samples as one batch: packed into a sequence, or padded."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.utils.data

from mmtrain.data.encode import IGNORED, Encoded
from mmtrain.losses import LABEL, Reduction, sample_weights


@dataclass(slots=True)
class Batch:
    """One micro-batch.

    Attributes:
        inputs: what the model is called with: ``input_ids`` (B, L), ``position_ids`` (B, L), or (4, 1, L) packed and
            (3, B, L) padded where a family has rotary positions, pixel inputs, and for a packed
            sequence ``cu_seq_lens_q`` (segments + 1,) int32.
        labels: (B, L) int64, `IGNORED` without loss, and at the first token of every segment.
        weights: (B, L) float32: weight of each label in the loss.
        samples: samples with labels in it.
        tokens: tokens in it, fillers not counted.
        counts: what loss terms are divided by, by unit: the weights of its labels and what its samples count.
        notes: anything that travels along (positions, bad samples, the state of the rows).
    """

    inputs: dict[str, torch.Tensor]
    labels: torch.Tensor
    weights: torch.Tensor
    samples: int
    tokens: int
    counts: dict[str, float]
    notes: dict[str, Any] = field(default_factory=dict)

    def to(self, device: torch.device, dtype: torch.dtype) -> Batch:
        """On a device, pixels in the model's dtype."""
        moved = {}
        for key, value in self.inputs.items():
            if key == "cu_seq_lens_q":  # read on the host, in every layer
                moved[key] = value
            else:
                kind = dtype if value.is_floating_point() else value.dtype
                moved[key] = value.to(device, kind, non_blocking=True)
        return Batch(
            moved,
            self.labels.to(device, non_blocking=True),
            self.weights.to(device, non_blocking=True),
            self.samples,
            self.tokens,
            self.counts,
            self.notes,
        )


def packed(samples: Sequence[Encoded], filler: Encoded | None, reduction: Reduction) -> Batch:
    """Samples end to end in one sequence; each sees only itself.

    Position ids begin at 0 in every segment, and no segment's first token has a label: it would be told by the segment
    before it.

    Args:
        samples: the samples; none gives a batch that trains nothing.
        filler: a segment with a picture and no labels, added where no sample has a picture (or there is no sample at
            all), so that every rank runs through the same modules. None adds nothing to samples.
        reduction: how tokens are weighted.

    Raises:
        ValueError: neither samples nor a filler.
    """
    segments = list(samples)
    if filler is not None and not any(s.media for s in segments):
        segments.append(filler)
    if not segments:
        raise ValueError("an empty batch needs a filler")
    lengths = [len(s.input_ids) for s in segments]
    labels = np.concatenate([s.labels for s in segments])
    starts = np.concatenate([[0], np.cumsum(lengths)])
    labels[starts[:-1]] = IGNORED
    weights = np.zeros(len(labels), np.float32)
    for start, end in pairwise(starts):
        weights[start:end] = sample_weights(labels[start:end], reduction)
    inputs = {
        "input_ids": torch.from_numpy(np.concatenate([s.input_ids for s in segments]))[None],
        "position_ids": _packed_positions(segments),
        "cu_seq_lens_q": torch.from_numpy(starts.astype(np.int32)),
        **_media(segments),
    }
    return Batch(
        inputs,
        torch.from_numpy(labels)[None],
        torch.from_numpy(weights)[None],
        len(samples),
        sum(lengths[: len(samples)]),
        _counts(weights, samples),
    )


def padded(samples: Sequence[Encoded], filler: Encoded | None, reduction: Reduction, pad: int) -> Batch:
    """A row for each sample, padded on the right.

    The filler's tokens follow the shortest row; nothing before them sees them.
    """
    rows = [(s.input_ids, s.labels) for s in samples]
    positions = [s.positions for s in samples]
    media = list(samples)
    real = [len(ids) for ids, _ in rows]
    if filler is not None and not any(s.media for s in samples):
        media.append(filler)
        if rows:
            k = min(range(len(rows)), key=lambda i: real[i])
            rows[k] = tuple(
                np.concatenate(pair) for pair in zip(rows[k], (filler.input_ids, filler.labels), strict=True)
            )  # type: ignore[assignment]
            positions[k] = _joined(positions[k], filler.positions)
        else:
            rows, positions = [(filler.input_ids, filler.labels)], [filler.positions]
    if not rows:
        raise ValueError("an empty batch needs a filler")
    longest = max(len(ids) for ids, _ in rows)
    shape = (len(rows), longest)
    ids, labels = np.full(shape, pad, np.int64), np.full(shape, IGNORED, np.int64)
    mask, weights = np.zeros(shape, np.int64), np.zeros(shape, np.float32)
    for i, (row, row_labels) in enumerate(rows):
        ids[i, : len(row)], labels[i, : len(row)], mask[i, : len(row)] = row, row_labels, 1
        labels[i, 0] = IGNORED
        weights[i] = sample_weights(labels[i], reduction)
    inputs = {
        "input_ids": torch.from_numpy(ids),
        "attention_mask": torch.from_numpy(mask),
        **_media(media),
    }
    if any(one is not None for one in positions):
        placed = np.zeros((3, *shape), np.int64)
        for i, one in enumerate(positions):
            if one is not None:
                placed[:, i, : one.shape[1]] = one
        inputs["position_ids"] = torch.from_numpy(placed)
    return Batch(
        inputs,
        torch.from_numpy(labels),
        torch.from_numpy(weights),
        len(samples),
        sum(real),
        _counts(weights, samples),
    )


def _counts(weights: np.ndarray, samples: Sequence[Encoded]) -> dict[str, float]:
    counts = {LABEL: float(weights.sum(dtype=np.float64))}
    for sample in samples:
        for unit, count in sample.counts.items():
            counts[unit] = counts.get(unit, 0.0) + count
    return counts


def _packed_positions(segments: Sequence[Encoded]) -> torch.Tensor:
    """(1, L), beginning at 0 in every segment; with rotary positions (4, 1, L), them after the plain ones."""
    plain = np.concatenate([np.arange(len(s.input_ids)) for s in segments])
    rotary = [s.positions for s in segments if s.positions is not None]
    if not rotary:
        return torch.from_numpy(plain)[None]
    if len(rotary) < len(segments):
        raise ValueError("rotary positions in some segments only")
    return torch.from_numpy(np.concatenate([plain[None], np.concatenate(rotary, 1)]))[:, None]


def _joined(
    row: npt.NDArray[np.int64] | None, filler: npt.NDArray[np.int64] | None
) -> npt.NDArray[np.int64] | None:
    if row is None or filler is None:
        return None
    return np.concatenate([row, filler + row.max() + 1], 1)


def _media(samples: Sequence[Encoded]) -> dict[str, torch.Tensor]:
    keys = sorted({key for s in samples for key in s.media})
    return {key: _shared([s.media[key] for s in samples if key in s.media]) for key in keys}


def _shared(parts: Sequence[np.ndarray]) -> torch.Tensor:
    """Arrays end to end, in a worker process in the shared memory that they are handed over in: copied once, not twice."""
    tensors = [torch.from_numpy(part) for part in parts]
    if torch.utils.data.get_worker_info() is None:
        return torch.cat(tensors)
    first = tensors[0]
    shape = (sum(len(one) for one in tensors), *first.shape[1:])
    count = math.prod(shape)
    storage = first._typed_storage()._new_shared(count, device=first.device)  # type: ignore[no-untyped-call]  # noqa: SLF001 - as torch's own collate does
    return torch.cat(tensors, out=first.new(storage).view(shape))
