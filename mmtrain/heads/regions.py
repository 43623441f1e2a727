"""A vision-language model with a region module: what stands at ``<region>`` is pooled from the vision encoder.

After VideoRefer (``videorefer/model/layer.py``: ``MaskExtractor``): features of the vision encoder are averaged under an
object's mask on each of its frames, frames are merged, and two linear layers take the result to the language model's
embeddings. Other than there, a patch counts by the share of it that the mask covers (VideoRefer counts a patch wholly as soon
as the mask, resized bilinearly, touches it), and frames on which the object is not seen do not count (there they are zeros).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows
from torch import nn


@dataclass  # without slots: under ZeRO-3 DeepSpeed looks through what a module returns by its __dict__
class Output:
    """What `Regional` returns: logits (B, L, V) of the positions asked for."""

    logits: torch.Tensor


class Regional(nn.Module):
    """A vision-language model with a region module.

    Every call runs through the same modules in the same order, with regions or without: ZeRO-3 gathers weights module by
    module, and a rank that left one out would keep the others waiting.

    Args:
        vlm: an InternVL model of transformers, with adapters or without.
        region_id: id of ``<region>``.
        most: most tokens of a region; None: one, the mean over its frames.
    """

    def __init__(self, vlm: Any, region_id: int, most: int | None) -> None:
        super().__init__()
        self.vlm = vlm
        self.region_id = region_id
        self.most = most
        seen = vlm.config.vision_config.hidden_size
        width = vlm.config.get_text_config().hidden_size
        self.projection = nn.Sequential(nn.Linear(seen, width), nn.GELU(), nn.Linear(width, width))

    @property
    def config(self) -> Any:
        """Of the vision-language model."""
        return self.vlm.config

    @property
    def base(self) -> Any:
        """The vision-language model inside peft's wrapper, if there is one."""
        return self.vlm.get_base_model() if hasattr(self.vlm, "get_base_model") else self.vlm

    def forward(
        self,
        input_ids: torch.Tensor,
        *,
        logits_to_keep: torch.Tensor | None = None,
        use_cache: bool = False,
        pixel_values: torch.Tensor | None = None,
        region_sizes: torch.Tensor | None = None,
        region_frames: torch.Tensor | None = None,
        region_cells: torch.Tensor | None = None,
        region_weights: torch.Tensor | None = None,
        **inputs: Any,
    ) -> Output:
        """Text logits.

        Args:
            input_ids: (B, L).
            logits_to_keep: positions whose logits are wanted; None: all.
            use_cache: must be False.
            pixel_values: (tiles, 3, S, S); None: no pictures.
            region_sizes: see `mmtrain.data.regions`, as the next three.
            region_frames: on how many frames each region is seen.
            region_cells: the patches under the masks.
            region_weights: their shares.
            inputs: what else the language model takes.
        """
        given = (region_sizes, region_frames, region_cells, region_weights)
        embeddings = self.embed(input_ids, pixel_values, *given)
        base = self.base
        hidden = base.model.language_model(
            inputs_embeds=embeddings, use_cache=use_cache, **inputs
        ).last_hidden_state
        kept = hidden if logits_to_keep is None else hidden[:, logits_to_keep]
        return Output(base.lm_head(kept))

    def embed(
        self,
        input_ids: torch.Tensor,
        pixel_values: torch.Tensor | None = None,
        region_sizes: torch.Tensor | None = None,
        region_frames: torch.Tensor | None = None,
        region_cells: torch.Tensor | None = None,
        region_weights: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Embeddings (B, L, width) with pictures and regions in their places; see `forward`.

        Raises:
            ValueError: there are not as many ``<region>`` as tokens for them.
        """
        model = self.base.model
        at_region = input_ids == self.region_id
        embeddings = model.get_input_embeddings()(input_ids)
        found: torch.Tensor | None = None
        if pixel_values is not None:
            seen = model.get_image_features(pixel_values=pixel_values, return_dict=True)
            pictures = seen.pooler_output.to(embeddings.dtype)
            at_picture = (input_ids == self.config.image_token_id)[..., None]
            if int(at_picture.sum()) * pictures.shape[-1] != pictures.numel():
                raise ValueError(f"{int(at_picture.sum())} image tokens for {pictures.shape[:-1]} features")
            embeddings = embeddings.masked_scatter(at_picture, pictures)
            if region_cells is not None and region_frames is not None and len(region_frames):
                assert region_sizes is not None
                assert region_weights is not None
                # The first position is the class token's.
                patches = seen.last_hidden_state[:, 1:]
                means = pooled(patches, region_sizes, region_cells, region_weights)
                found = merged(means, region_frames.tolist(), self.most)
        if int(at_region.sum()) != (0 if found is None else len(found)):
            raise ValueError(
                f"{int(at_region.sum())} <region> for {0 if found is None else len(found)} tokens of regions"
            )
        nothing = found is None
        if found is None:
            found = embeddings.new_zeros(1, self.config.vision_config.hidden_size)
        tokens: torch.Tensor = self.projection(found.to(embeddings.dtype))
        if nothing:
            unchanged: torch.Tensor = embeddings + tokens.sum() * 0.0
            return unchanged
        filled: torch.Tensor = embeddings.masked_scatter(at_region[..., None], tokens.to(embeddings.dtype))
        return filled

    def generate(self, input_ids: torch.Tensor, attention_mask: torch.Tensor, **inputs: Any) -> torch.Tensor:
        """As transformers' ``generate``: ids (B, L + answer)."""
        own = {key: inputs.pop(key) for key in list(inputs) if key.startswith(("region_", "pixel_values"))}
        embeddings = self.embed(input_ids, **own)
        made = self.vlm.generate(inputs_embeds=embeddings, attention_mask=attention_mask, **inputs)
        return torch.cat([input_ids, made], dim=1)


def pooled(
    patches: torch.Tensor, sizes: torch.Tensor, cells: torch.Tensor, weights: torch.Tensor
) -> torch.Tensor:
    """Weighted means of patches: (pairs, C) float32, for each pair of a region and a frame.

    Args:
        patches: (tiles, patches, C).
        sizes: (samples, 3): tiles, pairs and cells of each sample.
        cells: (P, 3): pair, tile and patch, counted within the sample.
        weights: (P,).
    """
    ends = sizes.cumsum(0)
    before = torch.repeat_interleave(ends - sizes, sizes[:, 2], dim=0)
    pairs, tiles = cells[:, 0] + before[:, 1], cells[:, 1] + before[:, 0]
    flat = patches.flatten(0, 1)
    # One product of matrices: sums in a fixed order, other than scattered ones on a GPU.
    table = flat.new_zeros(int(ends[-1, 1]), len(flat))
    table[pairs, tiles * patches.shape[1] + cells[:, 2]] = weights.to(flat.dtype)
    return (table @ flat).float() / table.float().sum(1, keepdim=True)


def merged(means: torch.Tensor, frames: list[int], most: int | None) -> torch.Tensor:
    """Tokens of all regions (N, C): of each the mean over its frames, or at most so many, see `joined`.

    Args:
        means: (pairs, C), the frames of a region one after the other in time.
        frames: how many each region has.
        most: tokens of a region; None: one, the mean.
    """
    parts = torch.split(means, frames)
    if most is None:
        return torch.stack([part.mean(0) for part in parts])
    return torch.cat([joined(part, most) for part in parts])


def joined(tokens: torch.Tensor, most: int) -> torch.Tensor:
    """Neighbouring tokens that are most alike joined until `most` are left: (min(n, most), C).

    The n - most pairs of neighbours with the highest cosine similarity are joined, the earlier of equals; each run of joined
    tokens becomes its mean (VideoRefer's ``token_merge``, which joins all pairs that tie with the last one and so may keep
    fewer).
    """
    surplus = len(tokens) - most
    if surplus <= 0:
        return tokens
    with torch.no_grad():
        alike = F.cosine_similarity(tokens[:-1], tokens[1:], dim=-1)
        order = torch.sort(alike, descending=True, stable=True).indices
        opens = torch.ones(len(tokens), dtype=torch.long, device=tokens.device)
        opens[order[:surplus] + 1] = 0
        run = opens.cumsum(0) - 1
    members = F.one_hot(run, most).to(tokens.dtype)
    return (members.T @ tokens) / members.sum(0)[:, None]
