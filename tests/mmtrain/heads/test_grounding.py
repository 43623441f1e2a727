"""The mask decoder as it is called here against transformers' own forward."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")


class _Language(torch.nn.Module):
    """Stands in for a language model of 16 channels."""

    class config:
        @staticmethod
        def get_text_config() -> Any:
            return type("Text", (), {"hidden_size": 16})


def grounded() -> Any:
    from mmtrain.heads.grounding import Grounded
    from mmtrain.sections.grounding import Losses
    from mmtrain.tiny_sam2 import tiny_sam2

    torch.manual_seed(0)
    decoder = tiny_sam2(side=64)
    with torch.no_grad():
        decoder.no_memory_embedding.normal_()
    return Grounded(_Language(), decoder, 0, Losses()).eval()


def test_masks_are_those_of_sam2_with_that_prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given the projected state for a prompt, Sam2Model draws the same mask on the same picture."""
    model = grounded()
    pixels = torch.randn(2, 3, 64, 64)
    states = torch.randn(3, 16)
    images = torch.tensor([0, 0, 1])
    with torch.no_grad():
        ours = model.draw(states, model.features(pixels), images)
        dense = model.decoder.prompt_encoder(None, None, None, None)[1]
        for k, image in enumerate(images.tolist()):
            prompt = model.projection(states[k])[None, None, None]
            monkeypatch.setattr(
                model.decoder.prompt_encoder, "forward", lambda *_, p=prompt, **__: (p, dense)
            )
            points = torch.zeros(1, 1, 1, 2)
            theirs = model.decoder(
                pixel_values=pixels[image][None], input_points=points, multimask_output=False
            )
            assert torch.allclose(theirs.pred_masks[0, 0, 0], ours[k], atol=1e-4)
    assert ours.shape == (3, 16, 16)


def test_each_mask_depends_on_its_own_state_and_picture_alone() -> None:
    model = grounded()
    pixels, states = torch.randn(2, 3, 64, 64), torch.randn(2, 16)
    with torch.no_grad():
        both = model.draw(states, model.features(pixels), torch.tensor([1, 0]))
        one = model.draw(states[:1], model.features(pixels[1:]), torch.tensor([0]))
        changed = model.draw(states.flip(0), model.features(pixels), torch.tensor([1, 0]))
    assert torch.allclose(both[0], one[0], atol=1e-5)
    assert not torch.allclose(both[0], changed[0], atol=1e-3)


def test_evaluation_takes_the_same_mask_as_training() -> None:
    """SAM 2 would otherwise choose among several where the first looks unstable."""
    model = grounded()
    pixels, states = torch.randn(1, 3, 64, 64), torch.randn(1, 16)
    with torch.no_grad():
        quiet = model.eval().draw(states, model.features(pixels), torch.tensor([0]))
        training = model.train().draw(states, model.features(pixels), torch.tensor([0]))
    assert torch.equal(quiet, training)
