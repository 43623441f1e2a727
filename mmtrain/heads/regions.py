"""A vision-language model with a region module: what stands at ``<region>`` is pooled from the vision encoder.

After VideoRefer (``videorefer/model/layer.py``: ``MaskExtractor``): features of the vision encoder are averaged under an
object's mask on each of its frames, frames are merged, and two linear layers take the result to the language model's
embeddings. Other than there, a feature counts by the share of it that the mask covers (VideoRefer counts a patch wholly as
soon as the mask, resized bilinearly, touches it), and frames on which the object is not seen do not count (there they are
zeros).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows
from torch import nn

from mmtrain.data.regions import MEAN, Merging
from mmtrain.heads.regions_features import VIEWS, changed, watched


@dataclass  # without slots: under ZeRO-3 DeepSpeed looks through what a module returns by its __dict__
class Output:
    """What `Regional` returns: logits (B, L, V) of the positions asked for."""

    logits: torch.Tensor


class Regional(nn.Module):
    """A vision-language model with a region module.

    The family's own forward runs; what enters its language model has the regions in their places. Every call runs through
    the same modules in the same order, with regions or without: ZeRO-3 gathers weights module by module, and a rank that
    left one out would keep the others waiting.

    Args:
        vlm: a vision-language model of transformers whose type is one of `VIEWS`, with adapters or without.
        region_id: id of ``<region>``.
        merging: how many tokens a region becomes.
    """

    def __init__(self, vlm: Any, region_id: int, merging: Merging = MEAN) -> None:
        super().__init__()
        self.vlm = vlm
        self.region_id = region_id
        self.merging = merging
        self.view = VIEWS[vlm.config.model_type]
        self.seen = self.view.width(vlm.config)
        width = vlm.config.get_text_config().hidden_size
        self.projection = nn.Sequential(nn.Linear(self.seen, width), nn.GELU(), nn.Linear(width, width))

    @property
    def config(self) -> Any:
        """Of the vision-language model."""
        return self.vlm.config

    @property
    def base(self) -> Any:
        """The vision-language model inside peft's wrapper, if there is one."""
        return self.vlm.get_base_model() if hasattr(self.vlm, "get_base_model") else self.vlm

    def forward(self, input_ids: torch.Tensor, **inputs: Any) -> Output:
        """Text logits.

        Args:
            input_ids: (B, L).
            inputs: what the vision-language model takes besides, and ``region_sizes``, ``region_frames``, ``region_cells``
                and ``region_weights``, see `mmtrain.data.regions`; without pictures there are none.

        Raises:
            ValueError: there are not as many ``<region>`` as tokens for them.
        """
        own = {key: inputs.pop(key) for key in list(inputs) if key.startswith("region_")}
        with self._regions(input_ids, own, inputs):
            made = self.vlm(input_ids=input_ids, **inputs)
        return Output(made.logits)

    @contextmanager
    def _regions(
        self, input_ids: torch.Tensor, own: Mapping[str, torch.Tensor], inputs: Mapping[str, Any]
    ) -> Iterator[None]:
        """Within it the model's next call finds the regions in their places."""
        model = self.base.model

        def placed(embeddings: torch.Tensor) -> torch.Tensor:
            return self.place(input_ids, embeddings, self._tokens(found, own, inputs))

        with watched(self.view, model) as found, changed(model.language_model, placed):
            yield

    def _tokens(
        self, found: list[Any], own: Mapping[str, torch.Tensor], inputs: Mapping[str, Any]
    ) -> torch.Tensor | None:
        """Pooled features (N, C) of all regions, or None where there is none."""
        frames = own.get("region_frames")
        if not found or frames is None or not len(frames):
            return None
        features = self.view.flat(found[-1], inputs, self.config)
        sizes, cells = own["region_sizes"], own["region_cells"]
        total = int(sizes[:, 0].sum())
        if total != len(features):
            raise ValueError(f"{len(features)} features of the vision encoder where {total} were counted")
        cells = counted_through(sizes, cells)
        if self.merging.how == "clusters":
            return clustered(features, cells, frames.tolist(), self.merging.most)
        means = pooled(features, cells, own["region_weights"])
        return merged(means, frames.tolist(), self.merging)

    def place(
        self, input_ids: torch.Tensor, embeddings: torch.Tensor, found: torch.Tensor | None
    ) -> torch.Tensor:
        """Embeddings (B, L, width) with regions in their places.

        Args:
            input_ids: (B, L).
            embeddings: (B, L, width), with pictures in their places.
            found: (N, C) features of the regions; None: there is none.

        Raises:
            ValueError: there are not as many ``<region>`` as tokens for them.
        """
        at_region = input_ids == self.region_id
        count = 0 if found is None else len(found)
        if int(at_region.sum()) != count:
            raise ValueError(f"{int(at_region.sum())} <region> for {count} tokens of regions")
        nothing = found is None
        if found is None:
            found = embeddings.new_zeros(1, self.seen)
        tokens: torch.Tensor = self.projection(found.to(embeddings.dtype))
        if nothing:
            unchanged: torch.Tensor = embeddings + tokens.sum() * 0.0
            return unchanged
        filled: torch.Tensor = embeddings.masked_scatter(at_region[..., None], tokens.to(embeddings.dtype))
        return filled

    def generate(self, input_ids: torch.Tensor, attention_mask: torch.Tensor, **inputs: Any) -> torch.Tensor:
        """As transformers' ``generate``: ids (B, L + answer); shorter prompts are padded on the left."""
        own = {key: inputs.pop(key) for key in list(inputs) if key.startswith("region_")}
        with self._regions(input_ids, own, inputs):
            made: torch.Tensor = self.vlm.generate(
                input_ids=input_ids, attention_mask=attention_mask, **inputs
            )
        return made


def counted_through(sizes: torch.Tensor, cells: torch.Tensor) -> torch.Tensor:
    """Pair and feature of each cell, counted through the whole batch: (P, 2).

    Args:
        sizes: (samples, 3): features, pairs and cells of each sample.
        cells: (P, 2): pair and feature, counted within the sample.
    """
    before = torch.repeat_interleave(sizes.cumsum(0) - sizes, sizes[:, 2], dim=0)
    return torch.stack([cells[:, 0] + before[:, 1], cells[:, 1] + before[:, 0]], 1)


def pooled(features: torch.Tensor, cells: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Weighted means of features: (pairs, C) float32, for each pair of a region and a frame.

    Args:
        features: (N, C).
        cells: (P, 2): pair and feature; the pairs ascend, and each has at least one.
        weights: (P,).
    """
    # One product of matrices: sums in a fixed order, other than scattered ones on a GPU.
    table = features.new_zeros(int(cells[-1, 0]) + 1, len(features))
    table[cells[:, 0], cells[:, 1]] = weights.to(features.dtype)
    return (table @ features).float() / table.float().sum(1, keepdim=True)


def merged(means: torch.Tensor, frames: list[int], merging: Merging) -> torch.Tensor:
    """Tokens of all regions (N, C): of each the mean over its frames, or at most so many, see `joined`.

    Args:
        means: (pairs, C), the frames of a region one after the other in time.
        frames: how many each region has.
        merging: ``mean`` or ``tokens``.
    """
    parts = torch.split(means, frames)
    if merging.how == "mean":
        return torch.stack([part.mean(0) for part in parts])
    return torch.cat([joined(part, merging.most) for part in parts])


def clustered(features: torch.Tensor, cells: torch.Tensor, frames: list[int], most: int) -> torch.Tensor:
    """Tokens of all regions (N, C) float32: of each the features under its masks, at most so many, see `means_of_clusters`.

    Args:
        features: (N, C).
        cells: (P, 2): pair and feature; the pairs ascend.
        frames: how many pairs each region has, one after the other.
        most: tokens of a region.
    """
    each = torch.bincount(cells[:, 0], minlength=sum(frames))
    counts = [int(part.sum()) for part in torch.split(each, frames)]
    found = torch.split(features[cells[:, 1]].float(), counts)
    return torch.cat([means_of_clusters(part, most) for part in found])


ROUNDS = 20
"""Most rounds of k-means, as VideoRefer's ``kmeans_fast``."""


def means_of_clusters(tokens: torch.Tensor, most: int) -> torch.Tensor:
    """K-means: (min(n, most), C), centres of clusters by squared distance; up to `most` tokens stay as they are.

    VideoRefer's VideoLLaMA3 does this (``region_encoder.py``: ``kmeans_fast``) with ten clusters: at most `ROUNDS` rounds, a
    cluster that lost all its tokens keeps its centre, the end is reached when no centre moves by more than 1e-6 of it. There
    the first centres are drawn at random; here they are tokens at even distances, so that a run can be repeated.
    """
    count = len(tokens)
    if count <= most:
        return tokens
    with torch.no_grad():
        start = torch.arange(most, device=tokens.device) * count // most
        shares = F.one_hot(start, count).to(tokens.dtype)
        centres = shares @ tokens
        for _ in range(ROUNDS):
            nearest = torch.cdist(tokens, centres, compute_mode="donot_use_mm_for_euclid_dist").argmin(1)
            members = F.one_hot(nearest, most).to(tokens.dtype).T
            sizes = members.sum(1, keepdim=True)
            shares = torch.where(sizes > 0, members / sizes.clamp_min(1), shares)
            before, centres = centres, shares @ tokens
            if torch.allclose(before, centres, atol=1e-6):
                break
    return shares @ tokens


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
