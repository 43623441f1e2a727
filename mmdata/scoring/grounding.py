"""Scores of predicted masks, as referring segmentation and grounded conversation define them.

Paired scores compare the k-th mask of an answer with the k-th true one (LISA's ``train_ds.py``, GeoPixel's ``eval``): a
missing mask counts as an empty one; a surplus one has no partner, it counts in the union of cIoU and in `surplus`.

==============  ======================================================================================================
``ciou``        cumulative IoU: Σ intersection / Σ union in pixels over all masks (LISA)
``giou``        mean over true masks of the IoU; two empty masks have the IoU 1 (LISA)
``recall50``    share of true masks whose partner has an IoU of 0.5 or more
``ap50``        average precision at IoU 0.5, all phrases one class, as COCO's evaluation interpolates it over 101 recalls
                (GLaMM's ``eval_gcg_metrics.py`` asks pycocotools for it, every score being 1)
``mask_recall`` share of true masks found: masks matched one to one, best IoU first, with an IoU of 0.5 or more and
                phrases that are alike by 0.5 or more (GLaMM compares phrases by BERT, here it is `phrase_likeness`)
==============  ======================================================================================================

Scores without a true mask are nan.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

THRESHOLD = 0.5
"""IoU from which a mask counts as found."""

LIKENESS = 0.5
"""Likeness from which two phrases count as the same."""

RECALLS = np.linspace(0.0, 1.0, 101)
"""COCO's recall thresholds."""


@dataclass(frozen=True, slots=True)
class Scores:
    """See the module's table.

    Attributes:
        answers: answers compared.
        masks: true masks.
        predicted: predicted masks.
        missing: true masks without a partner.
        surplus: predicted masks without a partner.
    """

    ciou: float
    giou: float
    recall50: float
    ap50: float
    mask_recall: float
    answers: int
    masks: int
    predicted: int
    missing: int
    surplus: int


class GroundingScorer:
    """Adds up answers, one at a time; keeps numbers alone, no masks."""

    def __init__(self) -> None:
        self._intersection = self._union = 0
        self._ious: list[float] = []
        self._found = self._answers = self._predicted = self._surplus = self._missing = 0
        self._scores: list[float] = []
        self._hits: list[bool] = []

    def add(
        self,
        predicted: NDArray[np.generic],
        truth: NDArray[np.generic],
        *,
        scores: Sequence[float] | None = None,
        phrases: Sequence[str] | None = None,
        true_phrases: Sequence[str] | None = None,
    ) -> NDArray[np.float64]:
        """Compare an answer's masks with the true ones.

        Args:
            predicted: (P, H, W); a pixel that is not 0 belongs to the mask.
            truth: (T, H, W).
            scores: how sure each prediction is, for ``ap50``; None: all alike, as GLaMM has it.
            phrases: of each prediction; with `true_phrases`, ``mask_recall`` asks for likeness. None: for the IoU alone.
            true_phrases: of each true mask.

        Returns:
            The IoU of each true mask with its partner, (T,).

        Raises:
            ValueError: the masks are not of one size, or there is not one score or phrase for each mask.
        """
        ours, true = (_flat(masks) for masks in (predicted, truth))
        if len(ours) and len(true) and predicted.shape[1:] != truth.shape[1:]:
            raise ValueError(f"masks of {predicted.shape[1:]} against masks of {truth.shape[1:]}")
        for given, masks in ((scores, ours), (phrases, ours), (true_phrases, true)):
            if given is not None and len(given) != len(masks):
                raise ValueError(f"{len(given)} scores or phrases for {len(masks)} masks")
        both, area, true_area = _counts(ours, true)
        union = area[:, None] + true_area[None] - both
        iou = np.where(union > 0, both / np.maximum(union, 1), 1.0)
        pairs = min(len(ours), len(true))
        paired = np.zeros(len(true))
        paired[:pairs] = iou[np.arange(pairs), np.arange(pairs)]
        paired[pairs:] = true_area[pairs:] == 0  # a missing mask is an empty one
        self._intersection += int(both[np.arange(pairs), np.arange(pairs)].sum())
        self._union += int(union[np.arange(pairs), np.arange(pairs)].sum())
        self._union += int(true_area[pairs:].sum()) + int(area[pairs:].sum())
        self._ious += paired.tolist()
        self._answers += 1
        self._predicted += len(ours)
        self._missing += len(true) - pairs
        self._surplus += len(ours) - pairs
        sure = np.ones(len(ours)) if scores is None else np.asarray(scores, np.float64)
        self._hits += _coco_hits(iou, sure).tolist()
        self._scores += np.sort(sure, kind="stable")[::-1].tolist()
        alike = np.ones_like(iou, bool)
        if phrases is not None and true_phrases is not None:
            alike = np.array(
                [[phrase_likeness(a, b) >= LIKENESS for b in true_phrases] for a in phrases], bool
            )
        self._found += _matched(np.where(alike.reshape(iou.shape), iou, 0.0))
        return paired

    def merge(self, later: GroundingScorer) -> None:
        """Add the answers of another, as if they had been added here one by one."""
        for name, value in vars(later).items():
            setattr(self, name, getattr(self, name) + value)

    def result(self) -> Scores:
        """The scores of all answers so far."""
        masks = len(self._ious)
        ious = np.array(self._ious)
        nan = float("nan")
        return Scores(
            ciou=self._intersection / self._union if self._union else (1.0 if masks else nan),
            giou=float(ious.mean()) if masks else nan,
            recall50=float((ious >= THRESHOLD).mean()) if masks else nan,
            ap50=average_precision(self._scores, self._hits, masks),
            mask_recall=self._found / masks if masks else nan,
            answers=self._answers,
            masks=masks,
            predicted=self._predicted,
            missing=self._missing,
            surplus=self._surplus,
        )


def average_precision(scores: Sequence[float], hits: Sequence[bool], total: int) -> float:
    """COCO's average precision: the mean over 101 recalls of the best precision at that recall or a higher one.

    Args:
        scores: of the detections; of equal ones the first counts first.
        hits: whether each found a true mask.
        total: true masks; nan without any.
    """
    if not total:
        return float("nan")
    order = np.argsort(-np.asarray(scores, np.float64), kind="stable")
    found = np.cumsum(np.asarray(hits, bool)[order])
    recall = found / total
    precision = found / np.arange(1, len(found) + 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    at = np.searchsorted(recall, RECALLS, side="left")
    return (
        float(np.where(at < len(best), best[np.minimum(at, len(best) - 1)], 0.0).mean()) if len(best) else 0.0
    )


def phrase_likeness(a: str, b: str) -> float:
    """How alike two phrases are, 0 to 1: twice the words that both have by the words of both, upper case or not."""
    ours, theirs = a.lower().split(), b.lower().split()
    if not ours and not theirs:
        return 1.0
    left = list(theirs)
    common = 0
    for word in ours:
        if word in left:
            left.remove(word)
            common += 1
    return 2 * common / (len(ours) + len(theirs))


def _flat(masks: NDArray[np.generic]) -> NDArray[np.bool_]:
    if masks.ndim != 3:
        raise ValueError(f"expected masks of the shape (N, H, W), got {masks.shape}")
    return np.reshape(masks != 0, (len(masks), masks.shape[1] * masks.shape[2]))


def _counts(
    ours: NDArray[np.bool_], true: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Pixels that each pair shares (P, T), and of each mask (P,), (T,)."""
    both = np.zeros((len(ours), len(true)), np.int64)
    if ours.shape[1] != true.shape[1]:  # one side has no masks, and so no size
        return both, ours.sum(1, dtype=np.int64), true.sum(1, dtype=np.int64)
    for k, mask in enumerate(ours):
        for j, other in enumerate(true):
            both[k, j] = np.count_nonzero(mask & other)
    return both, ours.sum(1, dtype=np.int64), true.sum(1, dtype=np.int64)


def _coco_hits(iou: NDArray[np.float64], scores: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether each prediction, the surest first, finds a true mask that is still free: the one of the largest IoU."""
    order = np.argsort(-scores, kind="stable")
    free = np.ones(iou.shape[1], bool)
    hits = np.zeros(len(order), bool)
    for place, k in enumerate(order):
        best, chosen = min(THRESHOLD, 1 - 1e-10), -1
        for j in np.flatnonzero(free):
            if iou[k, j] >= best:
                best, chosen = float(iou[k, j]), int(j)
        if chosen >= 0:
            free[chosen], hits[place] = False, True
    return hits


def _matched(iou: NDArray[np.float64]) -> int:
    """How many pairs are found, each mask in one pair at most, the best IoU first."""
    left = iou.copy()
    found = 0
    while left.size and left.max() >= THRESHOLD:
        k, j = np.unravel_index(int(left.argmax()), left.shape)
        left[k, :] = left[:, j] = -1.0
        found += 1
    return found
