"""A complete tiny tracker of SAM 3 with random weights: the other mask decoder that grounding trains."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from mmdata.errors import UsageError
from mmtrain.tiny_sam2 import DEVIATION, tiny_decoder, write_tiny

SIDE = 112
"""Side of the pictures it takes, in pixels."""

PATCH = 14


def tiny_sam3(side: int = SIDE, width: int = 32) -> Any:
    """A random ``Sam3TrackerModel`` of about 150 thousand weights.

    Args:
        side: of the pictures it takes, in pixels, a multiple of 56.
        width: of the encoder and the decoder.
    """
    t: Any = import_module("transformers")
    grid = side // PATCH
    config = t.Sam3TrackerConfig(
        vision_config={
            "model_type": "sam3_vision_model",
            "initializer_range": DEVIATION,
            "fpn_hidden_size": width,
            "backbone_feature_sizes": [[4 * grid] * 2, [2 * grid] * 2, [grid] * 2],
            "backbone_config": {
                "model_type": "sam3_vit_model",
                "initializer_range": DEVIATION,
                "hidden_size": width,
                "intermediate_size": 2 * width,
                "num_hidden_layers": 2,
                "num_attention_heads": 2,
                "image_size": side,
                "pretrain_image_size": side,
                "patch_size": PATCH,
                "window_size": 4,
                "global_attn_indexes": [1],
            },
        },
        **tiny_decoder(side, width, PATCH),
    )
    return t.Sam3TrackerModel(config)


def make_tiny_sam3(
    directory: str | Path, *, side: int = SIDE, width: int = 32, seed: int = 0, force: bool = False
) -> tuple[Path, int]:
    """Write a tiny random ``Sam3TrackerModel``.

    Args:
        directory: where to; made with its parents.
        side: see `tiny_sam3`.
        width: see `tiny_sam3`.
        seed: of the weights.
        force: replace a directory that is there.

    Returns:
        The directory, and how many weights.

    Raises:
        UsageError: something is there already, or the side is no multiple of 56.
    """
    if side < 4 * PATCH or side % (4 * PATCH):
        raise UsageError(f"tile: expected a multiple of {4 * PATCH} pixels, got {side}")
    return write_tiny(lambda: tiny_sam3(side, width), directory, seed=seed, force=force)
