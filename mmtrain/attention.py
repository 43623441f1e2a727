"""Exact attention for packed sequences: every segment on its own, no mask of L x L."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

PACKED = "mmtrain_packed"
"""Name under which the attention is registered with transformers."""


def register() -> str:
    """Register the attention; returns its name, to be set as ``attn_implementation`` of the language model."""
    from transformers import AttentionInterface

    AttentionInterface.register(PACKED, packed_attention)
    return PACKED


def packed_attention(
    module: Any,
    query: Any,
    key: Any,
    value: Any,
    attention_mask: Any,
    scaling: float | None = None,
    dropout: float = 0.0,
    cu_seq_lens_q: Any = None,
    **_: Any,
) -> tuple[Any, None]:
    """Causal attention within each segment; without segments, plain (masked) causal attention.

    Args:
        module: the attention layer.
        query: (B, heads, L, D).
        key: (B, key-value heads, L, D).
        value: like `key`.
        attention_mask: for batches that are not packed.
        scaling: of the scores.
        dropout: of the weights.
        cu_seq_lens_q: (segments + 1,) starts of the segments, and the end, best on the CPU; B must be 1.

    Returns:
        (B, L, heads, D), and no weights.
    """
    import torch
    import torch.nn.functional as F  # noqa: N812

    groups = getattr(module, "num_key_value_groups", 1)
    if groups > 1:
        key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
    if cu_seq_lens_q is None:
        causal = attention_mask is None and query.shape[2] > 1
        if attention_mask is not None and attention_mask.ndim == 4:
            attention_mask = attention_mask[:, :, :, : key.shape[2]]
        out = F.scaled_dot_product_attention(
            query, key, value, attn_mask=attention_mask, is_causal=causal, scale=scaling, dropout_p=dropout
        )
        return out.transpose(1, 2).contiguous(), None
    ends = cu_seq_lens_q.tolist()
    parts = [
        F.scaled_dot_product_attention(
            query[:, :, a:b],
            key[:, :, a:b],
            value[:, :, a:b],
            is_causal=True,
            scale=scaling,
            dropout_p=dropout,
        )
        for a, b in pairwise(ends)
    ]
    return torch.cat(parts, 2).transpose(1, 2).contiguous(), None
