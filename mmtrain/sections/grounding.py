"""``grounding:`` of a run: the mask decoder, what of it is trained, and the weights of its losses."""

from __future__ import annotations

from pydantic import model_validator

from mmtrain.sections.base import Head, Positive, Share, Strict, Weight


class Losses(Strict):
    """Weights of the loss terms; the defaults are GeoPixel's."""

    ce: Weight = 1.0
    """Cross entropy of the answer's tokens."""
    bce: Weight = 2.0
    """Binary cross entropy of a mask's pixels."""
    dice: Weight = 0.5
    """1 - Dice coefficient of a mask."""
    focal: Weight = 0.0
    """Focal loss of a mask's pixels; 0 leaves it out."""
    dice_scale: Weight = 1000.0
    """Both sides of the Dice fraction are divided by it; the smaller it is, the less its 1e-6 against 0/0 counts."""
    focal_alpha: Share = 0.25
    """Weight of a mask's pixels against the background's."""
    focal_gamma: Weight = 2.0
    """How much less certain pixels count."""

    @model_validator(mode="after")
    def _some(self) -> Losses:
        if self.dice_scale == 0:
            raise ValueError("dice_scale: expected more than 0")
        if not (self.bce or self.dice or self.focal):
            raise ValueError("bce, dice and focal are all 0: no mask would be learned")
        return self


class Grounding(Strict):
    """The mask decoder and how it is trained (`recipe: grounding`)."""

    decoder_name_or_path: str | None = None
    """Local directory of a Sam2Model or Sam3TrackerModel (`mmtrain make-tiny --family sam2` writes a tiny one); left out, the
    decoder that lies in model_name_or_path, as `mmtrain export` writes it."""
    encoder: Head = Head(tuning="frozen")
    """The decoder's image encoder."""
    decoder: Head = Head()
    """The mask decoder."""
    projection: Head = Head()
    """From the language model's hidden state to a prompt of the decoder."""
    losses: Losses = Losses()
    mask_size: Positive | None = None
    """Longer side at which masks are compared; the picture's own size if left out, as GeoPixel does."""
