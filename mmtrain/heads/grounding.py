"""A vision-language model with a mask decoder: the hidden state at each ``[SEG]`` prompts the decoder of SAM 2 or SAM 3.

After GeoPixel (``model/geopixel.py``): the last hidden state at ``[SEG]`` goes through two linear layers to one prompt
embedding, and the decoder draws one mask for it on the picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from mmtrain.heads.mask_decoders import KINDS

if TYPE_CHECKING:
    from mmtrain.sections.grounding import Losses

UNUSED = ("iou_prediction_head", "pred_obj_score_head")
"""Parts of the decoder whose output no mask depends on, besides the layers of the masks that are not asked for."""


@dataclass  # without slots: under ZeRO-3 DeepSpeed looks through what a module returns by its __dict__
class Output:
    """What `Grounded` returns.

    Attributes:
        logits: (B, L, V), of the positions asked for.
        masks: (N, h, w) logits of the masks, at the decoder's own resolution, in the order of the ``[SEG]``.
        nothing: a scalar 0 that hangs on the whole decoder: for batches without a mask.
    """

    logits: torch.Tensor
    masks: torch.Tensor
    nothing: torch.Tensor


class Grounded(nn.Module):
    """A vision-language model with a mask decoder.

    Every call runs through the same modules in the same order, with masks or without: ZeRO-3 gathers weights module by
    module, and a rank that left one out would keep the others waiting.

    Args:
        vlm: an image-text-to-text model, with adapters or without.
        decoder: of a kind that `mmtrain.heads.mask_decoders` knows.
        seg_id: id of ``[SEG]``.
        losses: weights of the loss terms, carried for the recipe.
    """

    def __init__(self, vlm: Any, decoder: Any, seg_id: int, losses: Losses) -> None:
        super().__init__()
        self.vlm = vlm
        self.decoder = decoder
        self.seg_id = seg_id
        self.losses = losses
        config = decoder.config
        # As while training: the decoder would otherwise choose among several masks when the first looks unstable.
        decoder.mask_decoder.dynamic_multimask_via_stability = False
        width = vlm.config.get_text_config().hidden_size
        self.projection = nn.Sequential(
            nn.Linear(width, width), nn.ReLU(), nn.Linear(width, config.prompt_encoder_config.hidden_size)
        )
        self.side = int(config.prompt_encoder_config.image_size)

    @property
    def config(self) -> Any:
        """Of the vision-language model."""
        return self.vlm.config

    def tune(self, *, encoder: bool, decoder: bool, projection: bool) -> None:
        """Set which parts are trained; what no mask depends on never is."""
        for name, weight in self.decoder.named_parameters():
            if name.startswith("vision_encoder."):
                weight.requires_grad_(
                    encoder and not name.startswith(KINDS[self.decoder.config.model_type].unused)
                )
            else:
                inner = name.removeprefix("mask_decoder.")
                used = not inner.startswith(UNUSED) and not (
                    inner.startswith("output_hypernetworks_mlps.") and inner.split(".")[1] != "0"
                )
                weight.requires_grad_(decoder and inner != name and used)
        self.projection.requires_grad_(projection)

    def forward(
        self,
        input_ids: torch.Tensor,
        *,
        logits_to_keep: torch.Tensor | None = None,
        mask_pixels: torch.Tensor | None = None,
        mask_counts: torch.Tensor | None = None,
        use_cache: bool = False,
        **inputs: Any,
    ) -> Output:
        """Text logits and mask logits.

        Args:
            input_ids: (B, L); as many ``[SEG]`` in them as there are masks.
            logits_to_keep: positions whose logits are wanted; None: all.
            mask_pixels: (K, 3, S, S) pictures for the mask decoder; None: no masks.
            mask_counts: (K,) how many masks each picture has.
            use_cache: must be False.
            inputs: what else the vision-language model takes.
        """
        base = self.vlm.get_base_model() if hasattr(self.vlm, "get_base_model") else self.vlm
        hidden = base.model(input_ids=input_ids, use_cache=use_cache, **inputs).last_hidden_state
        kept = hidden if logits_to_keep is None else hidden[:, logits_to_keep]
        logits = base.lm_head(kept)
        if mask_pixels is None or mask_counts is None:
            zeros = torch.zeros(1, 3, self.side, self.side, device=hidden.device, dtype=hidden.dtype)
            drawn = self.draw(hidden[:1, 0], self.features(zeros), torch.zeros_like(input_ids[:1, 0]))
            return Output(logits, drawn[:0], drawn.sum() * 0.0)
        images = torch.repeat_interleave(torch.arange(len(mask_counts), device=hidden.device), mask_counts)
        drawn = self.draw(hidden[input_ids == self.seg_id], self.features(mask_pixels), images)
        return Output(logits, drawn, drawn.sum() * 0.0)

    def features(self, pixels: torch.Tensor) -> list[torch.Tensor]:
        """Features of pictures (K, 3, S, S), from fine to coarse, as the decoder takes them: (K, C, h, w) each."""
        trained = any(p.requires_grad for p in self.decoder.vision_encoder.parameters())
        with torch.set_grad_enabled(trained and torch.is_grad_enabled()):
            pyramid = self.decoder.vision_encoder(pixels, return_dict=True).fpn_hidden_states
        fine, middle, coarse = pyramid[:3]
        head = self.decoder.mask_decoder
        nothing_before = self.decoder.no_memory_embedding.view(1, -1, 1, 1)
        return [head.conv_s0(fine), head.conv_s1(middle), coarse + nothing_before]

    def draw(self, states: torch.Tensor, features: list[torch.Tensor], images: torch.Tensor) -> torch.Tensor:
        """Mask logits (N, h, w) for hidden states (N, width), each on the picture of its index (N,)."""
        prompts = self.projection(states)[:, None, None]
        _, dense = self.decoder.prompt_encoder(None, None, None, None)
        fine, middle, coarse = (one[images] for one in features)
        places = self.decoder.get_image_wide_positional_embeddings().to(coarse.dtype)
        masks = self.decoder.mask_decoder(
            image_embeddings=coarse,
            image_positional_embeddings=places.expand(len(prompts), -1, -1, -1),
            sparse_prompt_embeddings=prompts,
            dense_prompt_embeddings=dense.expand(len(prompts), -1, -1, -1),
            multimask_output=False,
            high_resolution_features=[fine, middle],
        )[0]
        one: torch.Tensor = masks[:, 0, 0]
        return one
