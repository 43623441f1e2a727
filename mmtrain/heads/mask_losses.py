"""What a predicted mask costs against the true one, and how well it covers it.

The definitions are GeoPixel's (``model/geopixel.py``, after LISA): each is a mean over the pixels of one mask, and masks
count alike whatever their size. A target without a pixel is one like any other: binary cross entropy and Dice both push
every probability to 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows

if TYPE_CHECKING:
    from mmtrain.sections.grounding import Losses

DICE_EPSILON = 1e-6


def resized(logits: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Logits (n, h, w) at another size, bilinear in float32: (n, H, W)."""
    return F.interpolate(logits[:, None].float(), size=size, mode="bilinear", align_corners=False)[:, 0]


def mask_losses(logits: torch.Tensor, targets: torch.Tensor, weights: Losses) -> dict[str, torch.Tensor]:
    """Sums over masks of each term with a weight.

    Args:
        logits: (n, H, W) float32.
        targets: (n, H, W), 0 and 1.
        weights: which terms, and their numbers.

    Returns:
        ``bce``: mean over pixels of the binary cross entropy. ``dice``: 1 - (2 Σpt/s + ε) / (Σp/s + Σt/s + ε) with s =
        `dice_scale` and ε = 1e-6. ``focal``: mean over pixels of α_t (1 - p_t)^γ times the cross entropy.
    """
    truth = targets.flatten(1).float()
    flat = logits.flatten(1)
    found: dict[str, torch.Tensor] = {}
    cross = F.binary_cross_entropy_with_logits(flat, truth, reduction="none")
    chance = flat.sigmoid()
    if weights.bce:
        found["bce"] = cross.mean(1).sum()
    if weights.dice:
        scale = weights.dice_scale
        common = 2 * (chance / scale * truth).sum(1)
        both = (chance / scale).sum(1) + (truth / scale).sum(1)
        found["dice"] = (1 - (common + DICE_EPSILON) / (both + DICE_EPSILON)).sum()
    if weights.focal:
        right = chance * truth + (1 - chance) * (1 - truth)
        alpha = weights.focal_alpha * truth + (1 - weights.focal_alpha) * (1 - truth)
        found["focal"] = (alpha * (1 - right) ** weights.focal_gamma * cross).mean(1).sum()
    return found


def overlap(logits: torch.Tensor, targets: torch.Tensor) -> dict[str, torch.Tensor]:
    """Sums over masks of ``intersection`` and ``union`` in pixels, ``iou``, and ``recall``: whether the IoU is 0.5 or more.

    A pixel is predicted where its logit is above 0. The IoU of two empty masks is 1, as LISA counts it.
    """
    ours, truth = (logits > 0).flatten(1), targets.flatten(1) > 0
    intersection = (ours & truth).sum(1).double()
    union = (ours | truth).sum(1).double()
    iou = torch.where(union > 0, intersection / union.clamp_min(1), torch.ones_like(union))
    return {
        "intersection": intersection.sum(),
        "union": union.sum(),
        "iou": iou.sum(),
        "recall": (iou >= 0.5).double().sum(),
    }
