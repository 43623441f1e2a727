"""Frames of videos as the model directory's video processor resizes and scales them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mmdata.errors import DataError

if TYPE_CHECKING:
    import torch

    from mmtrain.data.video import Frames


def video_config(model: Path) -> dict[str, Any]:
    """What a model directory says of its video processor: a file of its own, a part of the processor's, or the pictures'."""
    found: dict[str, Any] = {}
    for name, key in (
        ("video_preprocessor_config.json", None),
        ("processor_config.json", "video_processor"),
        ("preprocessor_config.json", None),
    ):
        if (model / name).exists():
            read = json.loads((model / name).read_text("utf-8"))
            found = read if key is None else read.get(key) or {}
            if found:
                break
    return found


def one_size(taken: Frames, path: str) -> tuple[int, int]:
    """(width, height) of all frames.

    Raises:
        DataError: they differ.
    """
    sizes = {picture.size for picture in taken.pictures}
    if len(sizes) > 1:
        raise DataError(
            f"{path}: frames of different sizes: {', '.join(f'{w}x{h}' for w, h in sorted(sizes))}"
        )
    return taken.pictures[0].size


def scaled(
    taken: Frames, height: int, width: int, mean: Sequence[float], std: Sequence[float], factor: float
) -> torch.Tensor:
    """Frames (N, 3, height, width) float32, resized and normalised bit for bit as transformers' video processors do.

    Args:
        taken: frames of one size.
        height: in pixels.
        width: in pixels.
        mean: of each channel, after scaling.
        std: of each channel, after scaling.
        factor: what values of 0 to 255 are multiplied by.
    """
    import torch
    import torch.nn.functional as F  # noqa: N812 - the name everybody knows

    stacked = torch.from_numpy(np.stack([np.asarray(picture) for picture in taken.pictures]))
    frames = stacked.permute(0, 3, 1, 2)
    if tuple(frames.shape[2:]) != (height, width):
        frames = F.interpolate(frames, (height, width), mode="bicubic", antialias=True)
    scale = 1.0 / factor
    middle = (torch.tensor(list(mean)) * scale).view(3, 1, 1)
    spread = (torch.tensor(list(std)) * scale).view(3, 1, 1)
    return frames.to(torch.float32).sub_(middle).div_(spread)
