"""Sums over ranks."""

from __future__ import annotations

from typing import Any


def summed(parts: dict[str, Any]) -> dict[str, float]:
    """Sums over all ranks; the same names on every one."""
    import torch
    import torch.distributed as dist

    sums = torch.stack([parts[name] for name in sorted(parts)])
    dist.all_reduce(sums)
    return dict(zip(sorted(parts), sums.tolist(), strict=True))
