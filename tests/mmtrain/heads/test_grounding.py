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


SIDE = {"sam2": 64, "sam3_tracker": 56}


def grounded(kind: str) -> Any:
    from mmtrain.heads.grounding import Grounded
    from mmtrain.sections.grounding import Losses
    from mmtrain.tiny_sam2 import tiny_sam2
    from mmtrain.tiny_sam3 import tiny_sam3

    torch.manual_seed(0)
    decoder = {"sam2": tiny_sam2, "sam3_tracker": tiny_sam3}[kind](side=SIDE[kind])
    assert decoder.config.model_type == kind
    with torch.no_grad():
        decoder.no_memory_embedding.normal_()
    return Grounded(_Language(), decoder, 0, Losses()).eval()


@pytest.mark.parametrize("kind", SIDE)
def test_masks_are_those_of_transformers_with_that_prompt(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given the projected state for a prompt, Sam2Model and Sam3TrackerModel draw the same mask on the same picture."""
    model, side = grounded(kind), SIDE[kind]
    if kind == "sam3_tracker":
        # transformers' own forward takes a pyramid without the detector's level, which the tracker drops.
        model.decoder.vision_encoder.neck.fpn_layers = model.decoder.vision_encoder.neck.fpn_layers[:3]
    pixels = torch.randn(2, 3, side, side)
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
    assert ours.shape == (3, 16, 16)  # a quarter of 64; 4 / 14 of 56


@pytest.mark.parametrize("kind", SIDE)
def test_each_mask_depends_on_its_own_state_and_picture_alone(kind: str) -> None:
    model, side = grounded(kind), SIDE[kind]
    pixels, states = torch.randn(2, 3, side, side), torch.randn(2, 16)
    with torch.no_grad():
        both = model.draw(states, model.features(pixels), torch.tensor([1, 0]))
        one = model.draw(states[:1], model.features(pixels[1:]), torch.tensor([0]))
        changed = model.draw(states.flip(0), model.features(pixels), torch.tensor([1, 0]))
    assert torch.allclose(both[0], one[0], atol=1e-5)
    assert not torch.allclose(both[0], changed[0], atol=1e-3)


@pytest.mark.parametrize("kind", SIDE)
def test_evaluation_takes_the_same_mask_as_training(kind: str) -> None:
    """SAM 2 and SAM 3 would otherwise choose among several where the first looks unstable."""
    model, side = grounded(kind), SIDE[kind]
    pixels, states = torch.randn(1, 3, side, side), torch.randn(1, 16)
    with torch.no_grad():
        quiet = model.eval().draw(states, model.features(pixels), torch.tensor([0]))
        training = model.train().draw(states, model.features(pixels), torch.tensor([0]))
    assert torch.equal(quiet, training)
