"""The loss: cross entropy of the labelled tokens, weighted as InternVL weighs them.

A sample with x labelled tokens gives each of them the weight 1 (``token``), 1/x (``sample``) or 1/sqrt(x) (``square``); a
step's loss is the weighted mean over *all* its labelled tokens, those of every micro-batch and every rank (InternVL's
``loss_reduction_all_gather``). Therefore a step's gradient does not depend on how its samples are spread over ranks,
micro-batches or packed sequences.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import torch

Reduction: TypeAlias = Literal["token", "sample", "square"]

LABEL = "label"
"""The unit of what is divided by the weights of a step's labels; `mmtrain.data.collate.Batch.counts` holds their sum."""


class Term(NamedTuple):
    """One term of a batch's loss.

    The trainer divides `total` by the step's count of `unit` over all micro-batches and ranks, so that a term is the mean
    over a step's labels, masks, … however they are spread.

    Attributes:
        total: sum over the batch; a scalar.
        unit: what is counted: a key of `Batch.counts`. A batch without any has the sum 0.
        weight: in the loss; a term of weight 0 is only logged.
    """

    total: torch.Tensor
    unit: str = LABEL
    weight: float = 1.0


_POWER: dict[Reduction, float] = {"token": 0.0, "sample": 1.0, "square": 0.5}


def sample_weights(labels: npt.NDArray[np.int64], reduction: Reduction) -> npt.NDArray[np.float32]:
    """Weight of each label of one sample: (L,) float32, 0 where there is no label."""
    has = labels != -100
    count = int(has.sum())
    each = np.float32(count ** -_POWER[reduction] if count else 0.0)
    weights: npt.NDArray[np.float32] = np.where(has, each, np.float32(0))
    return weights


def weighted_nll(
    model: Any, inputs: dict[str, torch.Tensor], labels: torch.Tensor, weights: torch.Tensor
) -> torch.Tensor:
    """Weighted sum of the negative log likelihood of the labelled tokens, in float32; see `forward_nll`."""
    return forward_nll(model, inputs, labels, weights)[0]


def forward_nll(
    model: Any, inputs: dict[str, torch.Tensor], labels: torch.Tensor, weights: torch.Tensor
) -> tuple[torch.Tensor, Any]:
    """Weighted sum of the negative log likelihood of the labelled tokens, in float32, and what the model returned.

    For a packed sequence the output layer runs on the positions before a label alone.

    Args:
        model: a Hugging Face model with a language head, or an engine around it.
        inputs: what it is called with.
        labels: (B, L), not shifted.
        weights: (B, L).
    """
    import torch
    import torch.nn.functional as F  # noqa: N812 - the name everybody knows

    if labels.shape[0] == 1:
        at = torch.nonzero(labels[0, 1:] != -100)[:, 0]
        if len(at) == 0:  # every rank must run through the same modules, labels or not
            at = torch.zeros(1, dtype=torch.long, device=labels.device)
        outputs = model(**inputs, use_cache=False, logits_to_keep=at)
        logits = outputs.logits[0].float()
        targets, weight = labels[0, at + 1], weights[0, at + 1]
    else:
        outputs = model(**inputs, use_cache=False)
        logits = outputs.logits[:, :-1].flatten(0, 1).float()
        targets, weight = labels[:, 1:].flatten(), weights[:, 1:].flatten()
    nll = F.cross_entropy(logits, targets, reduction="none", ignore_index=-100)
    total: torch.Tensor = (nll * weight).sum() + logits.sum() * 0.0
    return total, outputs
