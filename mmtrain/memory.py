"""Memory that model states take on each GPU, for every ZeRO stage, with adapters and frozen parts.

With P weights of which T are trained, N ranks, weights of b bytes and AdamW in float32 (4 bytes of master weight, 8 of
moments; DeepSpeed keeps gradients in b bytes, and up to 4 more while it accumulates in float32):

=====  ===============================================
stage  bytes on each GPU
=====  ===============================================
0      b P + b T + 12 T
1      b P + b T + 12 T / N
2      b P + (b + 12) T / N
3      (b P + (b + 12) T) / N + weights gathered at a time
=====  ===============================================

Float32 training has no separate master weights: 8 in place of 12. Offloading the optimizer takes 12 T / N to the host,
offloading parameters b P / N. Activations, buffers of the communication library and fragmentation come on top.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

GATHERED = 1_000_000_000
"""DeepSpeed's default of ``stage3_max_live_parameters``."""


@dataclass(frozen=True, slots=True)
class Need:
    """Bytes of model states.

    Attributes:
        gpu: on each GPU.
        host: in the memory of the host, for each GPU.
    """

    gpu: int
    host: int


def model_states(
    weights: int,
    trained: int,
    *,
    ranks: int,
    zero: Mapping[str, Any],
    dtype: str = "bf16",
) -> Need:
    """Bytes of weights, gradients and optimizer.

    Args:
        weights: of the whole model.
        trained: of them, trained ones.
        ranks: GPUs.
        zero: ``zero_optimization`` of DeepSpeed's JSON.
        dtype: of the weights.

    Raises:
        ValueError: more trained weights than weights, or no rank.
    """
    if not 0 <= trained <= weights or ranks < 1:
        raise ValueError(f"{trained} of {weights} weights on {ranks} ranks")
    stage = int(zero.get("stage", 0))
    each = 4 if dtype == "fp32" else 2
    optimizer = trained * (8 if dtype == "fp32" else 12)
    grads, own = trained * each, weights * each
    if stage >= 1:
        optimizer = math.ceil(optimizer / ranks)
    if stage >= 2:
        grads = math.ceil(grads / ranks)
    gathered = 0
    if stage == 3:
        live = min(weights, int(_number(zero.get("stage3_max_live_parameters"), GATHERED)))
        gathered = live * each if ranks > 1 else 0
        own = math.ceil(own / ranks)
    gpu, host = own + grads + optimizer + gathered, 0
    if _offloads(zero, "offload_optimizer"):
        gpu, host = gpu - optimizer, host + optimizer
    if _offloads(zero, "offload_param") and stage == 3:
        gpu, host = gpu - own, host + own
    return Need(gpu, host)


def _offloads(zero: Mapping[str, Any], key: str) -> bool:
    part = zero.get(key) or {}
    return part.get("device", "none") not in ("none", None)


def _number(value: Any, default: float) -> float:
    return default if value in (None, "auto") else float(value)


def gib(size: int) -> str:
    """A size for people."""
    return f"{size / 2**30:.2f} GiB" if size >= 2**27 else f"{size / 2**20:.2f} MiB"
