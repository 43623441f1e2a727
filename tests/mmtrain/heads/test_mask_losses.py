"""Loss terms of masks against the formulas in numpy, and what they do with empty targets."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from mmtrain.heads.mask_losses import mask_losses, overlap, resized  # noqa: E402
from mmtrain.sections.grounding import Losses  # noqa: E402


def by_hand(logits: np.ndarray, truth: np.ndarray, losses: Losses) -> dict[str, float]:
    """The formulas of GeoPixel's `sigmoid_ce_loss` and `dice_loss`, and of the focal loss, mask by mask in float64."""
    found = {"bce": 0.0, "dice": 0.0, "focal": 0.0}
    for x, t in zip(logits.astype(np.float64), truth.astype(np.float64), strict=True):
        p = 1 / (1 + np.exp(-x))
        cross = -(t * np.log(p) + (1 - t) * np.log(1 - p))
        found["bce"] += cross.mean()
        s = losses.dice_scale
        found["dice"] += 1 - (2 * (p * t).sum() / s + 1e-6) / (p.sum() / s + t.sum() / s + 1e-6)
        right = np.where(t == 1, p, 1 - p)
        alpha = np.where(t == 1, losses.focal_alpha, 1 - losses.focal_alpha)
        found["focal"] += (alpha * (1 - right) ** losses.focal_gamma * -np.log(right)).mean()
    return found


@pytest.mark.parametrize("losses", [Losses(focal=1.0), Losses(focal=0.5, focal_gamma=1.0, dice_scale=1.0)])
def test_terms_are_the_formulas(losses: Losses) -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (5, 9, 13)).astype(np.float32)
    truth = (rng.random((5, 9, 13)) < 0.3).astype(np.uint8)
    truth[1], truth[2] = 0, 1
    found = mask_losses(torch.from_numpy(logits), torch.from_numpy(truth), losses)
    expected = by_hand(logits, truth, losses)
    assert {k: float(v) for k, v in found.items()} == pytest.approx(expected, rel=1e-5)


def test_a_term_without_weight_is_not_computed() -> None:
    zeros = torch.zeros(1, 4, 4)
    assert mask_losses(zeros, zeros, Losses()).keys() == {"bce", "dice"}
    assert mask_losses(zeros, zeros, Losses(bce=0)).keys() == {"dice"}


def test_an_empty_target_pushes_every_probability_down() -> None:
    logits = torch.zeros(1, 6, 6, requires_grad=True)
    found = mask_losses(logits, torch.zeros(1, 6, 6, dtype=torch.uint8), Losses())
    for term in found.values():
        (gradient,) = torch.autograd.grad(term, logits, retain_graph=True)
        assert bool((gradient >= 0).all())
    assert float(found["dice"].detach()) == pytest.approx(1, abs=1e-4)


def test_masks_count_alike_whatever_their_size() -> None:
    """The sum over masks of two sizes is what each alone gives."""
    torch.manual_seed(0)
    small, large = torch.randn(1, 4, 4), torch.randn(1, 40, 40)
    ones = [torch.ones_like(x) for x in (small, large)]
    for x, t in zip((small, large), ones, strict=True):
        twice = mask_losses(torch.cat([x, x]), torch.cat([t, t]), Losses())
        once = mask_losses(x, t, Losses())
        assert {k: float(v) for k, v in twice.items()} == pytest.approx(
            {k: 2 * float(v) for k, v in once.items()}
        )


def test_overlap_counts_pixels() -> None:
    logits = torch.tensor([[[1.0, -1.0], [2.0, -3.0]], [[-1.0, -1.0], [-1.0, -1.0]]])
    truth = torch.tensor([[[1, 1], [1, 0]], [[0, 0], [0, 0]]], dtype=torch.uint8)
    found = {k: float(v) for k, v in overlap(logits, truth).items()}
    assert found == pytest.approx({"intersection": 2, "union": 3, "iou": 2 / 3 + 1, "recall": 2})


def test_resizing_is_bilinear_between_pixel_centres() -> None:
    row = resized(torch.tensor([[[0.0, 4.0]]]), (1, 4))[0, 0]
    assert row.tolist() == pytest.approx([0.0, 1.0, 3.0, 4.0])
