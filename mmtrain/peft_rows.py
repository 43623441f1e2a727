"""Rows of embeddings as adapters where peft asks for a GPU: under ZeRO-3 without one."""

from __future__ import annotations

from typing import Any


def rows_without_cuda() -> None:
    """Let peft's trainable tokens begin from gathered weights on any device.

    peft gathers on rank 0 and sends the rows to the others, on a device that it takes for granted to be CUDA. Gathered
    weights are there on every rank, so nothing has to be sent. With a GPU nothing is changed.
    """
    import torch
    from peft.tuners.trainable_tokens import layer

    if torch.cuda.is_available():
        return
    gathered: Any = layer.gather_params_ctx  # type: ignore[attr-defined]

    def collect(_self: Any, weight: Any, rows: Any, _embed_dim: int) -> Any:
        with gathered([weight], modifier_rank=None):
            return weight[rows].detach().clone()

    layer.TrainableTokensLayer._collect_token_weights = collect  # type: ignore[assignment, method-assign]  # noqa: SLF001
